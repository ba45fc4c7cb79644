package script_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/script"
)

// node is a directory with what the scripts see of a machine, and programs that take the place of kubeadm and kubectl.
type node struct {
	*testing.T
	dir string
}

// programs are in place of those of Kubernetes: what kubeadm makes is kept where it is there, and is of no use where it is empty.
var programs = map[string]string{
	"kubeadm": `#!/bin/sh
printf '%s\n' "$*" >>"$NODE/calls"
make() {
	mkdir -p "${1%/*}"
	[ -e "$1" ] || { echo "$2" >"$1"; return; }
	[ -s "$1" ] || { echo "error reading $1: it is empty" >&2; exit 1; }
}
certs() { make "$NODE/etc/kubernetes/pki/ca.crt" ca; make "$NODE/etc/kubernetes/pki/ca.key" ca; }
confs() { for f in admin kubelet; do make "$NODE/etc/kubernetes/$f.conf" conf; done; }
kubelet() {
	make "$NODE/var/lib/kubelet/pki/kubelet.crt" own
	echo config >"$NODE/var/lib/kubelet/config.yaml"
	echo flags >"$NODE/var/lib/kubelet/kubeadm-flags.env"
}
case $* in
"init phase certs all "*) certs ;;
"init phase kubeconfig all "*) confs ;;
"init --config"*)
	certs; confs; kubelet
	mkdir -p "$NODE/etc/kubernetes/manifests"
	for f in kube-apiserver kube-controller-manager kube-scheduler etcd; do echo pod >"$NODE/etc/kubernetes/manifests/$f.yaml"; done ;;
"join --help")
	printf '%s\n' 'kubelet-start          Write settings' 'etcd-join              Join etcd' 'control-plane-join     Join' \
		'  /etcd                  Add a member' '  /mark-control-plane    Mark a node' ;;
"init phase etcd local "*) echo pod >"$NODE/etc/kubernetes/manifests/etcd.yaml" ;;
"join "*)
	make "$NODE/etc/kubernetes/pki/ca.crt" ca; make "$NODE/etc/kubernetes/kubelet.conf" conf; kubelet
	echo pem >"$NODE/var/lib/kubelet/pki/kubelet-client-current.pem" ;;
"token list"*) [ ! -e "$NODE/no-answer" ] || exit 1; echo abcdef.0123456789abcdef ;;
"token delete"*) ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
`,
	// A worker's own file is enough to ask for it.
	"kubectl": `#!/bin/sh
[ -s "$KUBECONFIG" ]
`,
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{t, t.TempDir()}
	for name, text := range programs {
		n.put("bin/"+name, text)
	}
	n.put("etc/kubernetes/kubeadm.yaml", "config\n")
	n.put("run/kplan/of", "kplan\n")
	return n
}

func (n *node) put(name, content string) {
	n.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		n.Fatal(err)
	}
}

func (n *node) content(name string) string {
	data, _ := os.ReadFile(filepath.Join(n.dir, name))
	return string(data)
}

// run runs a script on the node.
func (n *node) run(text string, args ...string) error {
	n.Helper()
	_, err := n.output(text, args...)
	return err
}

// output is run, with what the script wrote.
func (n *node) output(text string, args ...string) (string, error) {
	n.Helper()
	text = strings.NewReplacer(" /etc/kubernetes", " "+n.dir+"/etc/kubernetes", "=/etc/kubernetes", "="+n.dir+"/etc/kubernetes",
		"'/etc/kubernetes", "'"+n.dir+"/etc/kubernetes", "/var/lib/", n.dir+"/var/lib/", "/run/kplan", n.dir+"/run/kplan", "/run/flannel", n.dir+"/run/flannel").Replace(text)
	cmd := exec.Command("/bin/sh", append([]string{"-c", text, "kplan"}, args...)...)
	cmd.Env = []string{"PATH=" + n.dir + "/bin:" + os.Getenv("PATH"), "NODE=" + n.dir}
	out, err := cmd.CombinedOutput()
	n.Logf("%v %s", err, out)
	return string(out), err
}

func (n *node) init() error {
	n.Helper()
	return n.run(script.KubeadmInit, n.dir+"/etc/kubernetes/kubeadm.yaml")
}

// whole wants what kubeadm made, none of it empty, and kplan to be done.
func (n *node) whole(names ...string) {
	n.Helper()
	for _, name := range append(names, script.KubeadmSums) {
		if n.content(name) == "" {
			n.Errorf("%s is empty or not there", name)
		}
	}
	if _, err := os.Stat(filepath.Join(n.dir, script.KubeadmBegun)); err == nil {
		n.Error("it has not ended")
	}
}

// What a loss of power emptied is made again, whatever it is, and what is whole is kept.
func TestInitAfterALossOfPower(t *testing.T) {
	const authority, admin, kubelet = "etc/kubernetes/pki/ca.crt", "etc/kubernetes/admin.conf", "etc/kubernetes/kubelet.conf"
	const serving = "var/lib/kubelet/pki/kubelet.crt"
	for name, c := range map[string]struct {
		empty string
		kept  bool // the authority
	}{
		"the authority":             {authority, false},
		"the administrator's file":  {admin, false},
		"the kubelet's file":        {kubelet, true},
		"the kubelet's certificate": {serving, true},
		"a static pod":              {"etc/kubernetes/manifests/etcd.yaml", true},
		"nothing":                   {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			for _, f := range []string{authority, "etc/kubernetes/pki/ca.key", admin, kubelet, serving} {
				n.put(f, "before\n")
			}
			n.put(script.KubeadmBegun, "")
			if c.empty != "" {
				n.put(c.empty, "")
			}
			if err := n.init(); err != nil {
				t.Fatal(err)
			}
			n.whole(authority, "etc/kubernetes/pki/ca.key", admin, kubelet, serving, "etc/kubernetes/manifests/etcd.yaml")
			if kept := n.content(authority) == "before\n"; kept != c.kept {
				t.Errorf("the authority is %q", n.content(authority))
			}
		})
	}
}

// What the cluster rests on is on the disk before anything is made with it.
func TestInitMakesCertificatesFirst(t *testing.T) {
	n := newNode(t)
	if err := n.init(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.Lines(n.content("calls")) {
		order = append(order, strings.Join(strings.Fields(line)[:3], " "))
	}
	if got := strings.Join(order, ", "); !strings.HasPrefix(got, "init phase certs, init phase kubeconfig, init --config") {
		t.Error(got)
	}
}

// A token that cannot be taken away is not forgotten.
func TestInitWithoutAnAnswer(t *testing.T) {
	n := newNode(t)
	n.put("no-answer", "")
	if err := n.init(); err == nil {
		t.Error("it has ended, with a token left")
	}
}

// A worker has joined once the cluster has its node, which kubeadm does not wait for.
func TestJoinAwaitsTheNode(t *testing.T) {
	n := newNode(t)
	n.put("bin/sleep", "#!/bin/sh\n")
	n.put("bin/kubectl", "#!/bin/sh\n[ -s \"$KUBECONFIG\" ] || exit 1\necho asked >>\"$NODE/asked\"\n[ \"$(wc -l <\"$NODE/asked\")\" -ge 3 ]\n")
	if err := n.run(script.KubeadmJoin, "k8s-node2"); err != nil {
		t.Fatal(err)
	}
	if asked := strings.Count(n.content("asked"), "\n"); asked != 3 {
		t.Errorf("it was asked for %d times", asked)
	}
	n.put("bin/kubectl", "#!/bin/sh\necho it is not there >&2\nexit 1\n")
	if err := n.run(script.KubeadmJoin, "k8s-node2"); err == nil {
		t.Error("a node that never comes has joined")
	}
}

// A join that had come through is not made again, unless a loss of power took what it rests on.
func TestJoinAfterALossOfPower(t *testing.T) {
	made := []string{
		"etc/kubernetes/pki/ca.crt", "etc/kubernetes/kubelet.conf", "var/lib/kubelet/config.yaml", "var/lib/kubelet/kubeadm-flags.env",
		"var/lib/kubelet/pki/kubelet-client-current.pem",
	}
	for _, empty := range append(made, "") {
		t.Run(empty, func(t *testing.T) {
			n := newNode(t)
			for _, f := range made {
				n.put(f, "before\n")
			}
			n.put(script.KubeadmBegun, "")
			if empty != "" {
				n.put(empty, "")
			}
			if err := n.run(script.KubeadmJoin, "k8s-node2"); err != nil {
				t.Fatal(err)
			}
			if err := n.run(script.KubeadmJoined); err != nil {
				t.Fatal(err)
			}
			n.whole(made...)
			if again := strings.Contains(n.content("calls"), "join "); again != (empty != "") {
				t.Errorf("joined again: %v", again)
			}
		})
	}
}

// kubeadm is not asked to make a member of etcd one that votes, which is one already.
func TestJoinOfAMemberThatVotes(t *testing.T) {
	const manifest = "etc/kubernetes/manifests/etcd.yaml"
	for name, c := range map[string]struct{ etcd, skips string }{
		"cut off":                    {"pod\n", "--skip-phases=kubelet-start,etcd-join,control-plane-join/etcd"},
		"cut off by a loss of power": {"", "--skip-phases=kubelet-start,etcd-join,control-plane-join/etcd"},
		"a learner":                  {"pod\n", "--skip-phases=kubelet-start"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.put("bin/kubectl", "#!/bin/sh\nexit 0\n")
			n.put("etc/kubernetes/kubelet.conf", "before\n")
			n.put("etc/kubernetes/pki/ca.crt", "before\n")
			n.put(manifest, c.etcd)
			args := []string{"k8s-node2", n.dir + "/etc/kubernetes/kubeadm.yaml"}
			if name == "a learner" {
				args = args[:1]
			}
			if err := n.run(script.KubeadmJoinPlane, args...); err != nil {
				t.Fatal(err)
			}
			calls := n.content("calls")
			if !strings.HasSuffix(strings.TrimSpace(calls), " "+c.skips) || n.content(manifest) == "" {
				t.Errorf("kubeadm is called so, and etcd's manifest is %q:\n%s", n.content(manifest), calls)
			}
		})
	}
}

// What keeps the files of a join on the disk ends with it, also where its shell is killed and cannot end it.
func TestJoinOfAMemberThatIsKilled(t *testing.T) {
	const most = 300 // times, after which it gives up, so that nothing is left of a test that fails
	n := newNode(t)
	n.put("bin/kubeadm", "#!/bin/sh\nuntil [ -s \"$NODE/beats\" ]; do :; done\nkill -9 $PPID\n")
	n.put("bin/sleep", fmt.Sprintf("#!/bin/sh\necho >>\"$NODE/beats\"\n[ \"$(wc -l <\"$NODE/beats\")\" -lt %d ]\n", most))
	n.put("bin/find", "#!/bin/sh\n")
	if err := n.run(script.KubeadmJoinPlane, "k8s-node2"); err == nil { // which awaits all that it has begun
		t.Fatal("it was not killed")
	}
	if beats := strings.Count(n.content("beats"), "\n"); beats == 0 || beats >= most {
		t.Errorf("it went on, %d times", beats)
	}
}
