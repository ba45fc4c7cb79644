package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

// bury takes a machine away for good: whoever contacts it fails the test.
func (w *world) bury(name string) { delete(w.machines, name) }

const letGoA = "removed {\n  from = host.a\n}\n"

// wantGone wants nothing to be recorded of host a, and nothing to be left to do.
func (w *world) wantGone() {
	w.t.Helper()
	s := w.input().State
	_, known := s.Hosts["a"]
	for at := range s.Objects {
		known = known || at.Host == "a"
	}
	if known {
		w.t.Errorf("hosts %v, objects %v", slices.Collect(maps.Keys(s.Hosts)), slices.Collect(maps.Keys(s.Objects)))
	}
	w.wantSteps()
}

func TestAHostIsLetGo(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd + "resource \"file\" \"kept\" {\n  on      = hosts\n  path    = \"/etc/kept\"\n  content = \"x\"\n  lifecycle { prevent_destroy = true }\n}\n")
	w.apply()
	w.bury("a")
	w.spec(motd + letGoA)
	w.machines["b"].RemoveAll("/etc/kept")
	p, in := w.planWith(func(*engine.PlanInput) {})
	if got, want := steps(p), []string{"forget file.kept@a", "forget file.motd@a", "forget file.kept@b"}; !slices.Equal(got, want) {
		t.Fatalf("steps %q, want %q", got, want)
	}
	c, _ := p.Plan.Change(p.Plan.Steps()[0].Addr)
	if n := p.Plan.Summary().Forget; len(p.Plan.Withheld()) != 0 || n != 3 || c.Reason != "its machine is let go" {
		t.Errorf("withheld %v, %d forgets, reason %q", p.Plan.Withheld(), n, c.Reason)
	}
	if warnings := p.Plan.Warnings(); len(warnings) != 1 || !strings.HasPrefix(warnings[0], "host a is let go: its machine is not contacted, and what stands on it stays.") {
		t.Errorf("warnings %q", warnings)
	}
	r, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if r.Counts[event.Done] != 3 {
		t.Errorf("counts %v", r.Counts)
	}
	w.wantGone()
	w.spec(motd)
	w.wantGone()
}

func TestWhatIsRemovedIsNotInTheSpec(t *testing.T) {
	w := newWorld(t, "a")
	for block, want := range map[string]string{
		"host.a":    "This block says that host.a is removed, and the host is in the spec (main.kplan.hcl:1,1-9).",
		"file.motd": "This block says that file.motd is removed, and file.motd@a is in the spec (main.kplan.hcl:",
	} {
		w.spec(motd + "removed {\n  from = " + block + "\n}\n")
		_, diags := w.engine().Plan(t.Context(), w.input())
		if len(diags) != 1 || !strings.HasPrefix(diags[0].Detail, want) || diags[0].Subject == nil {
			t.Errorf("%s: %v", block, diags)
		}
	}
}

// A resource or a module that is removed is deleted, or left as it is.
func TestAResourceIsRemoved(t *testing.T) {
	for lifecycle, want := range map[string]string{"": "delete", "  lifecycle { destroy = false }\n": "forget"} {
		w := newWorld(t, "a")
		w.spec(motd)
		w.apply()
		w.spec("removed {\n  from = file.motd\n" + lifecycle + "}\nremoved {\n  from = module.never\n}\n")
		p, in := w.planWith(func(*engine.PlanInput) {})
		if got := steps(p); !slices.Equal(got, []string{want + " file.motd@a"}) {
			t.Errorf("steps %q", got)
		}
		_, diags := w.run(w.derive(in, p.Plan))
		w.noErrors(diags)
		if left := w.machines["a"].File("/etc/motd") != nil; left != (want == "forget") {
			t.Errorf("after the %s the file is there: %v", want, left)
		}
		w.wantSteps()
	}
}

// withDeadMember is a ring of a, b and c, of which a is dead; d is to come.
func withDeadMember(t *testing.T) *world {
	w := withRing(t, "a", "b", "c", "d")
	for _, m := range w.machines {
		m.Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
	}
	w.spec(ringOn("host.a", "host.b", "host.c"))
	w.apply()
	w.bury("a")
	return w
}

// A member whose machine is let go is taken out through one that is there, before
// a new one comes.
func TestADeadMemberLeaves(t *testing.T) {
	w := withDeadMember(t)
	id := w.input().State.Hosts["a"].MachineID
	w.spec(ringOn("host.b", "host.c", "host.d") + letGoA)
	p, in := w.planWith(func(*engine.PlanInput) {})
	s := p.Plan.Steps()
	if len(s) != 2 || s[0].Action != plans.Delete || s[0].Via != "leave b" || s[0].At != "b" || len(s[0].Peers) != 0 ||
		s[1].Via != "join b" || !slices.Contains(s[1].After, s[0].ID) {
		t.Fatalf("steps %+v", s)
	}
	if c, _ := p.Plan.Change(s[0].Addr); c.Reason != "its machine is let go: nothing is done there" {
		t.Errorf("reason %q", c.Reason)
	}
	r, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if got := w.machines["b"].Content("/etc/given"); r.Counts[event.Done] != 2 || got != "a "+id || id == "" {
		t.Errorf("counts %v, given back was %q", r.Counts, got)
	}
	w.wantGone()
}

// What is done for it on another machine is gone on with after a cut, wherever
// that was, and what runs there is found again.
func TestADeadMemberThatIsCutOffLeaves(t *testing.T) {
	for n := 1; ; n++ {
		w := withDeadMember(t)
		w.spec(ringOn("host.b", "host.c") + letGoA)
		ran := 0
		w.machines["b"].Script("make-it", func(*hosttest.Call) host.Output { ran++; return host.Output{} })
		p := w.plan()
		w.down["b"] = true // once the connection is lost
		w.machines["b"].Arrange(hosttest.Fault{Op: n, Acts: true, Done: n%2 == 0})
		r, _ := w.run(p)
		w.down["b"] = false
		cut := !w.machines["b"].Pending()
		w.machines["b"].Forgive()
		if cut == (r.Counts[event.Done] == 1) {
			t.Fatalf("cut at %d: counts %v", n, r.Counts)
		}
		if cut {
			w.wantSteps("delete ringed.x@a")
			w.apply()
		}
		if !strings.HasPrefix(w.machines["b"].Content("/etc/given"), "a ") {
			t.Errorf("cut at %d: nothing was given back", n)
		}
		w.wantGone()
		if !cut {
			break
		}
	}
}

// Where nobody is left whom it was something to, it is forgotten.
func TestTheLastMemberIsLetGo(t *testing.T) {
	w := withRing(t, "a", "b")
	w.spec(ringOn("host.a"))
	w.apply()
	w.bury("a")
	w.spec(ringOn("host.b") + letGoA)
	p, in := w.planWith(func(*engine.PlanInput) {})
	if s := p.Plan.Steps(); len(s) != 2 || s[0].Via != "forge" || s[1].Action != plans.Forget || s[1].Via+s[1].At != "" {
		t.Errorf("steps %+v", s)
	}
	w.derive(in, p.Plan)
}

// Who could be the one through whom it leaves is not seen.
func TestADeadMemberIsWithheld(t *testing.T) {
	w := withDeadMember(t)
	w.down["b"], w.down["c"] = true, true
	w.spec(ringOn("host.b", "host.c") + letGoA)
	p, in := w.planWith(func(*engine.PlanInput) {})
	held := p.Plan.Withheld()
	if len(p.Plan.Steps()) != 0 || len(held) != 3 || held[0].Reason != "it depends on what stands on host b, and host b is unreachable" {
		t.Errorf("steps %v, withheld %v", steps(p), held)
	}
	w.derive(in, p.Plan)
}

func TestLettingGoWithOtherCommands(t *testing.T) {
	w := withDeadMember(t)
	w.spec(ringOn("host.b", "host.c", "host.d") + letGoA)
	for what, c := range map[string]struct {
		ask  func(*engine.PlanInput)
		want []string
	}{
		"drift":   {func(in *engine.PlanInput) { in.Mode = plans.RefreshOnly }, nil},
		"offline": {func(in *engine.PlanInput) { in.Offline = true }, []string{"delete ringed.x@a", "create ringed.x@d"}},
		"target": {func(in *engine.PlanInput) {
			a, err := addr.ParseTarget("host.a")
			if err != nil {
				t.Fatal(err)
			}
			in.Targets = []addr.Target{a}
		}, []string{"delete ringed.x@a", "create ringed.x@d"}},
		"destroy": {func(in *engine.PlanInput) { in.Mode = plans.Destroy }, []string{"delete ringed.x@a", "delete ringed.x@c", "delete ringed.x@b"}},
	} {
		t.Run(what, func(t *testing.T) {
			p, in := w.planWith(c.ask)
			if got := steps(p); !slices.Equal(got, c.want) || len(p.Plan.Withheld()) != 0 || len(p.Plan.Drift()) != 0 {
				t.Errorf("steps %q, want %q; withheld %v, drift %v", got, c.want, p.Plan.Withheld(), p.Plan.Drift())
			}
			if !in.Offline && in.Mode != plans.RefreshOnly {
				w.derive(in, p.Plan)
			}
		})
	}
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Mode = plans.Destroy })
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Done] != 3 || len(w.input().State.Objects) != 0 {
		t.Errorf("counts %v", r.Counts)
	}
}

// What acted on another machine, too, acts there alone; on one that is let go as
// well, not at all.
func TestAGuestIsLetGo(t *testing.T) {
	w, _ := withGuests(t)
	w.apply()
	b := w.machines["b"]
	w.bury("b")
	w.spec("removed {\n  from = host.b\n}\n")
	p, in := w.planWith(func(*engine.PlanInput) {})
	if s := p.Plan.Steps(); len(s) != 1 || s[0].Action != plans.Delete || s[0].At != "a" {
		t.Fatalf("steps %+v", s)
	}
	r, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if r.Counts[event.Done] != 1 || w.machines["a"].File("/etc/guests") != nil || b.File(passFile) == nil {
		t.Errorf("counts %v", r.Counts)
	}

	w, _ = withGuests(t)
	w.apply()
	w.bury("b")
	w.spec("")
	a := w.machines["a"]
	w.bury("a")
	w.spec("removed {\n  from = host.b\n}\n" + letGoA)
	w.machines["a"] = a
	w.down["a"] = true
	w.wantSteps("forget guest.b@b")
}

// A machine that is in the spec under another name is not gone.
func TestARenamedHostIsNotLetGo(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.machines["z"] = w.machines["a"]
	w.bury("a")
	w.spec(motd + letGoA)
	_, diags := w.engine().Plan(t.Context(), w.input())
	if len(diags) != 1 || diags[0].Summary != "Another name for one machine" || !strings.Contains(diags[0].Detail, "kplan state rm host.a") {
		t.Errorf("diagnostics %v", diags)
	}
}

// Where a host that left the spec cannot be reached, the plan says what to write.
func TestTheWayOutIsNamed(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	w.apply()
	w.bury("a")
	w.spec(motd)
	w.down["a"], w.down["b"] = true, true
	p := w.plan()
	for _, h := range p.Plan.Hosts() {
		if says := strings.Contains(h.Reason, "removed { from = host.a }"); says != (h.Name == "a") {
			t.Errorf("host %s: %q", h.Name, h.Reason)
		}
	}
}
