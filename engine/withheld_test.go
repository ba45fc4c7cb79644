package engine_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
)

const acrossHosts = `
resource "file" "base" {
  on      = host.a
  path    = "/etc/base"
  content = "x"
}
resource "file" "user" {
  on         = host.b
  path       = "/etc/user"
  content    = "%s"
  depends_on = [file.base]
}
`

// Deletes go the other way: what a withheld object stands on stays.
func TestADeleteWaitsForADependantThatIsWithheld(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(strings.ReplaceAll(acrossHosts, "%s", "1"))
	w.apply()
	w.spec("")
	w.down["b"] = true
	p := w.plan()
	if s, held := steps(p), p.Plan.Withheld(); len(s) != 0 || len(held) != 2 {
		t.Errorf("steps %v, withheld %v", s, held)
	}
	w.down["b"] = false
	w.wantSteps("delete file.user@b", "delete file.base@a")
}

// The old record is given up only once the new one stands: between them the
// object would be nobody's.
func TestARenamedResourceOnAnUnreachableHostKeepsItsObject(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.ReplaceAll(motd, `"motd" {`, `"greeting" {`))
	p, in := w.planWith(func(*engine.PlanInput) {})
	w.down["a"] = true
	r, _ := w.run(w.derive(in, p.Plan))
	if r.Counts[event.Withheld] != 1 || r.Counts[event.Done] != 0 {
		t.Errorf("counts: %v", r.Counts)
	}
	w.down["a"] = false
	w.wantSteps("forget file.motd@a")
	w.apply()
	w.spec("")
	w.wantSteps("delete file.greeting@a")
}

// A stale host takes with it what needs it on other hosts, also where there is
// no step for what it was needed for.
func TestSkippingAStaleHostWithholdsWhatNeedsIt(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(strings.ReplaceAll(acrossHosts, "%s", "1"))
	w.apply()
	w.spec(strings.ReplaceAll(acrossHosts, "%s", "2"))
	p := w.plan()
	w.machines["a"].Put("/etc/base", "by hand")
	r, diags := w.runWith(p, engine.ApplyOptions{SkipStale: true})
	w.noErrors(diags)
	if r.Counts[event.Withheld] != 1 || r.Counts[event.Done] != 0 || !strings.Contains(diags.Error(), "file.base@a") {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
	if got := w.machines["b"].Content("/etc/user"); got != "1" {
		t.Errorf("/etc/user is %q", got)
	}
}

func TestAHostWhoseFactsChangedIsSkipped(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(`
resource "file" "name" {
  on      = hosts
  path    = "/etc/name"
  content = each.host.facts.hostname
}
`)
	p := w.plan()
	w.machines["a"].Put("/proc/sys/kernel/hostname", "other\n")
	r, diags := w.runWith(p, engine.ApplyOptions{SkipStale: true})
	w.noErrors(diags)
	if r.Counts[event.Done] != 1 || r.Counts[event.Withheld] != 1 || !strings.Contains(diags.Error(), "hostname") {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
	if w.machines["a"].File("/etc/name") != nil || w.machines["b"].Content("/etc/name") != "b" {
		t.Error("the wrong host was skipped")
	}
}
