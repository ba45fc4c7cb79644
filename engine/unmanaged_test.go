package engine_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// What a block leaves open is not compared: it may change without a word, and
// what it sets may not.
func TestWhatIsNotManagedIsNoDrift(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.machines["a"].PutAs("/etc/motd", "hello a\n", 0o600, 0, 0)
	drift := func() (differs []string) {
		p := w.plan()
		defer p.Close()
		for _, d := range p.Plan.Drift() {
			differs = append(differs, d.Differs...)
		}
		return differs
	}
	if d := drift(); len(d) != 0 {
		t.Errorf("drift: %v", d)
	}
	w.wantSteps()
	w.machines["a"].PutAs("/etc/motd", "by hand\n", 0o600, 0, 0)
	if d := drift(); len(d) != 1 || d[0] != "content" {
		t.Errorf("drift: %v", d)
	}
	w.machines["a"].RemoveAll("/etc/motd")
	p := w.plan()
	defer p.Close()
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Actual.Exists() {
		t.Errorf("drift: %v", d)
	}
}

// It may change between plan and apply as well, where the plan does nothing
// about the object. What the spec sets may not.
func TestWhatIsNotManagedMakesNoPlanStale(t *testing.T) {
	const other = `
resource "file" "issue" {
  on      = hosts
  path    = "/etc/issue"
  content = "here\n"
}
`
	for _, tt := range []struct {
		content string
		stale   bool
	}{{"hello a\n", false}, {"by hand\n", true}} {
		w := newWorld(t, "a")
		w.spec(motd)
		w.apply()
		w.spec(motd + other)
		p := w.plan()
		w.machines["a"].PutAs("/etc/motd", tt.content, 0o600, 0, 0)
		_, diags := w.run(p)
		p.Close()
		if tt.stale != (diags.HasErrors() && diags[0].Extra == engine.CodeStale) || !tt.stale && diags.HasErrors() {
			t.Errorf("%q: %v", tt.content, diags)
		}
		if made := w.machines["a"].Content("/etc/issue") == "here\n"; made == tt.stale {
			t.Errorf("%q: the other file is made: %v", tt.content, made)
		}
	}
}

// Nor where the plan only acts again on what is right: a service that is to
// restart, and that somebody has enabled or stopped meanwhile.
func TestWhatIsNotManagedMakesNoRefreshStale(t *testing.T) {
	for _, tt := range []struct {
		unit  hosttest.Unit
		stale bool
	}{{hosttest.Unit{Running: true, Enabled: true}, false}, {hosttest.Unit{}, true}} {
		w := withDaemon(t)
		w.spec(strings.ReplaceAll(daemon, "%s", "red"))
		w.apply()
		w.spec(strings.ReplaceAll(daemon, "%s", "blue"))
		p := w.plan()
		w.machines["a"].AddUnit("daemon.service", tt.unit)
		r, diags := w.run(p)
		p.Close()
		if tt.stale != (diags.HasErrors() && diags[0].Extra == engine.CodeStale) || !tt.stale && diags.HasErrors() {
			t.Errorf("%+v: %v", tt.unit, diags)
		}
		if restarted := w.starts() == 1; restarted == tt.stale {
			t.Errorf("%+v: it was restarted: %v, %v", tt.unit, restarted, r.Counts)
		}
	}
}

// What a type computes is compared: it tells of what somebody did.
func TestWhatIsComputedIsDrift(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Archive("daemon", "1.0", "2.0")
	w.spec("resource \"package\" \"daemon\" {\n  on   = hosts\n  name = \"daemon\"\n}\n")
	w.machines["a"].Install("daemon", "1.0")
	w.apply()
	w.machines["a"].Install("daemon", "2.0")
	p := w.plan()
	defer p.Close()
	if d := p.Plan.Drift(); len(d) != 1 || len(d[0].Differs) != 1 || d[0].Differs[0] != "installed_version" {
		t.Errorf("drift: %+v", d)
	}
}
