package cli

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
)

// The version of a cluster stays as it is, also where a plan does not come to its
// control plane: the workers would be given another one.
func TestTheVersionOfAClusterStays(t *testing.T) {
	beside := "resource \"file\" \"beside\" {\n  on      = host.x\n  path    = \"/etc/beside\"\n  content = \"%s\"\n}\n"
	spec := clusterOf("a", "b", "c", "x") + strings.Replace(beside, "%s", "1.34.4", 1)
	s := newSite(t, spec)
	for _, h := range []string{"a", "b", "c", "x"} {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Address(addressOf(h)+"/24"), hosttest.Report(t.Errorf))
		if h != "a" {
			s.machines[h].Reaches(s.machines["a"])
		}
	}
	s.want(0, nil, "apply", "--auto-approve")
	s.write("main.kplan.hcl", strings.ReplaceAll(spec, "1.34.4", "1.35.0"))
	refused := []string{
		"Error: Change not possible", `resource "kubeadm_control_plane" "main" {`,
		"On host a: The cluster runs Kubernetes 1.34.4, and changing the version of a cluster is not supported yet. Keep it at 1.34.4.",
	}
	s.want(1, refused, "plan")
	s.want(1, refused, "plan", "--offline")
	s.want(1, refused, "apply", "--auto-approve", "--target", "file.beside")
	s.want(1, refused, "apply", "--auto-approve", "--exclude", "kubeadm_control_plane.main")
	for _, h := range []string{"a", "b", "c"} {
		s.down[h] = true
	}
	s.want(1, refused, "apply", "--auto-approve")
	if got := s.machines["x"].Content("/etc/beside"); got != "1.34.4" {
		t.Errorf("the worker was given %s", got)
	}
	s.want(8, nil, "drift")

	s.write("main.kplan.hcl", spec)
	s.want(8, nil, "plan")
}
