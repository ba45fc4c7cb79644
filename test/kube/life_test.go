package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kplan/kplan/test/site"
)

// TestLife takes a cluster through what happens to one: it is changed behind kplan's back, a worker leaves and comes back, a
// version is asked for that it cannot have, it is destroyed and made again.
func TestLife(t *testing.T) {
	c := newCluster(t, 20*time.Minute)
	s := newSpec(t, c)
	s.Write("label.kplan.hcl", label)
	s.Want(0, "apply", "--auto-approve")
	s.works()
	s.drifts()
	s.stage("what was changed is repaired")
	s.reconfigures()
	s.stage("the control plane and the kubelets have another configuration")
	s.kubelets()
	s.stage("kubelets that were stopped run, and a node that was deleted is back")
	s.rewritten()
	s.stage("static pods are written again, and are those that run")
	s.broken()
	s.stage("an API server that was taken away is back")
	s.otherVersion()
	s.otherRange()
	s.stage("another version and another range are refused")
	s.leaves()
	s.stage("a worker has left")
	s.comesBack()
	s.stage("it is back")
	s.madeAgain()
	s.stage("the cluster is destroyed and made again")
}

// label is of a node, beside the module.
const label = `
resource "node" "disk" {
  on         = host.k8s-node1
  name       = "k8s-node2"
  labels     = { "disk" = "ssd" }
  depends_on = [module.cluster]
}
`

// drifts changes objects of seven types behind kplan's back, and has them repaired.
func (s *spec) drifts() {
	s.t.Helper()
	first, second := s.machines[0], s.machines[1]
	s.ssh(second, "", "echo 'maxPods: 50' >>/var/lib/kubelet/config.yaml; sysctl -w net.bridge.bridge-nf-call-ip6tables=0")
	s.ssh(first, "", "echo '# by hand' >>/etc/kubernetes/manifests/kube-scheduler.yaml")
	s.ssh(first, "", "sed -i 's:podSubnet\\: .*:podSubnet\\: 10.245.0.0/16:; s:^networking:clusterName\\: other\\n&:' /etc/kubernetes/kubeadm.yaml")
	s.kubectl("-n kube-system delete --cascade=foreground --timeout=90s deployment/coredns daemonset/kube-proxy") // with their pods
	s.kubectl("-n kube-flannel delete daemonset kube-flannel-ds")
	s.kubectl("label --overwrite node k8s-node2 disk=hdd")
	want := []string{
		`module.cluster.kubeadm_addon.main["coredns"]@k8s-node1`,
		`module.cluster.kubeadm_addon.main["kube-proxy"]@k8s-node1`,
		`module.cluster.kubeadm_config.main@k8s-node1`,
		`module.cluster.kubeadm_control_plane.main@k8s-node1`,
		`module.cluster.kubeadm_join.worker@k8s-node2`,
		`module.cluster.manifest.flannel[0]@k8s-node1`,
		`module.cluster.sysctl.node["net.bridge.bridge-nf-call-ip6tables"]@k8s-node2`,
		`node.disk@k8s-node1`,
	}
	if got := s.drifted(); !slices.Equal(got, want) {
		s.t.Errorf("changed behind kplan's back:\n%q, want\n%q", got, want)
	}
	r := s.Want(2, "drift")
	for _, part := range []string{
		`"10.244.0.0/16" -> "10.245.0.0/16"`, `-> "ClusterConfiguration.clusterName"`,
		"Check does not hold: module.cluster.health", "Names of services are not resolved: the cluster's DNS has no pod.",
		"Kubernetes 1.34 is not recommended with what is installed: containerd 1.6.",
	} {
		if !strings.Contains(r.Stdout+r.Stderr, part) {
			s.t.Errorf("the drift does not say %s:\n%s%s", part, r.Stdout, r.Stderr)
		}
	}
	s.Want(0, "apply", "--auto-approve")
	s.still()
	s.ready()
	if got := s.ssh(second, "", "cat /var/lib/kubelet/config.yaml"); strings.Contains(got, "maxPods") {
		s.t.Errorf("the kubelet's configuration is still\n%s", got)
	}
	s.kubectl("-n kube-flannel rollout status daemonset/kube-flannel-ds --timeout=60s")
	for _, addon := range []string{"deployment/coredns", "daemonset/kube-proxy"} {
		s.kubectl("-n kube-system rollout status " + addon + " --timeout=60s")
	}
	s.check() // by a name, too
}

// drifted is what drift names.
func (s *spec) drifted() (addresses []string) {
	s.t.Helper()
	var answer struct {
		Drift []struct{ Address string }
	}
	if err := json.Unmarshal([]byte(s.Want(2, "drift", "--json").Stdout), &answer); err != nil {
		s.t.Fatal(err)
	}
	for _, d := range answer.Drift {
		addresses = append(addresses, d.Address)
	}
	slices.Sort(addresses)
	return addresses
}

// reconfigures asks for another configuration of the kubelets, which is one apply for all machines, and back; and for another of
// kube-proxy, which leaves the workers' kubelets alone.
func (s *spec) reconfigures() {
	s.t.Helper()
	was := s.text
	s.change(was, "    oomScoreAdj                 = 0\n    imageGC", "    oomScoreAdj                 = 0\n    maxPods = 99\n    imageGC")
	plan := s.Want(2, "plan", "--detailed-exitcode").Stdout
	for _, part := range []string{
		"Plan: 0 to add, 1 to change, 0 to destroy. 3 steps run only if needed.", "reconfigure, because of module.cluster.kubeadm_config.main",
		"# module.cluster.kubeadm_join.worker@k8s-node2 ", "# module.cluster.kubeadm_join.worker@k8s-node3 ",
	} {
		if !strings.Contains(plan, part) {
			s.t.Errorf("the plan does not say %q:\n%s", part, plan)
		}
	}
	s.Want(0, "apply", "--auto-approve")
	s.still()
	for _, m := range s.machines {
		if got := s.ssh(m, "", "cat /var/lib/kubelet/config.yaml"); !strings.Contains(got, "maxPods: 99\n") {
			s.t.Errorf("the configuration of a kubelet is\n%s", got)
		}
	}
	s.kubectl("wait --for=jsonpath={.status.capacity.pods}=99 --timeout=60s nodes --all") // those that run have it
	s.change(was)
	s.Want(0, "apply", "--auto-approve")
	s.still()

	const running = "systemctl show --property=MainPID,ActiveEnterTimestamp kubelet"
	before := s.ssh(s.machines[1], "", running) + s.ssh(s.machines[2], "", running)
	s.change(was, "maxPerCore = 0, min = 0,", "maxPerCore = 0, min = 1,")
	s.Want(0, "apply", "--auto-approve")
	s.change(was)
	s.Want(0, "apply", "--auto-approve")
	s.still()
	if after := s.ssh(s.machines[1], "", running) + s.ssh(s.machines[2], "", running); after != before {
		s.t.Errorf("another configuration of kube-proxy has restarted kubelets:\n%s, before\n%s", after, before)
	}
}

// kubelets stops two of them and deletes the node of a third, which is drift, and is repaired.
func (s *spec) kubelets() {
	s.t.Helper()
	s.ssh(s.machines[0], "", "systemctl stop kubelet")
	s.ssh(s.machines[1], "", "systemctl stop kubelet")
	s.kubectl("delete node k8s-node3")
	want := []string{"module.cluster.kubeadm_control_plane.main@k8s-node1", "module.cluster.kubeadm_join.worker@k8s-node2", "module.cluster.kubeadm_join.worker@k8s-node3"}
	if got := s.drifted(); !slices.Equal(got, want) {
		s.t.Errorf("kubelets are stopped and a node is gone:\n%q, want\n%q", got, want)
	}
	plan := strings.Join(strings.Fields(s.Want(2, "plan", "--detailed-exitcode").Stdout), " ")
	for _, part := range []string{"~ running = false -> true", "~ registered = false -> true"} {
		if !strings.Contains(plan, part) {
			s.t.Errorf("the plan does not say %q:\n%s", part, plan)
		}
	}
	s.Want(0, "apply", "--auto-approve")
	if got, want := s.nodes(), []string{"k8s-node1", "k8s-node2", "k8s-node3"}; !slices.Equal(got, want) {
		s.t.Errorf("the nodes are %q, want %q", got, want)
	}
	s.ready()
	s.still()
}

// otherVersion wants another version of Kubernetes to be refused, and nothing to happen.
func (s *spec) otherVersion() {
	s.t.Helper()
	was := s.text
	s.change(was, `"1.34.4"`, `"1.34.5"`)
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		r := s.Want(1, args...)
		for _, part := range []string{
			"on kplan/kubernetes/cluster.kplan.hcl line ", "The cluster runs Kubernetes 1.34.4",
			"changing the version of a cluster is not supported yet",
		} {
			if !strings.Contains(r.Stderr, part) {
				s.t.Errorf("%s does not say %q:\n%s", args[0], part, r.Stderr)
			}
		}
	}
	s.change(was)
	s.still()
}

// rewritten has flags taken away that somebody gave to static pods. Once that is done, none runs with them any more.
func (s *spec) rewritten() {
	s.t.Helper()
	first := s.machines[0]
	const running = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | grep -E '^(kube-apiserver|etcd) '"
	for pod, flag := range map[string]string{"kube-apiserver": "--v=3", "etcd": "--log-level=warn"} {
		s.ssh(first, "", fmt.Sprintf("cd /etc/kubernetes && sed 's/^    - %s$/&\\n    - %s/' manifests/%[1]s.yaml >%[1]s && mv %[1]s manifests/%[1]s.yaml", pod, flag))
	}
	s.ssh(first, "", "for i in $(seq 180); do ["+" $("+running+" | grep -c -e ' --v=3 ' -e ' --log-level=warn ') = 2 ] && "+
		"kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz && exit; sleep 1; done; exit 1")
	s.Want(0, "apply", "--auto-approve")
	got := s.ssh(first, "", running)
	if strings.Count(got, "\n") != 2 || strings.Contains(got, " --v=3 ") || strings.Contains(got, " --log-level=warn ") {
		s.t.Errorf("there run\n%s", got)
	}
	s.kubectl("get --raw /readyz")
	s.still()
}

// broken has the API server taken away, without which nothing tells of what is in the cluster: that is planned from the record, and one
// apply mends it.
func (s *spec) broken() {
	s.t.Helper()
	s.ssh(s.machines[0], "", "rm /etc/kubernetes/manifests/kube-apiserver.yaml; for i in $(seq 120); do "+
		"kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz || exit 0; sleep 1; done; exit 1")
	r := s.Want(2, "plan", "--detailed-exitcode")
	for _, part := range []string{"module.cluster.kubeadm_control_plane.main@k8s-node1 will be updated in-place", "is taken as what is there"} {
		if !strings.Contains(r.Stdout+r.Stderr, part) {
			s.t.Errorf("without an API server the plan does not say %q:\n%s%s", part, r.Stdout, r.Stderr)
		}
	}
	s.Want(0, "apply", "--auto-approve")
	s.kubectl("get --raw /readyz")
	s.still()
}

// otherRange wants another range of the pods' addresses to be refused, and nothing to happen.
func (s *spec) otherRange() {
	s.t.Helper()
	was := s.text
	s.change(was, `pod_cidr           = "10.244.0.0/16"`, `pod_cidr           = "10.245.0.0/16"`)
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		r := s.Want(1, args...)
		for _, part := range []string{`the pod_cidr of the cluster that stands is "10.244.0.0/16", and "10.245.0.0/16" is asked for`, "kubeadm cannot change it"} {
			if !strings.Contains(strings.Join(strings.Fields(r.Stderr), " "), part) {
				s.t.Errorf("%s does not say %q:\n%s", args[0], part, r.Stderr)
			}
		}
	}
	s.change(was)
	s.still()
}

// leaves takes the last worker out of the spec, with a pod on it that is to go elsewhere first.
func (s *spec) leaves() {
	s.t.Helper()
	third := s.machines[2]
	evicted := s.evicts()
	was := s.text
	s.change(was, `host "k8s-node3" {
  address = "10.0.2.25"
  roles   = ["worker"]
}
`, "")
	r := s.Want(2, "plan", "--detailed-exitcode", "--out", "leaves.kplan")
	for _, part := range []string{"# module.cluster.kubeadm_join.worker@k8s-node3 will be destroyed\n", "acts on k8s-node1 too"} {
		if !strings.Contains(r.Stdout, part) {
			s.t.Errorf("the plan does not say %q:\n%s", part, r.Stdout)
		}
	}
	s.Want(0, "apply", "leaves.kplan")
	evicted()
	if got, want := s.nodes(), []string{"k8s-node1", "k8s-node2"}; !slices.Equal(got, want) {
		s.t.Errorf("the nodes are %q, want %q", got, want)
	}
	const made = "/etc/kubernetes/kubelet.conf /etc/kubernetes/pki/* /etc/cni/net.d/* /var/lib/kubelet/config.yaml " +
		"/sys/class/net/cni0 /sys/class/net/flannel.1"
	if left := s.ssh(third, "", "ls -d "+made+" 2>/dev/null || :"); left != "" {
		s.t.Errorf("left on the machine:\n%s", left)
	}
	s.still()
	s.text = was
}

// moves has a pod that is on the last worker as long as there is one.
const moves = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: moves
spec:
  selector:
    matchLabels: {app: moves}
  template:
    metadata:
      labels: {app: moves}
    spec:
      terminationGracePeriodSeconds: 1
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference:
              matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [k8s-node3]}]
      containers:
      - name: moves
        image: busybox:1.35
        command: [sleep, "86400"]
`

// evicts has a pod run on the last worker. The returned function wants it to have been evicted there, which a drain does and the
// end of its node does not, and to run elsewhere.
func (s *spec) evicts() (evicted func()) {
	s.t.Helper()
	s.ssh(s.plane, moves, "KUBECONFIG=/etc/kubernetes/admin.conf kubectl apply -f -")
	where := func() string {
		s.t.Helper()
		s.kubectl("rollout status deployment/moves --timeout=60s")
		return s.kubectl("get pods -l app=moves -o jsonpath='{.items[*].spec.nodeName}'")
	}
	if got := where(); got != "k8s-node3" {
		s.t.Fatalf("the pod is on %q", got)
	}
	ctx, end := context.WithCancel(s.ctx)
	var seen string
	var watching sync.WaitGroup
	watching.Go(func() {
		// It ends with the context, which is no error.
		seen, _ = s.plane.Exec(ctx, `KUBECONFIG=/etc/kubernetes/admin.conf kubectl get pods -l app=moves --watch \
	-o jsonpath='{.spec.nodeName} {.status.conditions[?(@.type=="DisruptionTarget")].reason}{"\n"}'`)
	})
	return func() {
		s.t.Helper()
		end()
		watching.Wait()
		if !strings.Contains(seen, "k8s-node3 EvictionByEvictionAPI\n") {
			s.t.Errorf("the pod was not evicted; nodes and reasons to go were\n%s", seen)
		}
		// One that was put there again before the scheduler had seen the node cordoned goes with the node, within a minute.
		s.ssh(s.plane, "", `export KUBECONFIG=/etc/kubernetes/admin.conf
for i in $(seq 120); do
	pods=$(kubectl get pods -l app=moves --field-selector=status.phase=Running -o jsonpath='{.items[*].spec.nodeName}')
	case $pods in *k8s-node3* | "") sleep 1 ;; *) exit 0 ;; esac
done
kubectl get pods -l app=moves -o yaml
exit 1`)
		s.kubectl("delete deployment moves")
	}
}

// comesBack puts it in again.
func (s *spec) comesBack() {
	s.t.Helper()
	s.change(s.text)
	s.secretly(1)
	s.ready()
	s.kubectl("rollout status daemonset/web --timeout=180s")
	s.check()
	s.still()
}

// madeAgain destroys the cluster and makes it again of the same machines.
func (s *spec) madeAgain() {
	s.t.Helper()
	s.Want(0, "destroy", "--auto-approve")
	if left := strings.TrimSpace(s.Want(0, "state", "list").Stdout); left != "" {
		s.t.Errorf("left in the state:\n%s", left)
	}
	s.stage("the cluster is destroyed")
	s.secretly(3)
	s.works()
	s.still()
}

// secretly plans and applies, which makes so many tokens, and looks for them and for the cluster's keys in all that is seen. It
// returns what plan says.
func (s *spec) secretly(tokens int) string {
	s.t.Helper()
	w := s.watch()
	plan := s.Want(0, "plan", "--out", "secret.kplan")
	apply := s.Want(0, "apply", "--json-into", "secret.json", "--trace", "trace.json", "secret.kplan")
	texts := []string{plan.Stdout, plan.Stderr, apply.Stdout, apply.Stderr, s.unpacked("secret.kplan")}
	for _, r := range []site.Ran{
		s.Want(0, "show", "--json", "secret.kplan"),
		s.Want(0, "show", "--json"),
		s.Want(0, "output", "--json"),
		s.Want(0, "plan", "--out", "after.kplan"),
	} {
		texts = append(texts, r.Stdout, r.Stderr)
	}
	for _, name := range []string{"secret.json", "trace.json"} {
		data, err := os.ReadFile(s.path(name))
		if err != nil {
			s.t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	w.saw(tokens, append(texts, s.unpacked("after.kplan"))...)
	return plan.Stdout
}
