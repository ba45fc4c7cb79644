package cli

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
)

// bareCluster is the machines of a spec that nothing stands on yet.
func bareCluster(t *testing.T, hosts ...string) *site {
	s := newSite(t, clusterOf(hosts...))
	for _, h := range hosts {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Address(addressOf(h)+"/24"), hosttest.Report(t.Errorf))
		if h != hosts[0] {
			s.machines[h].Reaches(s.machines[hosts[0]])
		}
	}
	return s
}

// forget loses what is recorded.
func (s *site) forget() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, ".kplan")); err != nil {
		s.t.Fatal(err)
	}
}

// untouched wants that nothing was done on a machine since it had done so much.
func (s *site) untouched(host string, acts int) {
	s.t.Helper()
	if done := s.machines[host].Acts(); len(done) != acts {
		s.t.Errorf("on %s was done %v", host, done)
	}
}

// A worker of another cluster is refused by the plan, whether the cluster of the
// spec is there or not.
func TestAWorkerOfAnotherCluster(t *testing.T) {
	s := bareCluster(t, "a", "x")
	for file, text := range hosttest.AnothersWorker() {
		s.machines["x"].Put(file, text)
	}
	const other = "On host x: The machine is a node of another cluster (its authority is sha256:"
	s.want(1, []string{
		"Error: Change not possible", other, "and the control plane on host a is still to be made", "`grep server: /etc/kubernetes/kubelet.conf`", "`kubeadm reset`", "out of the spec",
	}, "plan")
	s.untouched("x", 0)
	s.untouched("a", 0)

	for _, dir := range []string{"/etc/kubernetes", "/var/lib/kubelet"} {
		s.machines["x"].RemoveAll(dir)
	}
	s.want(0, nil, "apply", "--auto-approve")
	acts := len(s.machines["x"].Acts())
	s.forget()
	s.want(0, []string{"No changes."}, "plan") // it is of this cluster, whoever says so
	for file, text := range hosttest.AnothersWorker() {
		s.machines["x"].Put(file, text)
	}
	s.want(1, []string{other, "not sha256:", "as that of host a"}, "plan")
	s.untouched("x", acts)
}

// A worker that is to be of the control plane is one of some cluster, not half
// of a control plane.
func TestAWorkerThatIsToBeAControlPlane(t *testing.T) {
	s := bareCluster(t, "a", "b")
	for file, text := range hosttest.AnothersWorker() {
		s.machines["b"].Put(file, text)
	}
	s.want(1, []string{
		"Error: Preflight check failed", "On host b, the machine is a worker of a cluster already (its authority is sha256:", "its API server 10.9.9.9:6443)", "`kubeadm reset`",
	}, "plan")
	s.untouched("a", 0)
	s.untouched("b", 0)
	for _, dir := range []string{"/etc/kubernetes", "/var/lib/kubelet"} {
		s.machines["b"].RemoveAll(dir)
	}
	s.want(0, nil, "apply", "--auto-approve")
	s.wantCluster("a b", "a b")
}

// A worker of the cluster is no control plane before it was taken out.
func TestAWorkerBecomesAControlPlane(t *testing.T) {
	s := bareCluster(t, "a", "x")
	s.want(0, nil, "apply", "--auto-approve")
	acts := len(s.machines["x"].Acts())
	promoted := strings.Replace(clusterOf("a", "x"), `roles   = ["worker"]`, `roles   = ["control-plane"]`, 1)
	s.write("main.kplan.hcl", promoted)
	s.want(1, []string{"On host x, the machine is a worker of a cluster already", "take the host out of it, apply, and put it in again"}, "plan")
	s.untouched("x", acts)
	s.write("main.kplan.hcl", clusterOf("a"))
	s.want(0, nil, "apply", "--auto-approve")
	s.write("main.kplan.hcl", promoted)
	s.want(0, nil, "apply", "--auto-approve")
	s.wantCluster("a x", "a x")
}

// A join that was cut off is none of another cluster.
func TestAWorkerThatWasCutOffIsNoLeftover(t *testing.T) {
	for n := 1; ; n++ {
		s := bareCluster(t, "a", "x")
		s.machines["x"].Arrange(hosttest.Fault{Op: n, Acts: true})
		s.run("apply", "--auto-approve")
		pending := s.machines["x"].Pending()
		s.machines["x"].Forgive()
		s.want(0, nil, "plan")
		s.want(0, nil, "apply", "--auto-approve")
		s.wantCluster("a x", "a")
		if pending {
			return
		}
	}
}

// What etcd wrote on a machine that has no control plane is seen by the plan.
func TestDataOfAnotherEtcd(t *testing.T) {
	s := bareCluster(t, "a", "b", "x")
	s.machines["b"].Put("/var/lib/etcd/member/snap/db", "data\n")
	s.machines["x"].Put("/var/lib/etcd/member/snap/db", "data\n") // of no concern to a worker
	s.want(1, []string{"Error: Preflight check failed", "On host b, /var/lib/etcd/member is there, with the data of an etcd", "never written over"}, "plan")
	s.untouched("a", 0)
	s.machines["b"].RemoveAll("/var/lib/etcd/member")
	s.want(0, nil, "apply", "--auto-approve")
	s.want(0, []string{"No changes."}, "plan")
}

// A configuration that an earlier kplan wrote, without bootstrapTokens, is as it
// is to be: nothing is done to a cluster that was made of it.
func TestAConfigurationOfAnEarlierKplan(t *testing.T) {
	s := bareCluster(t, "a")
	s.want(0, nil, "apply", "--auto-approve")
	const config, sums = "/etc/kubernetes/kubeadm.yaml", "/etc/kubernetes/kplan.sums"
	digest := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	a := s.machines["a"]
	is := a.Content(config)
	was := strings.Replace(is, "bootstrapTokens:\n- ttl: \"15m\"\n", "", 1)
	if is == was || !strings.Contains(a.Content(sums), digest(is)) {
		t.Fatalf("%s\n%s", is, a.Content(sums))
	}
	a.Put(config, was)
	a.Put(sums, strings.Replace(a.Content(sums), digest(is), digest(was), 1))
	s.want(0, []string{"No changes."}, "plan")
	s.want(0, []string{"No drift."}, "drift")
}

// A control plane that kplan did not make is taken over with a word, and not
// where it is another in what cannot be changed.
func TestAControlPlaneThatKplanDidNotMake(t *testing.T) {
	s := bareCluster(t, "a", "x")
	s.want(0, nil, "apply", "--auto-approve")
	const warning = "Warning: On host a, a control plane stands there that kplan did not make (its authority is " + hosttest.AuthorityHash + ", its API server 10.0.2.15:6443)."
	silent := func() {
		t.Helper()
		if a := s.want(0, []string{"No changes."}, "plan"); strings.Contains(a.stdout, "did not make") {
			t.Errorf("the plan is\n%s", a.stdout)
		}
	}
	silent()
	s.forget()
	silent() // it made it, and the machine says so
	s.machines["a"].RemoveAll("/etc/kubernetes/kplan.sums")
	s.want(0, []string{warning, "Apply takes it over as it stands", "out of the spec"}, "plan")

	own := clusterOf("a", "x")
	s.write("main.kplan.hcl", strings.Replace(own, `  endpoint          = "10.0.2.15:6443"`, `  endpoint          = "10.0.2.15:6443"
  service_cidr      = "10.97.0.0/16"`, 1))
	s.machines["a"].Put("/etc/kubernetes/manifests/kube-apiserver.yaml", "    - --advertise-address="+addressOf("a")+
		"\n    - --service-cluster-ip-range=10.96.0.0/16\n    image: registry.k8s.io/kube-apiserver:v1.34.4\n")
	s.want(1, []string{"Error: Preflight check failed", `On host a, the service_cidr of the cluster that stands is "10.96.0.0/16", and "10.97.0.0/16" is asked for.`, "Where that cluster is not meant"}, "plan")
	s.write("main.kplan.hcl", strings.ReplaceAll(own, "10.0.2.15:6443", "10.0.2.99:6443"))
	s.want(1, []string{`On host a, the endpoint of the cluster that stands is "10.0.2.15:6443", and "10.0.2.99:6443" is asked for.`}, "plan")
	s.write("main.kplan.hcl", strings.Replace(own, `  endpoint          = "10.0.2.15:6443"`, `  endpoint          = "10.0.2.15:6443"
  service_cidr      = "10.96.0.0/16"`, 1))
	s.want(0, []string{warning}, "apply", "--auto-approve")
	silent()
}
