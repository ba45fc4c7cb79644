package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
)

// withBareHost is a world in which host a is recorded and nothing on it, and its
// machine is gone.
func withBareHost(t *testing.T) *world {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	w.apply()
	w.spec(strings.Replace(motd, "hosts", "host.b", 1))
	w.apply()
	w.bury("a")
	return w
}

// A host of which nothing is recorded but that it was there goes from the state,
// too.
func TestABareHostIsLetGo(t *testing.T) {
	w := withBareHost(t)
	w.spec(motd + letGoA)
	w.wantSteps()
	w.apply()
	w.wantGone()
}

// What becomes of a bare host stands in the plan, and no apply that is not about
// it touches it.
func TestABareHostIsInThePlan(t *testing.T) {
	target := func(s string) []addr.Target {
		t.Helper()
		a, err := addr.ParseTarget(s)
		if err != nil {
			t.Fatal(err)
		}
		return []addr.Target{a}
	}
	for what, c := range map[string]struct {
		ask           func(*engine.PlanInput)
		shown, leaves bool
	}{
		"all":           {func(*engine.PlanInput) {}, true, true},
		"target":        {func(in *engine.PlanInput) { in.Targets = target("host.a") }, true, true},
		"other target":  {func(in *engine.PlanInput) { in.Targets = target("host.b") }, false, false},
		"resource":      {func(in *engine.PlanInput) { in.Targets = target("file.motd") }, false, false},
		"exclude":       {func(in *engine.PlanInput) { in.Excludes = target("host.a") }, false, false},
		"other exclude": {func(in *engine.PlanInput) { in.Excludes = target("host.b") }, true, true},
		"refresh only":  {func(in *engine.PlanInput) { in.Mode = plans.RefreshOnly }, true, false},
		"destroy":       {func(in *engine.PlanInput) { in.Mode = plans.Destroy }, true, true},
	} {
		t.Run(what, func(t *testing.T) {
			w := withBareHost(t)
			w.spec(strings.ReplaceAll(motd, "hello", "other") + letGoA)
			w.machines["b"].Put("/etc/motd", "by hand\n") // there is something to do or to record
			p, in := w.planWith(c.ask)
			_, shown := p.Plan.Host("a")
			warned := slices.Contains(p.Plan.Warnings(), "host a is let go: no object of it is recorded, and apply takes it out of the state")
			if shown != c.shown || warned != c.leaves {
				t.Errorf("in the plan: %v, warnings %q", shown, p.Plan.Warnings())
			}
			if in.Mode != plans.RefreshOnly {
				p = w.derive(in, p.Plan)
			}
			_, diags := w.run(p)
			w.noErrors(diags)
			if _, known := w.input().State.Hosts["a"]; known == c.leaves {
				t.Errorf("it is recorded afterwards: %v", known)
			}
		})
	}
}

// A run that is about something else leaves what is recorded of a host that is let
// go, and the host.
func TestARefreshLeavesWhatIsLetGo(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	w.apply()
	w.bury("a")
	w.spec(motd + letGoA)
	w.machines["b"].Put("/etc/motd", "by hand\n")
	b, err := addr.ParseTarget("host.b")
	if err != nil {
		t.Fatal(err)
	}
	for what, ask := range map[string]func(*engine.PlanInput){
		"refresh only": func(in *engine.PlanInput) { in.Mode = plans.RefreshOnly },
		"target":       func(in *engine.PlanInput) { in.Targets = []addr.Target{b} },
	} {
		p, _ := w.planWith(ask)
		_, diags := w.run(p)
		w.noErrors(diags)
		s := w.input().State
		if _, known := s.Hosts["a"]; !known || len(s.Objects) != 2 {
			t.Errorf("%s: hosts %v, objects %v", what, slices.Collect(maps.Keys(s.Hosts)), slices.Collect(maps.Keys(s.Objects)))
		}
	}
}
