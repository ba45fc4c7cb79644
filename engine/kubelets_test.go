package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

// clusterSpec is a cluster of two control planes and two workers.
const clusterSpec = `
locals {
  planes  = [host.p1, host.p2]
  workers = [host.w1, host.w2]
}
resource "directory" "kubernetes" {
  on   = local.planes
  path = "/etc/kubernetes"
}
resource "kubeadm_config" "main" {
  on                = local.planes
  version           = "1.34.4"
  name              = each.host.name
  advertise_address = each.host.address
  endpoint          = "10.0.2.15:6443"
  %s
  depends_on = [directory.kubernetes]
}
resource "kubeadm_control_plane" "main" {
  on        = local.planes
  config    = kubeadm_config.main.path
  version   = "1.34.4"
  members   = local.planes
  endpoint  = "10.0.2.15:6443"
  on_change = [kubeadm_config.main]
}
resource "kubeadm_join" "worker" {
  on        = local.workers
  cluster   = all.kubeadm_control_plane.main
  on_change = [kubeadm_config.main]
}
`

// clusterWorld is a cluster that was made on bare machines, and its machines.
func clusterWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "p1", "p2", "w1", "w2")
	for i, name := range []string{"p1", "p2", "w1", "w2"} {
		w.machines[name] = hosttest.New(hosttest.Named(name), hosttest.Report(t.Errorf), hosttest.Facts(func(f *host.Facts) {
			f.Interfaces = []string{fmt.Sprintf("eth0 10.0.0.%d/24", i+1)}
		}))
		if i > 0 {
			w.machines[name].Reaches(w.machines["p1"])
		}
	}
	w.config("")
	w.apply()
	for _, name := range []string{"w1", "w2"} {
		for _, a := range w.machines[name].Acts() {
			if strings.Contains(a.String(), "kubeadm upgrade node") {
				t.Errorf("the kubelet of %s is reconfigured in the apply that made it", name)
			}
		}
	}
	w.wantSteps()
	return w
}

func (w *world) config(more string) { w.spec(fmt.Sprintf(clusterSpec, more)) }

func (w *world) kubeletStarts() (starts []int) {
	for _, name := range []string{"p1", "p2", "w1", "w2"} {
		u, _ := w.machines[name].Unit("kubelet.service")
		starts = append(starts, u.Starts)
	}
	return starts
}

// Another configuration of the kubelets reaches all of them in one apply, the workers' after all control planes; one that is of
// the API server only leaves the workers' alone.
func TestKubeletsAreReconfigured(t *testing.T) {
	w := clusterWorld(t)
	before := w.kubeletStarts()
	w.config(`cert_sans = ["k8s.example.org"]`)
	w.apply()
	if after := w.kubeletStarts(); !slices.Equal(after[2:], before[2:]) {
		t.Errorf("another certificate of the API server started kubelets: %v, before %v", after, before)
	}
	w.wantSteps()

	before = w.kubeletStarts()
	w.config(`kubelet = yamlencode({ maxPods = 99 })`)
	p := w.plan()
	defer p.Close()
	var planes []plans.Node
	refreshed := 0
	for _, s := range p.Plan.Steps() {
		switch s.Addr.Resource.Type {
		case "kubeadm_control_plane":
			planes = append(planes, s.ID)
		case "kubeadm_join":
			refreshed++
			for _, id := range planes {
				if !slices.Contains(s.After, id) {
					t.Errorf("%s comes after %v, not after step %d of the control plane", s.Addr, s.After, id)
				}
			}
			if len(planes) != 2 || !strings.HasPrefix(s.Condition, "only if ") || strings.Join(s.Disrupts, "") != "restarts the kubelet" {
				t.Errorf("%s, after %d control planes, %q, interrupting %q", s.Addr, len(planes), s.Condition, s.Disrupts)
			}
		}
	}
	if refreshed != 2 || len(p.Plan.Steps()) != 6 {
		t.Errorf("steps %q", steps(p))
	}
	for _, c := range p.Plan.Changes() {
		if c.Addr.Resource.Type == "kubeadm_join" && !strings.HasPrefix(c.Reason, "reconfigure, because of kubeadm_config.main") {
			t.Errorf("%s: %s", c.Addr, c.Reason)
		}
	}
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Done] != 6 {
		t.Errorf("it ended as %v", r.Counts)
	}
	for i, name := range []string{"p1", "p2", "w1", "w2"} {
		if got := w.machines[name].Content("/var/lib/kubelet/config.yaml"); !strings.Contains(got, `"maxPods":99`) {
			t.Errorf("the kubelet of %s has %s", name, got)
		}
		if starts := w.kubeletStarts()[i] - before[i]; starts != 1 {
			t.Errorf("the kubelet of %s was started %d times", name, starts)
		}
	}
	w.wantSteps()
}

// Where the control plane fails, the workers are not touched, and owe it: the next apply does it.
func TestKubeletsAreReconfiguredLater(t *testing.T) {
	w := clusterWorld(t)
	w.config(`kubelet = yamlencode({ maxPods = 99 })`)
	p := w.plan()
	w.machines["p2"].AddUnit("kubelet.service", hosttest.Unit{Running: true, Fails: true})
	r, _ := w.run(p)
	p.Close()
	if r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 2 || strings.Contains(w.machines["w1"].Content("/var/lib/kubelet/config.yaml"), "99") {
		t.Errorf("it ended as %v", r.Counts)
	}
	w.machines["p2"].AddUnit("kubelet.service", hosttest.Unit{Running: true})
	w.apply()
	for _, name := range []string{"p1", "p2", "w1", "w2"} {
		if got := w.machines[name].Content("/var/lib/kubelet/config.yaml"); !strings.Contains(got, `"maxPods":99`) {
			t.Errorf("the kubelet of %s has %s", name, got)
		}
	}
	w.wantSteps()
}

// What somebody does to kubelets and nodes is drift, of the attribute that says it, and is repaired.
func TestKubeletsDrift(t *testing.T) {
	w := clusterWorld(t)
	for _, name := range []string{"p2", "w1"} {
		if _, err := w.machines[name].Host().Do(t.Context(), host.Run{Argv: []string{"systemctl", "stop", "kubelet"}}); err != nil {
			t.Fatal(err)
		}
	}
	remove := host.Run{Argv: []string{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "delete", "node", "w2", "--ignore-not-found"}}
	if _, err := w.machines["p1"].Host().Do(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	p := w.plan()
	var drift []string
	for _, d := range p.Plan.Drift() {
		drift = append(drift, fmt.Sprintf("%s%v", d.Addr, d.Differs))
	}
	p.Close()
	if want := []string{"kubeadm_control_plane.main@p2[running]", "kubeadm_join.worker@w1[running]", "kubeadm_join.worker@w2[registered]"}; !slices.Equal(drift, want) {
		t.Errorf("drift %q, want %q", drift, want)
	}
	w.apply()
	if got := strings.Join(w.machines["p1"].Nodes(), " "); got != "p1 p2 w1 w2" {
		t.Errorf("nodes %s", got)
	}
	w.wantSteps()
}
