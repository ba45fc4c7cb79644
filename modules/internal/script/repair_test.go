package script_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/script"
)

const (
	pods     = "etc/kubernetes/manifests/"
	apiPod   = "- kube-apiserver\n    - --advertise-address=10.0.2.15\n    - --secure-port=6443\n"
	planeYML = "kind: ClusterConfiguration\n"
)

// standing is a control plane that kubeadm made of planeYML. What its kubelet tells of its pods is in the lines of the file runs,
// one after the other and the last for good.
func standing(t *testing.T) *node {
	n := newNode(t)
	n.put("etc/kubernetes/kubeadm.yaml", planeYML)
	n.put("bin/kubeadm", `#!/bin/sh
printf '%s\n' "$*" >>"$NODE/calls"
case $* in
"init phase upload-config"*) [ ! -e "$NODE/no-answer" ] ;;
"init phase "*) ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
`)
	n.put("bin/kubectl", `#!/bin/sh
printf '%s\n' "$* ($NO_PROXY)" >>"$NODE/asked"
case $* in
*" get --raw /api/v1/nodes/n1/proxy/pods")
	[ ! -e "$NODE/down" ] || { echo "connection refused" >&2; exit 1; }
	head -n 1 "$NODE/runs"
	[ "$(wc -l <"$NODE/runs")" -lt 2 ] || sed -i 1d "$NODE/runs" ;;
*" -n kube-system get daemonset kube-proxy --ignore-not-found -o name")
	[ -e "$NODE/no-proxy" ] || echo daemonset.apps/kube-proxy ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
`)
	n.put("bin/sleep", "#!/bin/sh\n")
	n.put("bin/date", "#!/bin/sh\necho >>\"$NODE/ticks\"\nexpr $(wc -l <\"$NODE/ticks\") \\* 10\n")
	for name, text := range map[string]string{"kube-apiserver": apiPod, "kube-controller-manager": "x\n", "kube-scheduler": "x\n", "etcd": "x\n"} {
		n.put(pods+name+".yaml", text)
	}
	n.put("var/lib/kubelet/config.yaml", "config\n")
	n.sum()
	n.put("runs", runs(static...))
	return n
}

// sum notes the digests of what stands, as the end of an init does.
func (n *node) sum() {
	n.Helper()
	m := n.dir + "/" + pods
	if err := n.run("cd / && sha256sum -- \"$@\" >"+n.dir+script.KubeadmSums, n.dir+"/etc/kubernetes/kubeadm.yaml",
		m+"kube-apiserver.yaml", m+"kube-controller-manager.yaml", m+"kube-scheduler.yaml", m+"etcd.yaml", n.dir+"/var/lib/kubelet/config.yaml"); err != nil {
		n.Fatal(err)
	}
}

func (n *node) repair() error {
	n.Helper()
	return n.run(script.KubeadmRepair, n.dir+"/etc/kubernetes/kubeadm.yaml", "n1")
}

var static = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"}

// runs is what a kubelet tells of its pods, of which these are Ready, and others are not.
func runs(ready ...string) string {
	var pods []string
	for _, name := range append(static, "kube-proxy-x") {
		status := `"type":"Ready","status":"False","message":"containers with unready status: [x]"`
		if slices.Contains(ready, name) {
			status = `"type":"Ready","observedGeneration":1,"status":"True"`
		}
		pods = append(pods, `{"metadata":{"name":"`+name+`-n1","namespace":"kube-system","uid":"1"},"spec":{},"status":{"conditions":[{"type":"Initialized","status":"True"},{`+
			status+`},{"type":"ContainersReady","status":"True"}]}}`)
	}
	pods = append(pods, `{"metadata":{"name":"etcd-n1","namespace":"default"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	return `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[` + strings.Join(pods, ",") + "]}\n"
}

// A repair has ended once the pods are those of the manifests: the API server of before answers, too.
func TestRepairAwaitsThePods(t *testing.T) {
	const none = `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}` + "\n"
	for name, c := range map[string]struct {
		runs  string
		looks int
	}{
		"nothing changed":                  {runs(static...), 1},
		"a kubelet that has only started":  {none + runs(static...), 2},
		"an API server that is made again": {runs(static[1:]...) + runs(static[1:]...) + runs(static...), 3},
		"an etcd that is made again":       {runs(static[:3]...) + runs(static...), 2},
		"all, one after the other":         {none + runs("etcd") + runs("etcd", "kube-apiserver") + runs(static...), 4},
	} {
		t.Run(name, func(t *testing.T) {
			n := standing(t)
			n.put("runs", c.runs)
			if err := n.repair(); err != nil {
				t.Fatal(err)
			}
			if looks := strings.Count(n.content("asked"), " get --raw "); looks != c.looks {
				t.Errorf("it has looked %d times, not %d:\n%s", looks, c.looks, n.content("asked"))
			}
			if asked := n.content("asked"); !strings.Contains(asked, "--server=https://10.0.2.15:6443 ") || !strings.Contains(asked, "/pods (*)\n") || strings.Contains(asked, "127.0.0.1") {
				t.Errorf("asked elsewhere than where the API server is reached:\n%s", asked)
			}
		})
	}
}

// What does not come up is named, with where to look, and the repair has not ended: the next one does it again.
func TestRepairOfWhatDoesNotComeUp(t *testing.T) {
	n := standing(t)
	n.put(pods+"etcd.yaml", "another\n") // what is written again differs
	was := n.content(script.KubeadmSums)
	for _, c := range []struct{ down, want string }{
		{"", "5 minutes: etcd. "}, {"down", "5 minutes: kube-apiserver etcd. "},
	} {
		n.put("runs", runs(static[:3]...))
		if c.down != "" {
			n.put(c.down, "")
		}
		out, err := n.output(script.KubeadmRepair, n.dir+"/etc/kubernetes/kubeadm.yaml", "n1")
		if err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "crictl ps -a") || !strings.Contains(out, "journalctl -u kubelet") {
			t.Errorf("%v: %s", err, out)
		}
		if n.content(script.KubeadmSums) != was {
			t.Error("it counts as ended")
		}
	}
}

// A repair that was cut off is done again, whole.
func TestRepairAgain(t *testing.T) {
	n := standing(t)
	n.put("etc/kubernetes/kubeadm.yaml", planeYML+"clusterName: other\n")
	n.put("no-answer", "")
	if err := n.repair(); err == nil {
		t.Fatal("it has ended without the cluster's answer")
	}
	if err := n.run("rm \"$NODE/no-answer\" \"$NODE/calls\""); err != nil {
		t.Fatal(err)
	}
	if err := n.repair(); err != nil {
		t.Fatal(err)
	}
	for _, phase := range []string{"certs apiserver", "etcd local", "control-plane all", "kubelet-start", "upload-config all", "addon kube-proxy"} {
		if !strings.Contains(n.content("calls"), "init phase "+phase+" ") {
			t.Errorf("kubeadm was not asked for %s:\n%s", phase, n.content("calls"))
		}
	}
	if err := n.run("cd / && sha256sum -c " + n.dir + script.KubeadmSums); err != nil {
		t.Error("its digests are not of what stands")
	}
}

// What kubeadm was not to bring, a repair does not bring either.
func TestRepairWithoutProxy(t *testing.T) {
	n := standing(t)
	n.put("etc/kubernetes/kubeadm.yaml", planeYML+"clusterName: other\n")
	n.put("no-proxy", "")
	if err := n.repair(); err != nil || strings.Contains(n.content("calls"), "addon") {
		t.Errorf("%v\n%s", err, n.content("calls"))
	}
}

// An address may be of the sixth version, or not be said.
func TestRepairAsksTheServerOfTheMachine(t *testing.T) {
	for flag, want := range map[string]string{"--advertise-address=fd00::1": "https://[fd00::1]:6443", "--v=2": "https://127.0.0.1:6443"} {
		n := standing(t)
		n.put(pods+"kube-apiserver.yaml", strings.Replace(apiPod, "--advertise-address=10.0.2.15", flag, 1))
		if err := n.repair(); err != nil || !strings.Contains(n.content("asked"), fmt.Sprintf("--server=%s ", want)) {
			t.Errorf("%v\n%s", err, n.content("asked"))
		}
	}
}
