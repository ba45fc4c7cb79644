package engine_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// A postcondition holds for what is right already as for what a step makes,
// and for an act; what is known is checked while planning.
func TestPostconditions(t *testing.T) {
	const post = `
  lifecycle {
    postcondition {
      condition     = %s
      error_message = "not so"
    }
  }
}
`
	file := strings.TrimSuffix(strings.TrimSpace(motd), "}")
	pkg := "resource \"package\" \"daemon\" {\n  on   = hosts\n  name = \"daemon\""
	act := "resource \"exec\" \"x\" {\n  on      = hosts\n  command = \"make-it\""
	old, good := `self.installed_version != "1.0"`, `self.installed_version == "1.0"`
	for name, tt := range map[string]struct {
		body, condition string
		before          func(*world)
		plan, apply     bool // refused there
	}{
		"wanted":          {file, `self.content != "hello a\n"`, nil, true, false},
		"wanted and so":   {file, `self.content == "hello a\n"`, nil, false, false},
		"made":            {pkg, old, nil, false, true},
		"made and so":     {pkg, good, nil, false, false},
		"stands":          {pkg, old, func(w *world) { w.machines["a"].Install("daemon", "1.0") }, true, false},
		"stands and so":   {pkg, good, func(w *world) { w.machines["a"].Install("daemon", "1.0") }, false, false},
		"an act":          {act, `self.creates != null`, nil, false, true},
		"an act, and so":  {act, `self.creates == null`, nil, false, false},
		"read only later": {act, `all.package.daemon["a"].installed_version != "1.0"`, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.machines["a"].Archive("daemon", "1.0")
			w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
			if tt.before != nil {
				tt.before(w)
			}
			body := tt.body + strings.ReplaceAll(post, "%s", tt.condition)
			if strings.Contains(tt.condition, "all.") {
				body += pkg + "\n}\n"
			}
			w.spec(body)
			p, diags := w.engine().Plan(t.Context(), w.input())
			if diags.HasErrors() != tt.plan || tt.plan && !strings.Contains(diags.Error(), "not so") {
				t.Fatalf("planning: %v", diags)
			}
			if tt.plan {
				return
			}
			defer p.Close()
			r, diags := w.run(p)
			if diags.HasErrors() != tt.apply || (r.Counts[event.Failed] == 1) != tt.apply || tt.apply && !strings.Contains(diags.Error(), "ot so") {
				t.Errorf("applying: %v, %v", r.Counts, diags)
			}
		})
	}
}

// All the conditions that do not hold are named, so that one run tells what to
// mend.
func TestEveryConditionThatDoesNotHoldIsNamed(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Archive("daemon", "1.0")
	w.spec(`
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
  lifecycle {
    postcondition {
      condition     = self.installed_version == "2.0"
      error_message = "it is not the second"
    }
    postcondition {
      condition     = self.installed_version == "3.0"
      error_message = "it is not the third"
    }
  }
}
`)
	_, diags := w.run(w.plan())
	for _, want := range []string{"t is not the second", "t is not the third"} {
		if !strings.Contains(diags.Error(), want) {
			t.Errorf("not told %q: %v", want, diags)
		}
	}
}

// What is known after apply is known also where somebody else was faster.
func TestWhatIsAlreadyThereIsSeenByOthers(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Archive("daemon", "1.0")
	w.spec(`
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "file" "version" {
  on      = hosts
  path    = "/etc/version"
  content = package.daemon.installed_version
}
`)
	p := w.plan()
	w.machines["a"].Install("daemon", "1.0")
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Already] != 1 || r.Counts[event.Done] != 1 || w.machines["a"].Content("/etc/version") != "1.0" {
		t.Errorf("counts %v, /etc/version is %q", r.Counts, w.machines["a"].Content("/etc/version"))
	}
	w.wantSteps()
}

// A host block with another name for the same machine gets advice of its own.
func TestARenamedHost(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	one := w.machines["a"]
	w.machines = map[string]*hosttest.Machine{"b": one}
	w.spec(motd)
	w.machines["a"] = one // it still answers where it was recorded
	_, diags := w.engine().Plan(t.Context(), w.input())
	if !diags.HasErrors() || diags[0].Extra != engine.CodeStale || !strings.Contains(diags[0].Detail, "kplan state rm host.a") || diags[0].Subject == nil {
		t.Errorf("diagnostics: %v", diags)
	}
}

const version = `
resource "package" "daemon" {
  on      = hosts
  name    = "daemon"
  version = "%s"
}
resource "file" "version" {
  on      = hosts
  path    = "/etc/version"
  content = package.daemon.installed_version
}
`

// What is only known after apply is no drift, and neither makes a plan stale
// nor hides a change.
func TestWhatIsKnownAfterApplyIsReadAsRecorded(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0", "2.0")
	w.spec(strings.ReplaceAll(version, "%s", "1.0"))
	w.apply()
	w.wantSteps()

	w.spec(strings.ReplaceAll(version, "%s", "2.0"))
	p := w.plan()
	if d := p.Plan.Drift(); len(d) != 0 {
		t.Errorf("drift: %v", d)
	}
	if s := steps(p); len(s) != 2 {
		t.Errorf("steps: %v", s)
	}
	_, diags := w.run(p)
	w.noErrors(diags)
	w.wantSteps()

	w.spec(strings.ReplaceAll(version, "%s", "1.0"))
	p = w.plan()
	m.Put("/etc/version", "by hand")
	if _, diags = w.run(p); !diags.HasErrors() || diags[0].Extra != engine.CodeStale || !strings.Contains(diags[0].Detail, "file.version@a") {
		t.Errorf("diagnostics: %v", diags)
	}
	p = w.plan()
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Addr.String() != "file.version@a" {
		t.Errorf("drift: %v", d)
	}
	p.Close()
	w.apply()
	w.wantSteps()
}

// An object that stood there before kplan is read alike, whatever becomes known.
func TestWhatBecomesKnownWhilePlanningIsNotStale(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0")
	m.Install("daemon", "1.0")
	m.Put("/etc/version", "old")
	w.spec(strings.ReplaceAll(version, "%s", "1.0"))
	w.wantSteps("update file.version@a")
	p, in := w.planWith(func(*engine.PlanInput) {})
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if got := m.Content("/etc/version"); got != "1.0" {
		t.Errorf("/etc/version is %q", got)
	}
	w.wantSteps()
}
