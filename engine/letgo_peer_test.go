package engine_test

import (
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

const letGoB = "removed {\n  from = host.b\n}\n"

// withheldFor wants a plan without steps that withholds guest.b@b, and returns why.
func (w *world) withheldFor(ask func(*engine.PlanInput)) string {
	w.t.Helper()
	p, in := w.planWith(ask)
	held := p.Plan.Withheld()
	if len(p.Plan.Steps()) != 0 || len(held) != 1 || held[0].Addr.String() != "guest.b@b" {
		w.t.Fatalf("steps %q, withheld %v", steps(p), held)
	}
	w.derive(in, p.Plan)
	return held[0].Reason
}

// Who acts on one machine and stays there when that is let go is told so, and how
// to have it forgotten.
func TestTheOnlyPeerIsLetGo(t *testing.T) {
	asked := func(*engine.PlanInput) {}
	w, _ := withGuests(t)
	w.apply()
	w.bury("a")
	w.spec(letGoA)
	want := "it acts on host a too, which is let go: to have it only forgotten, write a removed block with from = guest.b and destroy = false in its lifecycle"
	if got := w.withheldFor(asked); got != want {
		t.Errorf("withheld, as %s", got)
	}
	w.spec(letGoA + "removed {\n  from = guest.b\n  lifecycle { destroy = false }\n}\n")
	w.wantSteps("forget guest.b@b")
	w.apply()
	w.wantGone()
}

// What is destroyed is in the spec still: no removed block may name it.
func TestTheOnlyPeerOfWhatIsDestroyedIsLetGo(t *testing.T) {
	w, _ := withGuests(t)
	w.apply()
	w.bury("a")
	w.spec(guestOf("a") + letGoA)
	want := "it acts on host a too, which is let go: to have it only forgotten, set destroy = false in its lifecycle"
	if got := w.withheldFor(func(in *engine.PlanInput) { in.Mode = plans.Destroy }); got != want {
		t.Errorf("withheld, as %s", got)
	}
}

// The spec asks for what has to be made with a machine that is let go.
func TestTheOnlyPeerOfWhatIsMadeIsLetGo(t *testing.T) {
	w, _ := withGuests(t)
	w.bury("a")
	w.spec(guestOf("a") + letGoA)
	want := "it acts on host a too, which is let go: name one that is there"
	if got := w.withheldFor(func(*engine.PlanInput) {}); got != want {
		t.Errorf("withheld, as %s", got)
	}
}

// Where the block of the only peer was taken out before that of the host that is
// let go came, nothing is known of the peer: both blocks together say what is so.
func TestTheOnlyPeerWasLetGoBefore(t *testing.T) {
	w, _ := withGuests(t)
	w.apply()
	b := w.machines["b"]
	w.bury("a")
	w.spec(letGoA)
	w.apply() // what is on b is withheld
	w.bury("b")
	w.machines["c"] = hosttest.New()
	other := "resource \"guest\" \"b\" {\n  on = host.c\n  of = \"c\"\n}\n"
	for rest, forget := range map[string]string{
		"":    "write a removed block with from = guest.b and destroy = false in its lifecycle",
		other: "use kplan state rm 'guest.b@b'",
	} {
		w.spec(rest + letGoB)
		p, _ := w.planWith(func(*engine.PlanInput) {})
		want := "it acts on host a too, which is neither in the spec nor recorded: if it is gone for good, let all of them go in one plan, by a removed block each of host.a, host.b; to have it only forgotten, " + forget
		if held := p.Plan.Withheld(); len(held) != 1 || held[0].Reason != want {
			t.Errorf("withheld %v, want %s", held, want)
		}
	}
	delete(w.machines, "c")
	w.spec(letGoB + "removed {\n  from = guest.b\n  lifecycle { destroy = false }\n}\n")
	w.wantSteps("forget guest.b@b")
	w.spec(letGoA + letGoB)
	p, in := w.planWith(func(*engine.PlanInput) {})
	s := p.Plan.Steps()
	if len(s) != 1 || s[0].Action != plans.Forget {
		t.Fatalf("steps %+v", s)
	}
	if c, _ := p.Plan.Change(s[0].Addr); c.Reason != "its machine is let go, and nobody is left to whom it was something" {
		t.Errorf("reason %q", c.Reason)
	}
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if len(w.input().State.Hosts) != 0 || b.File(passFile) == nil {
		t.Errorf("recorded: %v", w.input().State.Hosts)
	}
}

// A peer that is known is preferred to one that is not, though it is down.
func TestAPeerThatIsKnownIsWaitedFor(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[guest]("guest"))...)
	counted(w, 0)
	w.spec(guestOf("a or c"))
	w.apply()
	w.down["c"] = true
	w.bury("a")
	w.spec("")
	reason := w.withheldFor(func(in *engine.PlanInput) { delete(in.State.Hosts, "a") })
	if reason != "it acts on host c too, which is unreachable" {
		t.Errorf("withheld, as %s", reason)
	}
}

// The spec asks for what has to be made with a machine that nobody names.
func TestThePeerOfWhatIsMadeIsNotInTheSpec(t *testing.T) {
	w, _ := withGuests(t)
	w.spec(guestOf("z"))
	if got, want := w.withheldFor(func(*engine.PlanInput) {}), "it acts on host z too, which is not in the spec: name one that is there"; got != want {
		t.Errorf("withheld, as %s", got)
	}
}
