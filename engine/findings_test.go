package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// picky is a type with the findings that its machine's file needsFile lists:
// lines of NAME|error or warning|MSG|UNIQUE|RESOLVED|LEAVES.
type picky struct {
	Name string  `cty:"name" kplan:"id"`
	Tag  *string `cty:"tag"`
}

const (
	needsFile = "/etc/needs"
	madeFile  = "/etc/made"
)

func (p picky) Read(ctx context.Context, h host.Host) (*picky, error) {
	f, err := host.Read(ctx, h, madeFile)
	if err != nil || f[0] == nil {
		return nil, err
	}
	return &p, nil
}

func (p picky) Apply(ctx context.Context, h host.Host, _ *picky) error {
	_, err := h.Do(ctx, host.WriteFile{Path: madeFile, Mode: 0o644})
	return err
}

func (p picky) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: madeFile})
	return err
}

func (p picky) Inspect(ctx context.Context, h host.Host, s resource.Situation) (list []resource.Finding, err error) {
	f, err := host.Read(ctx, h, needsFile)
	if err != nil || f[0] == nil {
		return nil, err
	}
	for line := range strings.Lines(string(f[0].Content)) {
		w := append(strings.Split(strings.TrimSpace(line), "|"), "")
		list = append(list, resource.Finding{
			Name: w[0], Error: w[1] == "error", Msg: strings.ReplaceAll(w[2], "ADDRESS", s.Address), Advice: "Mend it.", Unique: w[3], Resolved: w[4], Leaves: resource.Match{Attr: "tag", Value: w[5]},
		})
	}
	return list, nil
}

const aPicky = `
resource "picky" "it" {
  on   = hosts
  name = "it"
}
`

// pickyWorld has machines that need what is listed by their name.
func pickyWorld(t *testing.T, needs map[string]string) *world {
	t.Helper()
	var names []string
	for name := range needs {
		names = append(names, name)
	}
	w := newWorld(t, names...)
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[picky]("picky"))...)
	w.needs(needs)
	w.spec(aPicky)
	return w
}

func (w *world) needs(needs map[string]string) {
	for name, text := range needs {
		w.machines[name].Put(needsFile, text)
	}
}

// TestFindings: what is found is said once for all hosts that it is the same
// on, and only where it stands against the plan.
func TestFindings(t *testing.T) {
	const swap = `
resource "swap" "off" {
  on      = hosts
  enabled = false
}
`
	after := strings.Replace(aPicky, "name =", "depends_on = [swap.off]\n  name =", 1)
	between := strings.Replace(aPicky, "name =", "depends_on = [file.motd]\n  name =", 1) +
		strings.Replace(motd, "path ", "depends_on = [swap.off]\n  path ", 1)
	other := strings.Replace(aPicky, `"it"`, `"other"`, 1)
	swapOn := func(w *world) {
		for _, m := range w.machines {
			m.Put("/etc/fstab", "/swap none swap sw 0 0\n")
		}
	}
	for name, c := range map[string]struct {
		needs    map[string]string
		spec     string
		prepare  func(*world)
		warnings []string
		errors   []string
	}{
		"none": {needs: map[string]string{"a": "", "b": ""}},
		"the same": {
			needs:    map[string]string{"a": "x|warning|it is so|||", "b": "x|warning|it is so|||", "c": "", "d": "x|warning|it is so|||"},
			warnings: []string{"On hosts a, b and d, it is so. Mend it."},
		},
		"other numbers": {
			needs:    map[string]string{"a": "x|warning|it is 1|||", "b": "x|warning|it is 2|||", "c": "x|warning|it is 1|||"},
			warnings: []string{"On hosts a and c, it is 1. On host b, it is 2. Mend it."},
		},
		"their own address": {
			needs:    map[string]string{"a": "x|warning|at ADDRESS||"},
			warnings: []string{"On host a, at 10.0.0.1. Mend it."},
		},
		"of two resources": {
			needs: map[string]string{"a": "x|warning|it is so|||"}, spec: aPicky + strings.Replace(other, `"it"`, `"two"`, 1),
			warnings: []string{"On host a, it is so. Mend it."},
		},
		"an error": {
			needs:  map[string]string{"a": "x|error|it is so||", "b": "x|error|it is so||\ny|error|that too||", "c": "x|warning|nearly||"},
			errors: []string{"On hosts a and b, it is so. Mend it.", "On host b, that too. Mend it."},
		},
		"an error beside a warning of its name": {
			needs:  map[string]string{"a": "x|warning|nearly||\nx|error|it is so||"},
			errors: []string{"On host a, it is so. Mend it."},
		},
		"unique": {needs: map[string]string{"a": "x|warning|the same: 1|1|", "b": "x|warning|the same: 2|2|", "c": "y|warning|the same: 1|1|"}},
		"shared": {
			needs:    map[string]string{"a": "x|warning|the same: 1|1|", "b": "x|warning|the same: 2|2|", "c": "x|warning|the same: 1|1|"},
			warnings: []string{"On hosts a and c, the same: 1. Mend it."},
		},
		"shared with one that only is compared": {
			needs:    map[string]string{"a": "x|warning||1|", "b": "x|warning|the same: 1|1|"},
			warnings: []string{"On hosts a and b, the same: 1. Mend it."},
		},
		"all only compared":           {needs: map[string]string{"a": "x|warning||1|", "b": "x|warning||1|"}},
		"shared by two of one host":   {needs: map[string]string{"a": "x|warning|the same: 1|1|"}, spec: aPicky + strings.Replace(other, `"it"`, `"two"`, 1)},
		"resolved by a step":          {needs: map[string]string{"a": "x|error|it is so||swap"}, spec: swap + after, prepare: swapOn},
		"resolved by a step far away": {needs: map[string]string{"a": "x|error|it is so||swap"}, spec: swap + between, prepare: swapOn},
		"not before it": {
			needs: map[string]string{"a": "x|error|it is so||swap"}, spec: swap + aPicky, prepare: swapOn, errors: []string{"On host a, it is so. Mend it."},
		},
		"by what has nothing to do": {
			needs: map[string]string{"a": "x|error|it is so||swap"}, spec: swap + after, errors: []string{"On host a, it is so. Mend it."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := pickyWorld(t, c.needs)
			if c.spec != "" {
				w.spec(c.spec)
			}
			if c.prepare != nil {
				c.prepare(w)
			}
			p, diags := w.engine().Plan(t.Context(), w.input())
			defer p.Close()
			var errs, warnings []string
			for _, d := range diags {
				errs = append(errs, d.Detail)
				if d.Summary != "Preflight check failed" || d.Subject == nil {
					t.Errorf("%s at %v", d.Error(), d.Subject)
				}
			}
			if p != nil {
				warnings = p.Plan.Warnings()
			}
			if !slices.Equal(errs, c.errors) || c.errors == nil && !slices.Equal(warnings, c.warnings) {
				t.Errorf("errors %q, warnings %q\nwant %q and %q", errs, warnings, c.errors, c.warnings)
			}
			for name, m := range w.machines {
				if n := len(m.Acts()); n != 0 {
					t.Errorf("%d acts on %s", n, name)
				}
			}
		})
	}
}

// Offline nobody is looked at; a look at what changed refuses nothing; what is
// not part of the plan does not stand against it.
func TestFindingsThatDoNotRefuse(t *testing.T) {
	w := pickyWorld(t, map[string]string{"a": "x|error|it is so||", "b": ""})
	in := w.input()
	in.Offline = true
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	if len(p.Plan.Warnings()) != 0 {
		t.Errorf("offline: %q", p.Plan.Warnings())
	}
	in = w.input()
	in.Mode = plans.RefreshOnly
	p, diags = w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	if got := p.Plan.Warnings(); !slices.Equal(got, []string{"On host a, it is so. Mend it."}) {
		t.Errorf("refresh-only: %q", got)
	}
	in = w.input()
	in.Excludes = targets(t, "host.a")
	p, diags = w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	if got := p.Plan.Warnings(); len(got) != 0 {
		t.Errorf("excluded: %q", got)
	}
}

// TestFindingsOfTheFirstReading: a finding that is an error and new is stale;
// one that only has other numbers, or is a warning, is not.
func TestFindingsOfTheFirstReading(t *testing.T) {
	for name, c := range map[string]struct {
		then, now string
		stale     bool
	}{
		"the same":        {"x|warning|it is 1||", "x|warning|it is 1||", false},
		"another number":  {"x|warning|it is 1||", "x|warning|it is 2||", false},
		"a new warning":   {"", "x|warning|it is 1||", false},
		"gone":            {"x|warning|it is 1||", "", false},
		"a new error":     {"", "x|error|it is 1||", true},
		"an error by now": {"x|warning|it is 1||", "x|error|it is 0||", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := pickyWorld(t, map[string]string{"a": "", "b": c.then})
			p := w.plan()
			w.needs(map[string]string{"b": c.now})
			_, diags := w.run(p)
			if !c.stale {
				w.noErrors(diags)
				w.wantSteps()
				return
			}
			if !diags.HasErrors() || diags[0].Extra != engine.CodeStale {
				t.Fatalf("diagnostics: %v", diags)
			}
			for _, part := range []string{"host b", "which was not so when the plan was made (x)", "Mend it.", "Nothing was changed"} {
				if !strings.Contains(diags[0].Detail, part) {
					t.Errorf("%q is not in %q", part, diags[0].Detail)
				}
			}
			for name, m := range w.machines {
				if n := len(m.Acts()); n != 0 {
					t.Errorf("%d acts on %s", n, name)
				}
			}
		})
	}
}

// What is found costs no trip of its own, and a machine that cannot be looked
// at is said to be so.
func TestInspectingTravelsWithTheReading(t *testing.T) {
	w := pickyWorld(t, map[string]string{"a": "x|warning|it is so||"})
	before := w.machines["a"].Calls()
	w.plan()
	if n := w.machines["a"].Calls() - before; n != 2 {
		t.Errorf("%d calls, want the contact and the reading", n)
	}
	w.machines["a"].Arrange(hosttest.Fault{Op: 2, Err: &host.OpError{Op: "read", Path: needsFile, Msg: "Permission denied"}})
	p := w.plan()
	if got := p.Plan.Warnings(); len(got) != 1 || !strings.Contains(got[0], "what picky.it needs could not be looked at: cannot read /etc/needs") {
		t.Errorf("warnings %q", got)
	}
}

// TestClocks: machines whose clock is off are said to be so, whatever is on them.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		ahead map[string]time.Duration
		want  []string
	}{
		"right":      {map[string]time.Duration{"a": 0, "b": 4 * time.Second}, nil},
		"behind":     {map[string]time.Duration{"a": 0, "b": -10 * time.Minute}, []string{"On host b, the clock is about 10 minutes behind the one of kplan's own machine. Set the clocks by NTP"}},
		"all of one": {map[string]time.Duration{"a": 41 * time.Second, "b": 42 * time.Second}, []string{"On hosts a and b, the clock is about 40 seconds ahead of the one of kplan's own machine. "}},
		"a year":     {map[string]time.Duration{"a": 365 * 24 * time.Hour, "b": 3 * time.Hour}, []string{"On host a, the clock is about 365 days ahead of the one of kplan's own machine. On host b, the clock is about 3 hours ahead"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			for host, d := range c.ahead {
				w.machines[host] = hosttest.New(hosttest.Named(host), hosttest.Clock(d), hosttest.Report(t.Errorf))
			}
			w.spec(motd)
			got := w.plan().Plan.Warnings()
			if len(got) != len(c.want) || len(got) > 0 && !strings.HasPrefix(got[0], c.want[0]) {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
			w.apply()
			w.wantSteps()
		})
	}
}

// All hosts are named, however many.
func TestFindingsOfManyHosts(t *testing.T) {
	needs := map[string]string{}
	for i := range 60 {
		needs[fmt.Sprintf("machine-%02d", i)] = "x|warning|it is so||"
	}
	got := pickyWorld(t, needs).plan().Plan.Warnings()
	if len(got) != 1 || !strings.Contains(got[0], "machine-58 and machine-59, it is so. Mend it.") {
		t.Errorf("warnings %q", got)
	}
}

// What cannot be planned is not refused: its host's machine waits for another.
func TestFindingsOfWhatIsWithheld(t *testing.T) {
	w := pickyWorld(t, map[string]string{"a": "x|error|it is so||", "b": ""})
	w.spec(strings.Replace(motd, "= hosts", "= host.b", 1) +
		strings.NewReplacer("= hosts", "= host.a", "name =", "depends_on = [file.motd]\n  name =").Replace(aPicky))
	w.down["b"] = true
	p := w.plan()
	if got := p.Plan.Withheld(); len(got) != 2 || len(p.Plan.Warnings()) != 0 {
		t.Errorf("withheld %v, warnings %q", got, p.Plan.Warnings())
	}
}

// What is only there because of an object that the plan takes away from another host stands against nothing.
func TestFindingsOfWhatLeaves(t *testing.T) {
	w := pickyWorld(t, map[string]string{"a": "", "b": ""})
	tagged := strings.Replace(aPicky, "name =", "tag  = \"tag-${each.host.name}\"\n  name =", 1)
	w.spec(tagged)
	w.apply()
	w.spec(strings.Replace(tagged, "= hosts", "= host.a", 1))
	w.needs(map[string]string{"a": "x|warning|b is there|||b"})
	if got := w.plan().Plan.Warnings(); len(got) != 1 {
		t.Errorf("what leaves is not called as its host: %q", got)
	}
	w.needs(map[string]string{"a": "x|warning|b is there|||tag-b"})
	if got := w.plan().Plan.Warnings(); len(got) != 0 {
		t.Errorf("it leaves: %q", got)
	}
	w.down["b"] = true
	if got := w.plan().Plan.Warnings(); len(got) != 0 {
		t.Errorf("it leaves once its machine is there: %q", got)
	}
	w.down["b"] = false
	w.apply()
	if got := w.plan().Plan.Warnings(); !slices.Equal(got, []string{"On host a, b is there. Mend it."}) {
		t.Errorf("it has left: %q", got)
	}
}

// A look at what changed makes no step that an error could stand against:
// neither its plan nor its apply is refused.
func TestFindingsOfALookAtWhatChanged(t *testing.T) {
	for name, then := range map[string]string{"from the beginning": "x|error|it is so||", "new": ""} {
		t.Run(name, func(t *testing.T) {
			w := pickyWorld(t, map[string]string{"a": ""})
			w.apply()
			w.machines["a"].Put(needsFile, then)
			in := w.input()
			in.Mode = plans.RefreshOnly
			p, diags := w.engine().Plan(t.Context(), in)
			w.noErrors(diags)
			defer p.Close()
			w.machines["a"].Put(needsFile, "x|error|it is so||")
			_, diags = w.run(p)
			w.noErrors(diags)
		})
	}
}

// What a step of a plan has brought with it does not stand against the plan
// where that is resumed, be the step over or cut off, nor against a new plan where
// it was cut off. What is new of a step that is still to come does.
func TestFindingsOfAPlanThatIsResumed(t *testing.T) {
	const so = "x|error|it is so||"
	first, last := "picky.it", strings.NewReplacer(`"it"`, `"last"`, "name =", "depends_on = [exec.brake]\n  name =").Replace(aPicky)
	for name, c := range map[string]struct {
		spec  string
		fault hosttest.Fault
		stale bool
	}{
		"over":    {aPicky + strings.ReplaceAll(rest, "%s", first), hosttest.Fault{}, false},
		"cut off": {aPicky, hosttest.Fault{Op: 1, Acts: true, Done: true}, false},
		"to come": {strings.ReplaceAll(strings.Replace(rest, "depends_on = [%s]", "", 1), "%s", "") + last, hosttest.Fault{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := pickyWorld(t, map[string]string{"a": ""})
			m := w.machines["a"]
			code := 1
			m.Script("brake", func(*hosttest.Call) host.Output { return host.Output{Code: code} })
			w.spec(c.spec)
			p, in := w.planWith(func(*engine.PlanInput) {})
			if c.fault.Op > 0 {
				w.down["a"] = true
				m.Arrange(c.fault)
			}
			if r, diags := w.run(p); r.Counts[event.Failed] != 1 {
				t.Fatalf("the first run: counts %v, %v", r.Counts, diags)
			}
			code, w.down["a"] = 0, false
			m.Put(needsFile, so)
			if name == "cut off" { // so says a plan that is made anew
				if got := w.plan().Plan.Warnings(); len(got) != 2 || got[1] != "On host a, it is so. Mend it." {
					t.Errorf("warnings %q", got)
				}
			}
			_, diags := w.run(w.derive(in, p.Plan))
			if diags.HasErrors() != c.stale || c.stale && diags[0].Extra != engine.CodeStale {
				t.Errorf("resumed: %v", diags)
			}
		})
	}
}
