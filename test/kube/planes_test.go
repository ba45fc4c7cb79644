package kube

import (
	"crypto/tls"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kplan/kplan/test/lab"
)

const endpoint = "10.0.2.1:6443"

//go:embed haproxy.cfg
var haproxy string

// TestPlanes makes a control plane of three machines behind a balancer, switches each of them off, has the first replaced by a
// fourth machine, the next cut off for good and let go, and then one taken out.
func TestPlanes(t *testing.T) {
	c := newCluster(t, 20*time.Minute)
	c.machines = c.lab.Machines()
	if len(c.machines) < 4 {
		t.Fatalf("the lab has %d machines: this takes 4", len(c.machines))
	}
	c.lab.Reset(t, c.machines[3])
	c.balance()
	s := newSpec(t, c)
	members := s.ofMembers("  etcd_snapshot = {}\n")

	m := c.machines
	members("", m[:3]...)
	plan := s.Want(0, "plan", "--out", "planes.kplan").Stdout
	s.says(plan, "# module.cluster.kubeadm_control_plane.main@k8s-node1 will be created", "(via init)", "(via join k8s-node1)")
	s.Want(0, "apply", "planes.kplan")
	s.stage("three control planes are made")
	s.areMembers(m[0], m[:3]...)
	s.still()

	for i, off := range m[:3] {
		if err := off.PowerOff(c.ctx); err != nil {
			t.Fatal(err)
		}
		s.stage(off.Name + " is off, and the cluster answers")
		s.answers(m[(i+1)%3])
		if err := off.PowerOn(c.ctx); err != nil {
			t.Fatal(err)
		}
		s.areMembers(off, m[:3]...)
	}
	s.still()

	gaps := s.watchAPI()
	members("", m[1], m[2], m[3])
	plan = s.Want(0, "plan", "--out", "fourth.kplan").Stdout
	s.says(plan,
		"# module.cluster.kubeadm_control_plane.main@k8s-node4 will be created", "via join k8s-node2",
		"# module.cluster.kubeadm_control_plane.main@k8s-node1 will be destroyed", "via leave k8s-node2")
	if strings.Contains(plan, "which is no host of this control plane") {
		t.Errorf("who leaves is taken for a member of no host:\n%s", plan)
	}
	s.Want(0, "apply", "fourth.kplan")
	s.stage("the first is replaced by a fourth")
	s.areMembers(m[3], m[1:4]...)
	s.still()

	if err := m[1].PowerOff(c.ctx); err != nil {
		t.Fatal(err)
	}
	members("", m[2], m[3], m[0])
	s.says(s.Want(8, "plan", "--detailed-exitcode").Stdout, "let it go by the block removed { from = host.k8s-node2 }")
	s.Write("removed.kplan.hcl", "removed {\n  from = host.k8s-node2\n}\n")
	plan = s.Want(0, "plan", "--out", "dead.kplan").Stdout
	s.says(plan,
		"# module.cluster.kubeadm_control_plane.main@k8s-node2 will be destroyed\n  # (its machine is let go: nothing is done there)\n  # (via leave k8s-node3)",
		"# module.cluster.kubeadm_control_plane.main@k8s-node1 will be created", "via join k8s-node3",
		"Warning: host k8s-node2 is let go")
	s.Want(0, "apply", "dead.kplan")
	s.stage("one that is off for good is let go, and the first is back")
	s.areMembers(m[2], m[0], m[2], m[3])
	s.still()

	members("  allow_even_control_planes = true\n", m[2], m[3])
	plan = s.Want(0, "plan", "--out", "two.kplan").Stdout
	s.says(plan, "# module.cluster.kubeadm_control_plane.main@k8s-node1 will be destroyed", "via leave k8s-node3")
	s.Want(0, "apply", "two.kplan")
	s.stage("one is taken out")
	s.areMembers(m[2], m[2], m[3])
	s.still()
	s.orphan(m[2])
	s.stage("a member of no host is told of")
	if longest := gaps(); longest > 10*time.Second {
		t.Errorf("the API did not answer for %s", longest)
	} else {
		t.Logf("the longest time without an answer of the API: %s", longest)
	}
	s.restoresAlone(m[2], m[3])
}

// ofMembers returns what makes the spec one of a control plane and no workers, behind the balancer.
func (s *spec) ofMembers(also string) func(extra string, ms ...*lab.Machine) {
	connection, module := s.text[:strings.Index(s.text, "host ")], s.text[strings.Index(s.text, "module "):]
	return func(extra string, ms ...*lab.Machine) {
		s.t.Helper()
		text := connection
		for _, m := range ms {
			text += fmt.Sprintf("host %q {\n  address = %q\n  roles   = [\"control-plane\"]\n}\n\n", m.Name, m.Address)
		}
		s.change(text+module, "  workers            = role.worker\n", also+extra+"  endpoint = \""+endpoint+"\"\n")
	}
}

// orphan leaves a member in etcd that is no host's, as a join that was given up does, and takes it out by what the plan says.
func (s *spec) orphan(at *lab.Machine) {
	s.t.Helper()
	const etcdctl = "kubectl --kubeconfig /etc/kubernetes/admin.conf -n kube-system exec etcd-$(hostname) -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
		"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "
	s.ssh(at, "", etcdctl+"member add ghost --learner --peer-urls=https://10.0.2.99:2380")
	r := s.Want(0, "plan")
	text := strings.Join(strings.Fields(r.Stdout+r.Stderr), " ")
	s.says(text, "etcd has a member that never started (https://10.0.2.99:2380), which is no host of this control plane")
	_, command, _ := strings.Cut(text, "take it out on a host of the control plane: `")
	command, _, ok := strings.Cut(command, "`")
	if !ok {
		s.t.Fatalf("no command in\n%s", text)
	}
	s.ssh(at, "", command)
	if r := s.Want(0, "plan"); strings.Contains(r.Stdout+r.Stderr, "which is no host") {
		s.t.Errorf("it is still there:\n%s%s", r.Stdout, r.Stderr)
	}
}

// says wants each part in a text.
func (s *spec) says(text string, parts ...string) {
	s.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			s.t.Errorf("it does not say %q:\n%s", part, text)
			return
		}
	}
}

// balance puts haproxy before the API servers of all machines of the lab.
func (c *cluster) balance() {
	c.t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		c.t.Fatal("haproxy is not installed: apt-get install haproxy")
	}
	config := haproxy
	for _, m := range c.lab.Machines() {
		config += fmt.Sprintf("  server %s %s:6443\n", m.Name, m.Address)
	}
	file := filepath.Join(c.t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
	listens := func() bool {
		conn, err := net.DialTimeout("tcp", endpoint, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	if err := c.lab.Start(c.ctx, "haproxy", listens, program, "-db", "-f", file); err != nil {
		c.t.Fatal(err)
	}
}

// answers waits until the cluster answers a machine through the balancer, and writes to it.
func (s *spec) answers(m *lab.Machine) {
	s.t.Helper()
	const write = "for i in $(seq 60); do kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=5s -n default " +
		"annotate --overwrite service kubernetes kplan-test/seen=$(date +%s%N) && exit; sleep 1; done; exit 1"
	s.ssh(m, "", write)
}

// areMembers waits until the nodes are those machines, all Ready, and wants etcd to have them as members, all of which answer.
func (s *spec) areMembers(at *lab.Machine, ms ...*lab.Machine) {
	s.t.Helper()
	var want []string
	for _, m := range ms {
		want = append(want, m.Name)
	}
	const kubectl = "kubectl --kubeconfig /etc/kubernetes/admin.conf "
	s.ssh(at, "", "for i in $(seq 180); do "+kubectl+"wait --for=condition=Ready nodes --all --timeout=180s && exit; sleep 1; done; exit 1")
	nodes := strings.Fields(s.ssh(at, "", kubectl+"get nodes -o jsonpath='{.items[*].metadata.name}'"))
	const etcdctl = kubectl + "-n kube-system exec etcd-$(hostname) -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
		"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "
	s.ssh(at, "", "for i in $(seq 60); do "+etcdctl+"endpoint health --cluster && exit; sleep 1; done; exit 1")
	var list struct{ Members []struct{ Name string } }
	if err := json.Unmarshal([]byte(s.ssh(at, "", etcdctl+"member list -w json")), &list); err != nil {
		s.t.Fatal(err)
	}
	var etcd []string
	for _, m := range list.Members {
		etcd = append(etcd, m.Name)
	}
	slices.Sort(etcd)
	slices.Sort(nodes)
	s.plane = at
	if !slices.Equal(nodes, want) || !slices.Equal(etcd, want) {
		s.t.Errorf("nodes %q, members of etcd %q, want %q", nodes, etcd, want)
	}
}

// watchAPI asks the API through the balancer all the time; the returned function ends that and gives the longest time without
// an answer.
func (s *spec) watchAPI() (end func() time.Duration) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // of a cluster made for this test
	}}
	var longest time.Duration
	stop, done := make(chan struct{}), sync.WaitGroup{}
	done.Go(func() {
		last := time.Now()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			res, err := client.Get("https://" + endpoint + "/readyz")
			if err == nil {
				_ = res.Body.Close()
			}
			if err == nil && res.StatusCode == http.StatusOK {
				last = time.Now()
			}
			longest = max(longest, time.Since(last))
		}
	})
	return func() time.Duration { close(stop); done.Wait(); return longest }
}
