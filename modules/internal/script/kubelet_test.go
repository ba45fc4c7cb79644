package script_test

import (
	"os"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/script"
)

const kubeletYAML = "var/lib/kubelet/config.yaml"

// worker is a machine that has joined. Its cluster's configuration of kubelets is in the file of-the-cluster; its node is in the
// cluster where the file registered is there, and a kubelet that starts makes that.
func worker(t *testing.T) *node {
	n := newNode(t)
	n.put("bin/kubeadm", `#!/bin/sh
case $* in
"upgrade node phase kubelet-config")
	[ ! -e "$NODE/down" ] || { echo "connection refused" >&2; exit 1; }
	[ -e "$NODE/registered" ] || { echo 'failed to get node registration: nodes "x" not found' >&2; exit 1; }
	cat "$NODE/of-the-cluster" >"$NODE/`+kubeletYAML+`" ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
`)
	n.put("bin/kubectl", `#!/bin/sh
printf '%s\n' "$*" >>"$NODE/asked"
case $* in
"--kubeconfig=$NODE/etc/kubernetes/kubelet.conf --cache-dir=/dev/null --request-timeout=5s get --raw /api/v1/nodes/"*) ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
[ ! -e "$NODE/down" ] || { echo 'Unable to connect to the server: dial tcp 10.0.2.15:6443: i/o timeout' >&2; exit 1; }
[ ! -e "$NODE/other-path" ] || { echo 'Error from server (NotFound): the server could not find the requested resource' >&2; exit 1; }
[ ! -e "$NODE/forbidden" ] || { echo 'Error from server (Forbidden): nodes "x" is forbidden' >&2; exit 1; }
[ -e "$NODE/registered" ] || { printf 'Error from server (NotFound): nodes "%s" not found\n' "${6##*/}" >&2; exit 1; }
echo '{"kind":"Node"}'
`)
	n.put("bin/systemctl", `#!/bin/sh
case $* in
"is-active --quiet kubelet") [ -e "$NODE/runs" ] ;;
"restart kubelet")
	echo "$*" >>"$NODE/starts"
	: >"$NODE/runs"
	[ -e "$NODE/stuck" ] || : >"$NODE/registered" ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
`)
	n.put("bin/ip", "#!/bin/sh\necho \"$*\" >>\"$NODE/links\"\nexit 1\n") // there may be none
	n.put("run/flannel/subnet.env", "FLANNEL_SUBNET=10.244.1.1/24\n")
	n.put("bin/sleep", "#!/bin/sh\n")
	n.put("etc/kubernetes/kubelet.conf", "keys\n")
	n.put(kubeletYAML, "maxPods: 110\n")
	n.put("of-the-cluster", "maxPods: 110\n")
	n.put("runs", "")
	n.put("registered", "")
	n.sumOf(kubeletYAML)
	return n
}

func (n *node) sumOf(name string) {
	n.Helper()
	if err := n.run("cd / && sha256sum -- \"$1\" >"+n.dir+script.KubeadmSums, n.dir+"/"+name); err != nil {
		n.Fatal(err)
	}
}

func (n *node) without(names ...string) {
	n.Helper()
	for _, name := range names {
		if err := os.Remove(n.dir + "/" + name); err != nil {
			n.Fatal(err)
		}
	}
}

// A kubelet is restarted only where it has to be; another time nothing is left to do.
func TestRejoinRestartsWhereItHasTo(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*node)
		restarts int
	}{
		"as it was":                                 {func(*node) {}, 0},
		"another configuration":                     {func(n *node) { n.put("of-the-cluster", "maxPods: 99\n") }, 1},
		"changed by hand":                           {func(n *node) { n.put(kubeletYAML, "maxPods: 50\n") }, 1},
		"changed by hand, no sums":                  {func(n *node) { n.put(kubeletYAML, "maxPods: 50\n"); n.without(script.KubeadmSums[1:]) }, 1},
		"as it was, no sums":                        {func(n *node) { n.without(script.KubeadmSums[1:]) }, 0},
		"cut off before a restart":                  {func(n *node) { n.put("of-the-cluster", "maxPods: 99\n"); n.put(kubeletYAML, "maxPods: 99\n") }, 1},
		"a kubelet that is stopped":                 {func(n *node) { n.without("runs") }, 1},
		"a node that was deleted":                   {func(n *node) { n.without("registered") }, 1},
		"one that was deleted, and changed by hand": {func(n *node) { n.without("registered"); n.put(kubeletYAML, "maxPods: 50\n") }, 2},
		"a path that is not known":                  {func(n *node) { n.put("other-path", "") }, 0},
		"a node that is forbidden":                  {func(n *node) { n.put("forbidden", "") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := worker(t)
			c.change(n)
			for range 2 {
				if err := n.run(script.KubeadmRejoin, "gone"); err != nil {
					t.Fatal(err)
				}
			}
			want := strings.Repeat("restart kubelet\n", c.restarts)
			if got := n.content("starts"); got != want {
				t.Errorf("it did %q, want %q", got, want)
			}
			want = ""
			if strings.Contains(name, "deleted") {
				want = "link delete cni0\nlink delete flannel.1\n"
			}
			if got := n.content("links"); got != want {
				t.Errorf("of the pod network it took away %q, want %q", got, want)
			}
			if _, err := os.Stat(n.dir + "/run/flannel/subnet.env"); (err == nil) != (want == "") {
				t.Errorf("the pod network's own file: %v", err)
			}
			if n.content(kubeletYAML) != n.content("of-the-cluster") {
				t.Errorf("the configuration is %s", n.content(kubeletYAML))
			}
			if err := n.run("cd / && sha256sum -c " + n.dir + script.KubeadmSums); err != nil {
				t.Error("its digests are not of what stands")
			}
		})
	}
}

// A node that does not come is not waited for without end, and it is said where to look; the next time it is done again.
func TestRejoinOfANodeThatDoesNotCome(t *testing.T) {
	n := worker(t)
	n.without("registered")
	n.put("stuck", "")
	was := n.content(script.KubeadmSums)
	out, err := n.output(script.KubeadmRejoin, "gone")
	if err == nil || !strings.Contains(out, "the cluster has no node ") || !strings.Contains(out, "journalctl -u kubelet") || n.content(script.KubeadmSums) != was {
		t.Errorf("%v: %s", err, out)
	}
	if asked := strings.Count(n.content("asked"), "\n"); asked > 400 {
		t.Errorf("it has asked %d times", asked)
	}
}

// One that only gets a configuration asks nothing of its node.
func TestRejoinAsksNoMoreThanItIsTold(t *testing.T) {
	n := worker(t)
	if err := n.run(script.KubeadmRejoin); err != nil || n.content("asked") != "" || n.content("starts") != "" || n.content("links") != "" {
		t.Errorf("%v, asked %q, did %q, took away %q", err, n.content("asked"), n.content("starts"), n.content("links"))
	}
}

// Where the cluster does not answer, nothing is done to the kubelet.
func TestRejoinWithoutTheAPI(t *testing.T) {
	n := worker(t)
	n.put("down", "")
	if err := n.run(script.KubeadmRejoin); err == nil || n.content("starts") != "" {
		t.Errorf("%v, %q", err, n.content("starts"))
	}
}

// Of a node it is told only that the API does not have it, and of a machine that is no worker nothing is asked.
func TestNodeAsked(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*node)
		want   string
		asks   bool
	}{
		"it is there":               {func(*node) {}, "", true},
		"it was deleted":            {func(n *node) { n.without("registered") }, "gone " + strings.ToLower(hostname) + "\n", true},
		"the API is down":           {func(n *node) { n.without("registered"); n.put("down", "") }, "", true},
		"it answers something else": {func(n *node) { n.without("registered"); n.put("other-path", "") }, "", true},
		"it refuses":                {func(n *node) { n.without("registered"); n.put("forbidden", "") }, "", true},
		"no kubectl":                {func(n *node) { n.put("bin/kubectl", "#!/bin/sh\nexit 127\n") }, "", false},
		"a bare machine":            {func(n *node) { n.without("registered", "etc/kubernetes/kubelet.conf") }, "", false},
		"a join that goes on":       {func(n *node) { n.without("registered"); n.put(script.KubeadmBegun, "") }, "", false},
		"a control plane":           {func(n *node) { n.without("registered"); n.put("etc/kubernetes/admin.conf", "keys\n") }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			n := worker(t)
			c.change(n)
			if out, err := n.output(script.NodeAsked); err != nil || out != c.want {
				t.Errorf("it says %q, %v", out, err)
			}
			if asked := n.content("asked"); (asked != "") != c.asks || strings.Count(asked, "\n") > 1 {
				t.Errorf("it has asked %q", asked)
			}
		})
	}
}

// A kubelet that is started is no more than that on a worker; on a control plane its static pods are waited for.
func TestKubeletStart(t *testing.T) {
	n := standing(t)
	n.put("bin/systemctl", "#!/bin/sh\n[ \"$*\" = 'start kubelet' ] || exit 99\necho \"$*\" >>\"$NODE/starts\"\n")
	n.put("runs", runs("etcd")+runs(static...))
	if err := n.run(script.KubeletStart); err != nil || n.content("asked") != "" {
		t.Errorf("a worker: %v, asked %q", err, n.content("asked"))
	}
	if err := n.run(script.KubeletStart, "n1"); err != nil || strings.Count(n.content("asked"), " get --raw ") != 2 || n.content("calls") != "" {
		t.Errorf("a control plane: %v, asked %q, called %q", err, n.content("asked"), n.content("calls"))
	}
	if got := n.content("starts"); got != "start kubelet\nstart kubelet\n" {
		t.Errorf("it did %q", got)
	}
}
