package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// runWith applies p as run does, with options.
func (w *world) runWith(p *engine.Planned, o engine.ApplyOptions) (*engine.Report, hcl.Diagnostics) {
	w.t.Helper()
	lease, err := w.backend.Lock(w.t.Context(), 0, state.Holder{ID: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	defer lease.Release()
	o.Run = "run-with-options"
	return w.engine().Apply(w.t.Context(), lease, p, o)
}

// derive makes a plan that was saved ready, from the input that it was made
// from, as kplan apply PLANFILE does.
func (w *world) derive(in engine.PlanInput, saved *plans.Plan) *engine.Planned {
	w.t.Helper()
	if d := engine.CheckBase(saved, w.input().State); d != nil {
		w.t.Fatal(d.Error())
	}
	in.Spec = w.load()
	p, diags := w.engine().Derive(in, saved)
	w.noErrors(diags)
	w.t.Cleanup(p.Close)
	return p
}

// rest is what comes after the step of interest: a brake, in which a run is
// ended, and a file that it does not come to.
const rest = `
resource "exec" "brake" {
  on         = hosts
  command    = "brake"
  depends_on = [%s]
}
resource "file" "rest" {
  on         = hosts
  path       = "/etc/rest"
  content    = "rest\n"
  depends_on = [exec.brake]
}
`

// What a plan did, a second apply of the same plan finds done, also where the
// object cannot tell: a replacement that was asked for leaves it as it was,
// and a restart leaves nothing at all.
func TestASavedPlanDoesNotRepeatWhatItDid(t *testing.T) {
	resume := []struct {
		name, needs, step string
		arrange           func(w *world) (spec string) // after which the step is due
		replaces          string
	}{
		{"replace", "file.motd", "replace file.motd@a", func(w *world) string {
			w.spec(motd)
			w.apply()
			return strings.ReplaceAll(motd, "/etc/motd", "/etc/issue")
		}, ""},
		{"forced replace", "file.motd", "replace file.motd@a", func(w *world) string {
			w.spec(motd)
			w.apply()
			return motd
		}, "file.motd"},
		{"owed restart", "service.daemon", "refresh service.daemon@a", func(w *world) string {
			w.spec(strings.ReplaceAll(daemon, "%s", "red"))
			w.apply()
			w.spec(strings.ReplaceAll(daemon, "%s", "blue"))
			p, _ := w.planWith(func(in *engine.PlanInput) { in.Targets = targets(w.t, "file.conf") })
			_, diags := w.run(p)
			w.noErrors(diags)
			return strings.ReplaceAll(daemon, "%s", "blue")
		}, ""},
	}
	ends := []struct {
		name        string
		code        int // of the brake; it asks to stop where that is 0
		brake, rest event.Outcome
		again       int // steps that are left to do, an act each
		brakings    int
	}{
		{"stopped", 0, event.Done, event.Stopped, 1, 1},
		{"failed", 1, event.Failed, event.Skipped, 2, 2},
	}
	for _, tt := range resume {
		for _, end := range ends {
			t.Run(tt.name+" "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := withDaemon(t)
					m := w.machines["a"]
					w.spec(tt.arrange(w) + strings.ReplaceAll(rest, "%s", tt.needs))
					p, in := w.planWith(func(in *engine.PlanInput) {
						if tt.replaces != "" {
							in.Replaces = targets(t, tt.replaces)
						}
					})
					if s := steps(p); len(s) != 3 || s[0] != tt.step {
						t.Fatalf("steps: %v", s)
					}
					stop, code, brakings := make(chan struct{}), end.code, 0
					m.Script("brake", func(*hosttest.Call) host.Output {
						if brakings++; brakings == 1 && code == 0 {
							close(stop)
							synctest.Wait() // until the walk has seen it
						}
						return host.Output{Code: code}
					})
					r, _ := w.runWith(p, engine.ApplyOptions{Stop: stop})
					if s := r.Steps; len(s) != 3 || s[0].Outcome != event.Done || s[1].Outcome != end.brake || s[2].Outcome != end.rest {
						t.Fatalf("the first run: %+v", s)
					}
					code = 0
					acts := len(m.Acts())
					r, diags := w.run(w.derive(in, p.Plan))
					w.noErrors(diags)
					if again := m.Acts()[acts:]; r.Counts[event.Done] != end.again || len(again) != end.again {
						t.Errorf("the second run: counts %v, acts %v, want %d", r.Counts, again, end.again)
					}
					if brakings != end.brakings {
						t.Errorf("the brake ran %d times, want %d", brakings, end.brakings)
					}
					w.wantSteps()
				})
			})
		}
	}
}

// Whether a directory is empty is seen on the machine, and a saved plan is
// derived without one: it holds what was seen.
func TestASavedPlanDeletesWhatItSaid(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Put("/proc/sys/net/ipv4/ip_forward", "0\n")
	w.spec(`
resource "directory" "empty" {
  on   = hosts
  path = "/etc/empty"
}
resource "directory" "full" {
  on   = hosts
  path = "/etc/full"
}
resource "sysctl" "forward" {
  on    = hosts
  key   = "net.ipv4.ip_forward"
  value = "1"
}
`)
	w.apply()
	m.Put("/etc/full/foreign", "x")
	w.spec("")
	p, in := w.planWith(func(*engine.PlanInput) {})
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if m.File("/etc/empty") != nil || m.Content("/etc/full/foreign") != "x" {
		t.Error("the wrong directory was deleted")
	}
	w.wantSteps()
}

const once = `
resource "exec" "once" {
  on      = hosts
  command = "make-it"
}
`

// counted lets make-it count its runs; the first fail of them fail.
func counted(w *world, fail int) *int {
	ran := new(int)
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		if *ran++; *ran <= fail {
			return host.Output{Code: 1}
		}
		return host.Output{}
	})
	return ran
}

// The run that finds what the first did may be killed as well, before it has
// recorded what it found.
func TestAnExecThatIsCutOffTwiceRunsOnce(t *testing.T) {
	tried := 0
	for at := 0; ; at++ {
		for at2 := 0; ; at2++ {
			w := newWorld(t, "a")
			ran := counted(w, 0)
			w.spec(once)
			m := &mortal{left: at}
			w.live(m)
			if !m.dead {
				if tried == 0 {
					t.Error("no run was cut off twice")
				}
				return
			}
			if *ran != 1 {
				break // it did not come to the exec yet
			}
			m = &mortal{left: at2}
			w.live(m)
			if !m.dead {
				break
			}
			tried++
			w.apply()
			if *ran != 1 {
				t.Errorf("killed at moments %d and %d: it ran %d times", at, at2, *ran)
			}
		}
	}
}

// A cut-off exec that succeeded at a later attempt is done.
func TestAnExecThatIsCutOffInARetryIsNotRunAgain(t *testing.T) {
	tried := 0
	for at := 0; ; at++ {
		w := newWorld(t, "a")
		ran := counted(w, 1)
		w.spec(strings.ReplaceAll(once, "command = \"make-it\"\n", "command = \"make-it\"\n  retry {\n    attempts = 3\n    delay    = \"1ms\"\n  }\n"))
		m := &mortal{left: at}
		w.live(m)
		if !m.dead {
			break
		}
		if *ran != 2 {
			continue
		}
		tried++
		w.apply()
		if *ran != 2 {
			t.Errorf("killed at moment %d: it ran %d times", at, *ran)
		}
	}
	if tried == 0 {
		t.Error("no run was cut off after the second attempt")
	}
}

// A run that ends without coming to the cut-off exec leaves the machine's
// record of it: the run after it has to find that the exec was done.
func TestTheActOfAnOpenIntentIsKept(t *testing.T) {
	const spec = `
resource "exec" "gate" {
  on       = hosts
  command  = "gate"
  triggers = { v = "%s" }
}
`
	after := strings.ReplaceAll(once, "command = \"make-it\"\n", "command = \"make-it\"\n  depends_on = [exec.gate]\n")
	tried := 0
	for at := 0; ; at++ {
		w := newWorld(t, "a")
		ran, shut := counted(w, 0), 0
		w.machines["a"].Script("gate", func(*hosttest.Call) host.Output { return host.Output{Code: shut} })
		w.spec(strings.ReplaceAll(spec, "%s", "1") + after)
		m := &mortal{left: at}
		w.live(m)
		if !m.dead {
			break
		}
		if *ran != 1 {
			continue
		}
		tried++
		w.spec(strings.ReplaceAll(spec, "%s", "2") + after)
		for _, shut = range []int{1, 0} {
			p := w.plan()
			if _, diags := w.run(p); diags.HasErrors() != (shut == 1) {
				t.Errorf("killed at moment %d, gate %d: %v", at, shut, diags)
			}
			p.Close()
		}
		if *ran != 1 {
			t.Errorf("killed at moment %d: it ran %d times", at, *ran)
		}
	}
	if tried == 0 {
		t.Error("no run was cut off after the exec")
	}
}
