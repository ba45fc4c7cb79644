package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/test/site"
)

// additions are what the lab's machines need beside the example: all comes from one address, and what is the host's, the disk
// and the kernel's parameters, a node neither judges nor sets.
const additions = `
  package_mirror         = "http://10.0.2.1"
  registry_mirrors       = { _default = ["http://10.0.2.1:5000"] }
  restrict_oom_score_adj = true
  kubelet = {
    oomScoreAdj                 = 0
    imageGCHighThresholdPercent = 100
    evictionHard                = { "nodefs.available" = "0%", "nodefs.inodesFree" = "0%", "imagefs.available" = "0%" }
  }
  kube_proxy = {
    mode        = "iptables"
    oomScoreAdj = 0
    conntrack   = { maxPerCore = 0, min = 0, tcpEstablishedTimeout = "0s", tcpCloseWaitTimeout = "0s" }
  }
  depends_on = [package_repository.debian]
}
`

// debian is where the lab's machines have containerd from.
const debian = `
resource "package_repository" "debian" {
  on     = hosts
  name   = "debian"
  uri    = "http://10.0.2.1/debian/"
  suites = ["/"]
  key    = file("debian.asc")
}
`

// spec is the example with the lab's additions.
type spec struct {
	*cluster
	*site.Program
	text string
}

func newSpec(t *testing.T, c *cluster) *spec {
	t.Helper()
	example, err := os.ReadFile("../../examples/gulimall/gulimall.kplan.hcl")
	if err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(c.lab.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	text, cut := strings.CutSuffix(strings.TrimRight(string(example), "\n"), "}")
	if !cut {
		t.Fatalf("the example does not end with the module:\n%s", example)
	}
	s := &spec{cluster: c, Program: site.NewProgram(t)}
	s.Write("known_hosts", string(known))
	s.Write("kubernetes.asc", s.curl("http://10.0.2.1/core:/stable:/v1.34/deb/Release.key"))
	s.Write("debian.asc", s.curl("http://10.0.2.1/debian/Release.key"))
	s.Write("lab.kplan.hcl", debian)
	s.change(text+additions, "~/.ssh/id_ed25519", c.lab.Key())
	return s
}

// change writes the spec with each old text, of which there is one, replaced by the new one.
func (s *spec) change(text string, oldnew ...string) {
	s.t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if strings.Count(text, oldnew[i]) != 1 {
			s.t.Fatalf("%q is not once in\n%s", oldnew[i], text)
		}
	}
	s.text = strings.NewReplacer(oldnew...).Replace(text)
	s.Write("gulimall.kplan.hcl", s.text)
}

// empty wants a plan that has nothing to do.
func (s *spec) empty() {
	s.t.Helper()
	if r := s.Want(0, "plan", "--detailed-exitcode"); !strings.Contains(r.Stdout, "No changes.") {
		s.t.Errorf("the plan is\n%s", r.Stdout)
	}
}

// still wants neither a change to make nor one behind kplan's back, a cluster that works, and no token.
func (s *spec) still() {
	s.t.Helper()
	s.empty()
	s.Want(0, "drift")
	if tokens := s.ssh(s.plane, "", "kubeadm token list"); tokens != "" {
		s.t.Errorf("tokens are left:\n%s", tokens)
	}
}

// path is that of a file beside the spec.
func (s *spec) path(name string) string { return filepath.Join(s.Dir, name) }
