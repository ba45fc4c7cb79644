package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/local"
)

// world is a spec, its machines in memory and its state on disk.
type world struct {
	t        *testing.T
	dir      string
	machines map[string]*hosttest.Machine
	mu       sync.Mutex // of down, where it changes while a run goes on
	down     map[string]bool
	backend  state.Backend
	types    *modules.Catalog
	events   []event.Event
	runs     int
}

func newWorld(t *testing.T, hosts ...string) *world {
	w := &world{t: t, dir: t.TempDir(), machines: map[string]*hosttest.Machine{}, down: map[string]bool{}, types: modules.NewCatalog(modules.All()...)}
	for _, name := range hosts {
		w.machines[name] = hosttest.New(hosttest.Named(name), hosttest.Report(t.Errorf))
	}
	w.backend = local.New(filepath.Join(w.dir, ".kplan"), "test")
	return w
}

// spec writes the spec: a host block for each machine, and body.
func (w *world) spec(body string) {
	w.t.Helper()
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(w.machines)) {
		fmt.Fprintf(&b, "host %q {\n  address = \"10.0.0.%d\"\n  roles = [\"node\"]\n}\n", name, i+1)
	}
	b.WriteString(body)
	if err := os.WriteFile(filepath.Join(w.dir, "main.kplan.hcl"), []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) engine() *engine.Engine {
	return &engine.Engine{
		Types: w.types.Type,
		Connect: func(ctx context.Context, h, _ *dsl.Host) (engine.Link, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.down[h.Name] {
				return engine.Link{}, errors.New("connection refused")
			}
			return engine.Link{Session: w.machines[h.Name].Session(), HostKey: "ssh-ed25519 " + h.Name}, nil
		},
		Events:      func(e event.Event) { w.events = append(w.events, e) },
		Parallelism: 4,
		Now:         time.Now,
		Version:     "test",
	}
}

func (w *world) load(vars ...string) *dsl.Spec {
	w.t.Helper()
	spec, diags := dsl.Load(w.dir, dsl.Options{Types: w.types, Vars: vars})
	w.noErrors(diags)
	return spec
}

func (w *world) noErrors(diags hcl.Diagnostics) {
	w.t.Helper()
	if diags.HasErrors() {
		for _, d := range diags {
			w.t.Error(d.Error())
		}
		w.t.FailNow()
	}
}

func (w *world) input() engine.PlanInput {
	w.t.Helper()
	snap, err := w.backend.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := w.backend.Key(w.t.Context(), true)
	if err != nil {
		w.t.Fatal(err)
	}
	if snap.Lineage == "" {
		if snap, err = w.backend.Read(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	return engine.PlanInput{Spec: w.load(), State: snap, Key: key, Mode: plans.Normal}
}

func (w *world) plan() *engine.Planned {
	w.t.Helper()
	p, diags := w.engine().Plan(w.t.Context(), w.input())
	w.noErrors(diags)
	w.t.Cleanup(p.Close)
	return p
}

// run applies p and returns the report.
func (w *world) run(p *engine.Planned) (*engine.Report, hcl.Diagnostics) {
	w.t.Helper()
	return w.runIn(w.t.Context(), p)
}

func (w *world) runIn(ctx context.Context, p *engine.Planned) (*engine.Report, hcl.Diagnostics) {
	w.t.Helper()
	lease, err := w.backend.Lock(w.t.Context(), 0, state.Holder{ID: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	defer lease.Release()
	w.runs++
	return w.engine().Apply(ctx, lease, p, engine.ApplyOptions{Run: fmt.Sprintf("run%d", w.runs)})
}

// apply plans and applies, and wants all of it to be fulfilled.
func (w *world) apply() *engine.Report {
	w.t.Helper()
	p := w.plan()
	defer p.Close()
	r, diags := w.run(p)
	w.noErrors(diags)
	c := r.Counts
	if ok := c[event.Done] + c[event.Already] + c[event.NotNeeded] + c[event.Adopted]; ok != len(p.Plan.Steps()) {
		w.t.Fatalf("%d of %d steps were fulfilled: %v", ok, len(p.Plan.Steps()), c)
	}
	return r
}

// steps are the steps of a plan, as "action address".
func steps(p *engine.Planned) []string {
	var out []string
	for _, s := range p.Plan.Steps() {
		out = append(out, string(s.Action)+" "+s.Addr.String())
	}
	return out
}

func (w *world) wantSteps(want ...string) {
	w.t.Helper()
	p := w.plan()
	defer p.Close()
	if got := steps(p); !slices.Equal(got, want) {
		w.t.Fatalf("steps:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const motd = `
resource "file" "motd" {
  on      = hosts
  path    = "/etc/motd"
  content = "hello ${each.host.name}\n"
}
`

func TestLifeOfAFile(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	w.wantSteps("create file.motd@a", "create file.motd@b")
	w.apply()
	if got := w.machines["b"].Content("/etc/motd"); got != "hello b\n" {
		t.Fatalf("/etc/motd on b is %q", got)
	}
	w.wantSteps()

	w.machines["a"].Put("/etc/motd", "changed by hand\n")
	p := w.plan()
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Addr.String() != "file.motd@a" {
		t.Fatalf("drift: %v", d)
	}
	p.Close()
	w.wantSteps("update file.motd@a")
	w.apply()
	w.wantSteps()

	w.spec("")
	w.wantSteps("delete file.motd@a", "delete file.motd@b")
	w.apply()
	if f := w.machines["a"].File("/etc/motd"); f != nil {
		t.Fatal("/etc/motd is still there")
	}
	w.wantSteps()
}

func TestAdoptedObjectsAreForgotten(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Put("/etc/motd", "hello a\n")
	w.spec(motd)
	w.wantSteps()
	w.apply()
	w.spec("")
	w.wantSteps("forget file.motd@a")
	w.apply()
	if got := w.machines["a"].Content("/etc/motd"); got != "hello a\n" {
		t.Fatalf("/etc/motd is %q", got)
	}
}

func TestStalePlanChangesNothing(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	p := w.plan()
	w.machines["b"].Put("/etc/motd", "somebody else's\n")
	_, diags := w.run(p)
	if !diags.HasErrors() || diags[0].Extra != engine.CodeStale || !strings.Contains(diags[0].Detail, "file.motd@b") {
		t.Fatalf("diagnostics: %v", diags)
	}
	for name, m := range w.machines {
		if n := len(m.Acts()); n != 0 {
			t.Errorf("%d acts on %s", n, name)
		}
	}
}
