package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// parts is a daemon that reads several files, and what is looked at once it
// runs.
const parts = `
resource "file" "conf" {
  on       = hosts
  for_each = toset([%s])
  path     = "/etc/daemon.${each.key}"
  content  = "%s"
}
resource "service" "daemon" {
  on        = hosts
  name      = "daemon"
  running   = true
  on_change = [file.conf]
}
resource "file" "seen" {
  on         = hosts
  path       = "/etc/seen"
  content    = "x"
  depends_on = [service.daemon, file.conf]
}
`

// A file that a daemon reads and that goes is a change to the daemon.
func TestARemovalRefreshesWhatWatchesIt(t *testing.T) {
	w := withDaemon(t)
	w.spec(fmt.Sprintf(parts, `"one", "two"`, "red"))
	w.apply()
	before := w.starts()

	w.spec(fmt.Sprintf(parts, `"one"`, "red"))
	p, in := w.planWith(func(*engine.PlanInput) {})
	if got := steps(p); !slices.Equal(got, []string{`delete file.conf["two"]@a`, "refresh service.daemon@a"}) {
		t.Fatalf("steps: %v", got)
	}
	s := p.Plan.Steps()[1]
	if c, _ := p.Plan.Change(s.Addr); c.Reason != `restart, because of file.conf["two"]` || s.Condition != `only if file.conf["two"] changes` {
		t.Errorf("reason %q, condition %q", c.Reason, s.Condition)
	}
	if !slices.Equal(s.Causes, s.After) || len(s.Causes) != 1 {
		t.Errorf("step: %+v", s)
	}
	r, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	if got := w.starts(); got != before+1 || r.Counts[event.Done] != 2 {
		t.Errorf("the daemon was started %d times, want %d; counts %v", got, before+1, r.Counts)
	}
	w.wantSteps()
}

// A removal beside another change, and one that a change of the daemon itself
// comes with, restart it once.
func TestARemovalBesideOtherChanges(t *testing.T) {
	w := withDaemon(t)
	w.spec(fmt.Sprintf(parts, `"one", "two"`, "red"))
	w.apply()
	before := w.starts()
	w.spec(fmt.Sprintf(parts, `"one"`, "blue"))
	p := w.plan()
	c, _ := p.Plan.Change(p.Plan.Steps()[2].Addr)
	if got := steps(p); len(got) != 3 || got[2] != "refresh service.daemon@a" || c.Reason != `restart, because of file.conf["one"], file.conf["two"]` {
		t.Fatalf("steps %v, reason %q", got, c.Reason)
	}
	p.Close()
	w.apply()
	if got := w.starts(); got != before+1 {
		t.Errorf("the daemon was started %d times, want %d", got, before+1)
	}

	w.spec(strings.ReplaceAll(fmt.Sprintf(parts, ``, "blue"), "running   = true", "running   = true\n  enabled   = true"))
	p = w.plan()
	if got := steps(p); !slices.Equal(got, []string{`delete file.conf["one"]@a`, "update service.daemon@a"}) {
		t.Fatalf("steps: %v", got)
	}
	p.Close()
	w.apply()
	if got := w.starts(); got != before+2 {
		t.Errorf("the daemon was started %d times, want %d", got, before+2)
	}
	w.wantSteps()
}

// What is removed while nobody can restart the daemon, or by a run that is cut
// off, is owed.
func TestARemovalIsOwed(t *testing.T) {
	const spec = `
resource "file" "conf" {
  on       = host.a
  for_each = toset([%s])
  path     = "/etc/daemon.${each.key}"
}
resource "service" "daemon" {
  on        = host.b
  name      = "daemon"
  running   = true
  on_change = [all.file.conf]
}
`
	for name, choose := range map[string]func(*world, *engine.PlanInput){
		"outside the targets":    func(w *world, in *engine.PlanInput) { in.Targets = targets(w.t, "file.conf") },
		"on an unreachable host": func(w *world, _ *engine.PlanInput) { w.down["b"] = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			w.machines["b"].AddUnit("daemon.service", hosttest.Unit{})
			w.spec(fmt.Sprintf(spec, `"one", "two"`))
			w.apply()
			w.spec(fmt.Sprintf(spec, `"one"`))
			p, _ := w.planWith(func(in *engine.PlanInput) { choose(w, in) })
			if got := steps(p); !slices.Equal(got, []string{`delete file.conf["two"]@a`}) {
				t.Fatalf("steps: %v", got)
			}
			_, diags := w.run(p)
			w.noErrors(diags)
			w.down["b"] = false
			w.wantSteps("refresh service.daemon@b")
			w.apply()
			w.wantSteps()
		})
	}
}

// What is removed from one of many hosts is a change there, and there alone.
func TestARemovalFromOneHost(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	const spec = `
resource "file" "conf" {
  on   = [for h in hosts : h if contains([%s], h.name)]
  path = "/etc/daemon.conf"
}
resource "service" "daemon" {
  on        = hosts
  name      = "daemon"
  running   = true
  on_change = [file.conf]
}
`
	for _, m := range w.machines {
		m.AddUnit("daemon.service", hosttest.Unit{})
	}
	w.spec(fmt.Sprintf(spec, `"a", "b"`))
	w.apply()
	w.spec(fmt.Sprintf(spec, `"a"`))
	w.wantSteps("delete file.conf@b", "refresh service.daemon@b")
	w.apply()
	w.wantSteps()
	w.spec(fmt.Sprintf(spec, ``))
	w.wantSteps("delete file.conf@a", "refresh service.daemon@a")
}

// A run that was cut off in a removal may have removed it.
func TestARemovalThatWasCutOff(t *testing.T) {
	w := withDaemon(t)
	w.spec(fmt.Sprintf(parts, `"one", "two"`, "red"))
	w.apply()
	before := w.starts()
	w.spec(fmt.Sprintf(parts, `"one"`, "red"))
	p := w.plan()
	w.machines["a"].Arrange(hosttest.Fault{Op: 1, Acts: true, Done: true})
	w.down["a"] = true
	if r, _ := w.run(p); r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 1 || w.machines["a"].File("/etc/daemon.two") != nil {
		t.Fatalf("counts: %v", r.Counts)
	}
	w.down["a"] = false
	w.wantSteps("refresh service.daemon@a", `forget file.conf["two"]@a`)
	w.apply()
	if got := w.starts(); got != before+1 {
		t.Errorf("the daemon was started %d times, want %d", got, before+1)
	}
	w.wantSteps()
}
