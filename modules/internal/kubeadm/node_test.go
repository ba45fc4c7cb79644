package kubeadm

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/script"
)

const (
	kubelet  = "kubelet.service"
	fewPods  = ownConfig + "---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 99\n"
	moreSANs = ownConfig + "apiServer:\n  certSANs: [k8s.example.org]\n"
)

// starts is how often the machine's kubelet was started.
func starts(m *hosttest.Machine) int {
	u, _ := m.Unit(kubelet)
	return u.Starts
}

// ran tells whether a machine ran a script since its first n acts.
func ran(m *hosttest.Machine, n int, text string) bool {
	for _, a := range m.Acts()[n:] {
		if run, ok := a.Op.(host.Run); ok && len(run.Argv) > 2 && run.Argv[2] == text {
			return true
		}
	}
	return false
}

// joined is worlds, and the worker is one.
func joined(t *testing.T) (plane, worker *hosttest.Machine) {
	t.Helper()
	ctx, plane, worker := worlds(t)
	if err := joinWanted().Apply(ctx, worker.Host(), nil); err != nil {
		t.Fatal(err)
	}
	return plane, worker
}

// A configuration of the kubelets that the control plane has brought to the cluster reaches a worker, whose kubelet is
// restarted; what is no business of the kubelet's leaves it alone.
func TestAWorkerIsReconfigured(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		starts int
		says   string
	}{
		"of the kubelets":       {fewPods, 1, `"maxPods":99`},
		"of the API server":     {moreSANs, 0, "KubeletConfiguration"},
		"as it was":             {"", 0, "KubeletConfiguration"},
		"of both":               {strings.Replace(fewPods, ownConfig, moreSANs, 1), 1, `"maxPods":99`},
		"of both, by hand then": {fewPods, 1, `"maxPods":99`},
	} {
		t.Run(name, func(t *testing.T) {
			plane, worker := joined(t)
			if c.config != "" {
				plane.Put(configFile, strings.Replace(strings.Replace(c.config, "PODS", "10.244.0.0/16", 1), "k8s-node1", "plane", 1))
				if err := controlPlaneWanted().Refresh(t.Context(), plane.Host()); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasSuffix(name, "by hand then") {
				worker.Put(kubeletConfigFile, plane.Content(kubeletConfigFile)) // whose kubelet does not know it yet
			}
			before := starts(worker)
			for range 2 { // what is there already is not brought again
				if err := joinWanted().Refresh(t.Context(), worker.Host()); err != nil {
					t.Fatal(err)
				}
			}
			if got := starts(worker) - before; got != c.starts {
				t.Errorf("the kubelet was started %d times, want %d", got, c.starts)
			}
			if got := worker.Content(kubeletConfigFile); !strings.Contains(got, c.says) || got != plane.Content(kubeletConfigFile) {
				t.Errorf("its configuration is\n%s", got)
			}
			if got, err := joinWanted().Read(t.Context(), worker.Reader()); err != nil || !got.Intact || !got.Running || !got.Registered {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Without the API, no configuration is brought, and what is there stays.
func TestAWorkerIsNotReconfiguredWithoutTheAPI(t *testing.T) {
	_, worker := joined(t)
	worker.Reaches(nil)
	was := worker.Content(kubeletConfigFile)
	if err := joinWanted().Refresh(t.Context(), worker.Host()); err == nil || !strings.Contains(err.Error(), "connection refused") || worker.Content(kubeletConfigFile) != was {
		t.Errorf("%v", err)
	}
}

// A kubelet that was stopped shows, and is no more than started.
func TestAStoppedKubelet(t *testing.T) {
	plane, worker := joined(t)
	for _, m := range []*hosttest.Machine{plane, worker} {
		if _, err := m.Host().Do(t.Context(), host.Run{Argv: []string{"systemctl", "stop", "kubelet"}}); err != nil {
			t.Fatal(err)
		}
	}

	c := controlPlaneWanted()
	got, err := c.Read(t.Context(), plane.Reader())
	if err != nil || got == nil || got.Running || !got.Intact {
		t.Fatalf("the control plane: %+v, %v", got, err)
	}
	acts := len(plane.Acts())
	if err := c.Apply(t.Context(), plane.Host(), got); err != nil || ran(plane, acts, script.KubeadmRepair) || len(c.Disrupts(got)) != 0 {
		t.Errorf("the control plane: %v, interrupting %q", err, c.Disrupts(got))
	}
	if got, err := c.Read(t.Context(), plane.Reader()); err != nil || !got.Running {
		t.Errorf("the control plane: %+v, %v", got, err)
	}

	j := joinWanted()
	is, err := j.Read(t.Context(), worker.Reader())
	if err != nil || is == nil || is.Running || !is.Intact || !is.Registered {
		t.Fatalf("the worker: %+v, %v", is, err)
	}
	worker.Reaches(nil) // it takes no API
	if err := j.Apply(t.Context(), worker.Host(), is); err != nil || len(j.Disrupts(is)) != 0 {
		t.Errorf("the worker: %v, interrupting %q", err, j.Disrupts(is))
	}
	if is, err := j.Read(t.Context(), worker.Reader()); err != nil || !is.Running {
		t.Errorf("the worker: %+v, %v", is, err)
	}
}

// One that cannot be started is an error that says so.
func TestAKubeletThatDoesNotStart(t *testing.T) {
	_, worker := joined(t)
	worker.AddUnit(kubelet, hosttest.Unit{Masked: true})
	is, err := joinWanted().Read(t.Context(), worker.Reader())
	if err != nil || is.Running {
		t.Fatalf("%+v, %v", is, err)
	}
	if err := joinWanted().Apply(t.Context(), worker.Host(), is); err == nil || !strings.HasPrefix(err.Error(), "cannot start the kubelet: ") || !strings.Contains(err.Error(), "is masked") {
		t.Errorf("%v", err)
	}
}

func TestStopped(t *testing.T) {
	for text, want := range map[string]bool{
		"ActiveState=active\n":                     false,
		"ActiveState=inactive\n":                   true,
		"ActiveState=failed\n":                     true,
		"ActiveState=activating\n":                 false, // it ends, and is started again
		"ActiveState=reloading\n":                  false,
		"ActiveState=deactivating\n":               false,
		"ActiveState=inactive\nJob=412\n":          false, // the machine starts
		"Job=412\nActiveState=inactive\n":          false,
		"ActiveState=activating\nJob=12\n":         false,
		"":                                         false, // another service manager
		"sh: systemctl: not found\n":               false,
		"ActiveState=inactive\nJob=\n":             true, // with --all
		"ActiveState=maintenance\n":                false,
		"LoadState=masked\nActiveState=inactive\n": true,
	} {
		if got := stopped(host.Output{Stdout: []byte(text)}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A node that somebody deleted shows, and its kubelet registers it again once what was left of its pods has ended.
func TestADeletedNode(t *testing.T) {
	plane, worker := joined(t)
	ctx := host.WithPeers(t.Context(), func(context.Context, string) (host.Host, error) { return plane.Host(), nil })
	if _, err := plane.Host().Do(ctx, kubectl("delete", "node", "worker", "--ignore-not-found")); err != nil {
		t.Fatal(err)
	}
	j := joinWanted()
	calls := worker.Calls()
	is, err := j.Read(ctx, worker.Reader())
	if err != nil || is == nil || is.Registered || !is.Intact || !is.Running || worker.Calls() != calls+1 {
		t.Fatalf("%+v, %v, after %d calls", is, err, worker.Calls()-calls)
	}
	if got := strings.Join(j.Disrupts(is), ", "); got != "ends the pods of the node, restarts the kubelet" {
		t.Errorf("it interrupts %q", got)
	}
	before := starts(worker)
	plane.Arrange(hosttest.Fault{Op: 1, Acts: true, Err: errors.New("a pod does not end")})
	if err := j.Apply(ctx, worker.Host(), is); err == nil || !strings.Contains(err.Error(), "a pod does not end") || starts(worker) != before {
		t.Errorf("with a pod that does not end: %v, after %d starts", err, starts(worker)-before)
	}
	if err := j.Apply(ctx, worker.Host(), is); err != nil || starts(worker) != before+1 {
		t.Errorf("%v, after %d starts", err, starts(worker)-before)
	}
	acts := plane.Acts()
	if got := acts[len(acts)-1].String(); !strings.Contains(got, "delete pods --all-namespaces --field-selector=spec.nodeName=worker ") {
		t.Errorf("the last act on the control plane is %q", got)
	}
	if got := strings.Join(plane.Nodes(), " "); got != "plane worker" {
		t.Errorf("the nodes are %s", got)
	}
	if is, err := j.Read(ctx, worker.Reader()); err != nil || !is.Registered {
		t.Errorf("%+v, %v", is, err)
	}
}

// An API that does not answer says nothing against a node.
func TestANodeWithoutTheAPI(t *testing.T) {
	plane, worker := joined(t)
	if _, err := plane.Host().Do(t.Context(), kubectl("delete", "node", "worker", "--ignore-not-found")); err != nil {
		t.Fatal(err)
	}
	plane.APIStarts()
	if is, err := joinWanted().Read(t.Context(), worker.Reader()); err != nil || is == nil || !is.Registered {
		t.Errorf("%+v, %v", is, err)
	}
}
