package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
)

const planesOf = `
resource "kubeadm_config" "main" {
  on                = role.control-plane
  version           = "1.34.4"
  name              = "node-${each.host.name}"
  advertise_address = each.host.address
  endpoint          = "10.0.2.15:6443"
}
resource "kubeadm_control_plane" "main" {
  on       = role.control-plane
  config   = kubeadm_config.main.path
  version  = "1.34.4"
  members  = role.control-plane
  endpoint = "10.0.2.15:6443"
}
resource "kubeadm_join" "worker" {
  on      = role.worker
  cluster = all.kubeadm_control_plane.main
}
`

// clusterOf is a spec of control planes a, b, … and workers x, y, …
func clusterOf(hosts ...string) string {
	text := "kplan {\n  roles = [\"worker\"]\n}\n"
	for _, h := range hosts {
		role := "control-plane"
		if h >= "x" {
			role = "worker"
		}
		text += fmt.Sprintf("host %q {\n  address = %q\n  roles   = [%q]\n}\n", h, addressOf(h), role)
	}
	return text + planesOf
}

func addressOf(host string) string { return fmt.Sprintf("10.0.0.%d", host[0]) }

// withCluster is a cluster of control planes a, b and c, and of workers x and y.
func withCluster(t *testing.T) *site {
	s := newSite(t, clusterOf("a", "b", "c", "x", "y"))
	for _, h := range []string{"a", "b", "c", "d", "x", "y"} {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Address(addressOf(h)+"/24"), hosttest.Report(t.Errorf))
		if h != "a" {
			s.machines[h].Reaches(s.machines["a"])
		}
	}
	s.want(0, nil, "apply", "--auto-approve")
	return s
}

// dies is a host whose machine is off and does not come back.
func (s *site) dies(host string) {
	s.down[host] = true
	for _, m := range s.machines {
		all := m.Members()
		for i := range all {
			all[i].Down = all[i].Down || all[i].Name == "node-"+host
		}
		if all != nil {
			m.SetMembers(all...)
		}
	}
}

// wants the cluster to have these nodes and members of etcd, by host.
func (s *site) wantCluster(nodes, etcd string) {
	s.t.Helper()
	var names []string
	for _, m := range s.machines["a"].Members() {
		names = append(names, strings.TrimPrefix(m.Name, "node-"))
	}
	if got := strings.ReplaceAll(strings.Join(s.machines["a"].Nodes(), " "), "node-", ""); got != nodes || strings.Join(names, " ") != etcd {
		s.t.Errorf("nodes %q, members of etcd %q", got, names)
	}
}

// A control plane and a worker are dead: the plan says how to let them go, and
// they are taken out of the cluster through a member, before a new one joins.
func TestDeadMachinesOfAClusterAreLetGo(t *testing.T) {
	s := withCluster(t)
	s.wantCluster("a b c x y", "a b c")
	s.dies("c")
	s.dies("x")
	alive := clusterOf("a", "b", "d", "y")
	s.write("main.kplan.hcl", alive)
	s.want(8, []string{
		"host c cannot be reached: connection refused; the spec does not name it any more: if it is gone for good, let it go by the block removed { from = host.c }",
	}, "plan", "--detailed-exitcode")

	s.write("main.kplan.hcl", alive+"removed {\n  from = host.c\n}\nremoved {\n  from = host.x\n}\n")
	s.want(0, nil, "fmt", "--check")
	s.want(0, []string{"No drift."}, "drift")
	plan := s.want(2, []string{
		"  # kubeadm_control_plane.main@c will be destroyed\n  # (its machine is let go: nothing is done there)\n  # (via leave a)\n  # (acts on a)\n",
		"  # kubeadm_join.worker@x will be destroyed\n  # (its machine is let go: nothing is done there)\n  # (acts on a)\n",
		"  # kubeadm_control_plane.main@d will be created\n  # (via join a)\n",
		"  # kubeadm_config.main@c will no longer be managed by kplan, but will not be destroyed\n  # (its machine is let go)\n",
		"Warning: host c is let go: its machine is not contacted, and what stands on it stays.",
		"Plan: 2 to add, 1 to change, 2 to destroy. 1 object will be forgotten.",
	}, "plan", "--out", "letgo.kplan", "--detailed-exitcode")
	if strings.Contains(plan.stdout+plan.stderr, "is no host of this control plane") {
		t.Errorf("the plan takes the member of c out, and warns of it:\n%s", plan.stdout+plan.stderr)
	}
	s.want(0, []string{`"address":"kubeadm_join.worker@x","at":"a"`, `"via":"leave a"`, `"actions":["forget"]`, `"name":"c","address":"10.0.0.99","reachable":false`}, "show", "--json", "letgo.kplan")
	s.want(0, []string{"Apply complete! Resources: 2 added, 1 changed, 2 destroyed."}, "apply", "letgo.kplan")
	s.wantCluster("a b d y", "a b d")
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")
	if a := s.want(0, nil, "state", "list"); strings.Contains(a.stdout, "@c") || strings.Contains(a.stdout, "@x") {
		t.Errorf("still recorded:\n%s", a.stdout)
	}
	if a := s.want(0, nil, "state", "pull"); strings.Contains(a.stdout, `"name": "c"`) {
		t.Errorf("host c is still recorded:\n%s", a.stdout)
	}
	s.write("main.kplan.hcl", alive)
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")
}

// Two of three members are dead: etcd cannot agree to anything, and nothing
// that depends on it is begun.
func TestAMajorityIsLetGo(t *testing.T) {
	s := withCluster(t)
	s.dies("b")
	s.dies("c")
	s.write("main.kplan.hcl", clusterOf("a", "d", "x", "y")+"removed {\n  from = host.b\n}\nremoved {\n  from = host.c\n}\n")
	s.want(3, []string{"of its 3 members 1 answer, and 2 have to before node-c leaves", "Apply incomplete."}, "apply", "--auto-approve")
	s.wantCluster("a b c x y", "a b c")
	if s.machines["d"].File("/etc/kubernetes/manifests/etcd.yaml") != nil {
		t.Error("d joined")
	}
	s.want(2, []string{"kubeadm_control_plane.main@b will be destroyed"}, "plan", "--detailed-exitcode")
}

// A host is recorded, and nothing on it: it can be named, to be let go alone.
func TestAHostThatIsOnlyRecordedIsNamed(t *testing.T) {
	const file = "resource \"file\" \"motd\" {\n  on      = hosts\n  path    = \"/etc/motd\"\n  content = \"hello\"\n}\n"
	host := func(name string) string { return fmt.Sprintf("host %q {\n  address = %q\n}\n", name, addressOf(name)) }
	s := newSite(t, host("a")+host("b")+file)
	for _, h := range []string{"a", "b"} {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Report(t.Errorf))
	}
	s.want(0, nil, "apply", "--auto-approve")
	s.write("main.kplan.hcl", host("a")+host("b")+strings.Replace(file, "hosts", "host.a", 1))
	s.want(0, nil, "apply", "--auto-approve")
	s.down["b"] = true
	s.write("main.kplan.hcl", host("a")+file+"removed {\n  from = host.b\n}\n")
	s.want(1, []string{"--target host.c names nothing"}, "plan", "--target", "host.c")
	s.want(0, []string{"host b is let go: no object of it is recorded, and apply takes it out of the state"}, "plan", "--target", "host.b")
	s.want(0, nil, "apply", "--auto-approve", "--target", "host.b")
	if a := s.want(0, nil, "state", "pull"); strings.Contains(a.stdout, `"name": "b"`) {
		t.Errorf("host b is still recorded:\n%s", a.stdout)
	}
}

// The cluster goes, and one of its machines was gone before.
func TestADeadMachineOfAClusterIsDestroyed(t *testing.T) {
	s := withCluster(t)
	s.dies("c")
	s.write("main.kplan.hcl", clusterOf("a", "b", "x", "y")+"removed {\n  from = host.c\n}\n")
	s.want(0, []string{"Destroy complete!"}, "destroy", "--auto-approve")
	if a := s.want(0, nil, "state", "list"); a.stdout != "" {
		t.Errorf("left: %s", a.stdout)
	}
}

// All machines of a cluster are dead. Where they are let go together nothing is
// left to be done; where the workers come later, the plan says what to write.
func TestAWholeClusterIsLetGo(t *testing.T) {
	s := withCluster(t)
	for _, h := range []string{"a", "b", "c", "x"} {
		s.down[h] = true
	}
	letGo := func(hosts ...string) (text string) {
		for _, h := range hosts {
			text += fmt.Sprintf("removed {\n  from = host.%s\n}\n", h)
		}
		return text
	}
	s.write("main.kplan.hcl", letGo("a", "b", "c"))
	s.want(3, []string{
		"  ! it acts on host a too, which is let go: to have it only forgotten, write a removed block with from = kubeadm_join.worker and destroy = false in its lifecycle\n      kubeadm_join.worker@y\n",
	}, "apply", "--auto-approve")

	s.down["y"] = true
	s.write("main.kplan.hcl", letGo("x", "y"))
	s.want(0, []string{
		"it acts on host a too, which is neither in the spec nor recorded: if it is gone for good, let all of them go in one plan, by a removed block each of host.a, host.b, host.c, host.x; to have it only",
	}, "plan")

	s.write("main.kplan.hcl", letGo("a", "b", "c", "x", "y"))
	s.want(2, []string{
		"  # kubeadm_join.worker@x will no longer be managed by kplan, but will not be destroyed\n  # kubeadm_join.worker@y will no longer be managed by kplan, but will not be destroyed\n  # (its machine is let go, and nobody is left to whom it was something)\n",
	}, "plan", "--detailed-exitcode")
	s.want(0, []string{"Apply complete!"}, "apply", "--auto-approve")
	s.write("main.kplan.hcl", "")
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")
	if a := s.want(0, nil, "state", "list"); a.stdout != "" {
		t.Errorf("left: %s", a.stdout)
	}
}

// A host of which no object is recorded is in the plan all the same, and goes from
// the state with an apply that has nothing else to do.
func TestABareHostIsLetGo(t *testing.T) {
	const motd = "resource \"file\" \"motd\" {\n  on      = host.%s\n  path    = \"/etc/motd\"\n  content = \"x\"\n}\n"
	host := func(name string) string {
		return fmt.Sprintf("host %q {\n  address = %q\n}\n", name, addressOf(name))
	}
	s := newSite(t, host("a")+host("b")+fmt.Sprintf(motd, "a"))
	for _, h := range []string{"a", "b"} {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Address(addressOf(h)+"/24"), hosttest.Report(t.Errorf))
	}
	s.want(0, nil, "apply", "--auto-approve")
	s.write("main.kplan.hcl", host("a")+host("b")+fmt.Sprintf(motd, "b"))
	s.want(0, nil, "apply", "--auto-approve")
	s.down["a"] = true
	s.write("main.kplan.hcl", host("b")+fmt.Sprintf(motd, "b")+"removed {\n  from = host.a\n}\n")
	s.want(0, []string{"Warning: host a is let go: no object of it is recorded, and apply takes it out of the state"}, "plan")
	recorded := func() bool { return strings.Contains(s.want(0, nil, "state", "pull").stdout, `"name": "a"`) }
	s.want(0, nil, "apply", "--auto-approve", "--target", "host.b")
	if !recorded() {
		t.Error("an apply that was not about it took it out of the state")
	}
	s.want(0, []string{"Warning: host a is let go"}, "apply", "--auto-approve")
	if recorded() {
		t.Error("it is still recorded")
	}
}
