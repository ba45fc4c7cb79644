package e2e

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/test/site"
)

// aCluster is what kubeadm would make of three bare machines.
const aCluster = `
resource "swap" "off" {
  on      = hosts
  enabled = false
}
resource "kubeadm_control_plane" "main" {
  on         = host.k8s-node1
  config     = "/etc/kubernetes/kubeadm.yaml"
  version    = "1.34.4"
  members    = [host.k8s-node1]
  endpoint   = "10.0.2.15:6443"
  depends_on = [swap.off]
}
resource "kubeadm_join" "worker" {
  on         = [host.k8s-node2, host.k8s-node3]
  cluster    = all.kubeadm_control_plane.main
  depends_on = [swap.off]
}
`

// TestPreflight: what stands against a cluster on real machines is said of all
// of them at once, before anything is done, and again where it comes up between
// the plan and the apply.
func TestPreflight(t *testing.T) {
	s := site.New(t, aCluster)
	t.Cleanup(func() { _, _ = s.Lab.Machines()[0].Exec(context.Background(), "swapoff -a") })
	const swapOn, kubelet = "swap is on (/var/lab.swap)", "something listens on what Kubernetes needs: port 10250 (systemd-socket-)"

	// Swap belongs to the kernel that the machines share.
	s.On("k8s-node1", "swapon -a")
	r := s.Want(0, "plan", "--out", "swap.kplan")
	if strings.Contains(r.Stdout, swapOn) {
		t.Errorf("the plan turns swap off, and says\n%s", r.Stdout)
	}
	s.Write("main.kplan.hcl", s.Head()+strings.ReplaceAll(aCluster, "  depends_on = [swap.off]\n", ""))
	has(t, s.Want(0, "plan").Stdout, "Warning: On hosts k8s-node1, k8s-node2 and k8s-node3, "+swapOn)
	s.On("k8s-node1", "swapoff -a")
	s.Write("main.kplan.hcl", s.Head()+aCluster)
	s.Want(0, "plan", "--out", "fine.kplan")

	for _, name := range []string{"k8s-node1", "k8s-node3"} {
		s.On(name, "systemd-run --quiet --unit=taken systemd-socket-activate -l 10250 /bin/cat; until ss -ltn | grep -q :10250; do sleep 0.05; done")
	}
	r = s.Want(5, "apply", "fine.kplan")
	for _, part := range []string{"On host k8s-node1, " + kubelet, "On host k8s-node3, " + kubelet, "which was not so when the plan was made (ports)", "Nothing was changed"} {
		has(t, r.Stderr, part)
	}
	s.Write("main.kplan.hcl", strings.Replace(s.Head(), `address = "10.0.2.15"`, `address = "10.0.2.99"
  connection { host = "10.0.2.15" }`, 1)+aCluster)
	r = s.Want(1, "plan")
	for _, part := range []string{
		"Error: Preflight check failed", "on main.kplan.hcl line ", `resource "kubeadm_control_plane" "main" {`,
		"On hosts k8s-node1 and k8s-node3, " + kubelet, "Stop it, or move it",
		"On host k8s-node1, the address 10.0.2.99 of its host block is none of the machine's.", "connection.host",
	} {
		has(t, r.Stderr, part)
	}
	for _, m := range s.Lab.Machines() {
		if got := strings.TrimSpace(s.On(m.Name, "ls -d /run/kplan /var/lib/kplan /etc/kubernetes 2>/dev/null || :")); got != "" {
			t.Errorf("on %s there is now %s", m.Name, got)
		}
	}

	s.Write("main.kplan.hcl", s.Head()+aCluster)
	s.On("k8s-node1", "mkdir -p /var/lib/etcd/member/snap")
	for file, text := range hosttest.AnothersWorker() {
		s.On("k8s-node2", "mkdir -p "+path.Dir(file)+"; cat >"+file+" <<'EOF'\n"+text+"EOF\n")
	}
	r = s.Want(1, "plan")
	for _, part := range []string{
		"On host k8s-node1, /var/lib/etcd/member is there, with the data of an etcd",
		"Error: Change not possible", "On host k8s-node2: The machine is a node of another cluster (its authority is sha256:",
	} {
		has(t, r.Stderr, part)
	}
}

// TestCloudInit: hosts_file warns of a cloud-init that undoes it, until it is
// told not to.
func TestCloudInit(t *testing.T) {
	const hostsFile = `
resource "hosts_file" "nodes" {
  on      = hosts
  entries = { for h in hosts : h.address => [h.name] }
}
`
	s := site.New(t, hostsFile)
	s.On("k8s-node2", "mkdir -p /etc/cloud/cloud.cfg.d; echo 'manage_etc_hosts: true' >/etc/cloud/cloud.cfg")
	const warning = "Warning: On host k8s-node2, cloud-init writes /etc/hosts anew at each boot, without these entries (manage_etc_hosts in /etc/cloud/cloud.cfg)."
	has(t, s.Want(0, "plan").Stdout, warning)
	s.Write("main.kplan.hcl", s.Head()+`
resource "file" "cloud" {
  on      = host.k8s-node2
  path    = "/etc/cloud/cloud.cfg.d/99-hosts.cfg"
  content = "manage_etc_hosts: false\n"
}
`+strings.Replace(hostsFile, "  entries", "  depends_on = [file.cloud]\n  entries", 1))
	for range 2 { // before it is done, and after
		if r := s.Want(0, "plan"); strings.Contains(r.Stdout, "cloud-init writes") {
			t.Errorf("the plan has the way out, and says\n%s", r.Stdout)
		}
		s.Want(0, "apply", "--auto-approve")
	}
	empty(t, s)
}
