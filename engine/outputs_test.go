package engine_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

// gated is a file behind a gate, an output of its content, and a check that does
// not hold where it is new.
const gated = `
resource "exec" "gate" {
  on       = hosts
  command  = "make-it"
  triggers = { content = "%s" }
}
resource "file" "f" {
  on         = hosts
  path       = "/etc/f"
  content    = "%s"
  depends_on = [exec.gate]
}
output "content" {
  value = all.file.f["a"].content
}
check "old" {
  assert {
    condition     = all.file.f["a"].content != "new"
    error_message = "the file is new"
  }
}
`

// recordedOutput is the output of gated as the state has it; "" where it has none.
func (w *world) recordedOutput() string {
	w.t.Helper()
	o, ok := w.input().State.Outputs["content"]
	if !ok || o.Value.Type() != cty.String {
		return ""
	}
	return o.Value.AsString()
}

// An output tells what is, and a check judges that: what a run did not bring
// about is neither told nor judged, and what was recorded stays.
func TestOutputsOfWhatDidNotComeAbout(t *testing.T) {
	ends := map[string]struct {
		end     event.Outcome // of the step of the file
		arrange func(w *world, o *engine.ApplyOptions, call func(func()))
	}{
		"done": {event.Done, func(*world, *engine.ApplyOptions, func(func())) {}},
		"failed": {event.Failed, func(w *world, _ *engine.ApplyOptions, _ func(func())) {
			w.machines["a"].Arrange(hosttest.Fault{Op: 2, Acts: true, Err: errors.New("no space is left")})
		}},
		"skipped": {event.Skipped, func(w *world, _ *engine.ApplyOptions, _ func(func())) {
			w.machines["a"].Arrange(hosttest.Fault{Op: 1, Acts: true, Err: errors.New("no space is left")})
		}},
		"stopped": {event.Stopped, func(_ *world, o *engine.ApplyOptions, call func(func())) {
			stop := make(chan struct{})
			o.Stop = stop
			call(func() {
				close(stop)
				synctest.Wait() // until the walk has seen it
			})
		}},
		"withheld": {event.Skipped, func(w *world, _ *engine.ApplyOptions, _ func(func())) {
			w.machines["a"].Down()
			w.down["a"] = true
		}},
		"stale": {event.Skipped, func(w *world, o *engine.ApplyOptions, _ func(func())) {
			w.machines["a"].Put("/etc/f", "by hand")
			o.SkipStale = true
		}},
	}
	for name, c := range ends {
		for _, before := range []string{"", "old"} {
			t.Run(strings.TrimSpace(name+" "+before), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, "a")
					call := func() {}
					w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { call(); return host.Output{} })
					if before != "" {
						w.spec(strings.ReplaceAll(gated, "%s", before))
						w.apply()
					}
					w.spec(strings.ReplaceAll(gated, "%s", "new"))
					p := w.plan()
					var o engine.ApplyOptions
					c.arrange(w, &o, func(f func()) { call = f })
					r, diags := w.runWith(p, o)
					if last := r.Steps[len(r.Steps)-1]; last.Outcome != c.end {
						t.Fatalf("steps %v, diagnostics %v", r.Steps, diags)
					}
					want := before
					if c.end == event.Done {
						want = "new"
					}
					if got := w.recordedOutput(); got != want {
						t.Errorf("the output is recorded as %q, want %q", got, want)
					}
					if judged := strings.Contains(diags.Error(), "the file is new"); judged != (c.end == event.Done) {
						t.Errorf("diagnostics: %v", diags)
					}
				})
			})
		}
	}
}

// What a plan leaves alone does not change its output either.
func TestOutputsOfWhatAPlanLeavesOut(t *testing.T) {
	for name, choose := range map[string]func(*world, *engine.PlanInput){
		"outside the targets": func(w *world, in *engine.PlanInput) { in.Targets = targets(w.t, "exec.gate") },
		"excluded":            func(w *world, in *engine.PlanInput) { in.Excludes = targets(w.t, "file.f") },
		"unreachable":         func(w *world, _ *engine.PlanInput) { w.down["a"] = true },
		"refreshed only":      func(_ *world, in *engine.PlanInput) { in.Mode = plans.RefreshOnly },
	} {
		for _, before := range []string{"", "old"} {
			t.Run(strings.TrimSpace(name+" "+before), func(t *testing.T) {
				w := newWorld(t, "a")
				counted(w, 0)
				if before != "" {
					w.spec(strings.ReplaceAll(gated, "%s", before))
					w.apply()
				}
				w.spec(strings.ReplaceAll(gated, "%s", "new"))
				p, in := w.planWith(func(in *engine.PlanInput) { choose(w, in) })
				for _, o := range p.Plan.Outputs() {
					if !o.After.Equal(o.Before) {
						t.Errorf("the output is planned as %#v", o.After.Value)
					}
				}
				if in.Mode != plans.RefreshOnly {
					p = w.derive(in, p.Plan)
				}
				_, diags := w.run(p)
				w.noErrors(diags)
				if got := w.recordedOutput(); got != before {
					t.Errorf("the output is recorded as %q, want %q", got, before)
				}
				if len(diags) != 0 {
					t.Errorf("diagnostics: %v", diags)
				}
			})
		}
	}
}
