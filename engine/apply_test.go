package engine_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

const daemon = `
resource "file" "conf" {
  on      = hosts
  path    = "/etc/daemon.conf"
  content = "colour = %s\n"
}
resource "service" "daemon" {
  on        = hosts
  name      = "daemon"
  running   = true
  on_change = [file.conf]
}
`

func withDaemon(t *testing.T) *world {
	w := newWorld(t, "a")
	w.machines["a"].AddUnit("daemon.service", hosttest.Unit{})
	return w
}

func (w *world) starts() int {
	u, _ := w.machines["a"].Unit("daemon.service")
	return u.Starts
}

func TestAChangeRefreshesWhatWatchesIt(t *testing.T) {
	w := withDaemon(t)
	w.spec(strings.ReplaceAll(daemon, "%s", "red"))
	w.apply()
	before := w.starts()
	w.wantSteps()
	w.spec(strings.ReplaceAll(daemon, "%s", "blue"))
	p := w.plan()
	s := p.Plan.Steps()
	if len(s) != 2 || s[1].Condition == "" || len(s[1].Causes) != 1 {
		t.Fatalf("steps: %+v", s)
	}
	if sum := p.Plan.Summary(); sum.Change != 1 || sum.Conditional != 1 {
		t.Errorf("summary: %+v", sum)
	}
	p.Close()
	w.apply()
	if got := w.starts(); got != before+1 {
		t.Errorf("the daemon was started %d times, want %d", got, before+1)
	}
	w.wantSteps()
}

func TestARefreshIsNotNeededWhereItsCauseIsAlready(t *testing.T) {
	w := withDaemon(t)
	w.spec(strings.ReplaceAll(daemon, "%s", "red"))
	w.apply()
	w.spec(strings.ReplaceAll(daemon, "%s", "blue"))
	p := w.plan()
	w.machines["a"].Put("/etc/daemon.conf", "colour = blue\n")
	before := w.starts()
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Already] != 1 || r.Counts[event.NotNeeded] != 1 {
		t.Errorf("counts: %v", r.Counts)
	}
	if got := w.starts(); got != before {
		t.Errorf("the daemon was started %d times, want %d", got, before)
	}
}

// A restart that a failed run owes is shown and paid by the next.
func TestADebtIsPaid(t *testing.T) {
	w := withDaemon(t)
	w.spec(strings.ReplaceAll(daemon, "%s", "red"))
	w.apply()
	w.spec(strings.ReplaceAll(daemon, "%s", "blue"))
	unit, _ := w.machines["a"].Unit("daemon.service")
	unit.Fails = true
	w.machines["a"].AddUnit("daemon.service", unit)
	p := w.plan()
	r, diags := w.run(p)
	if !diags.HasErrors() || r.Counts[event.Done] != 1 || r.Counts[event.Failed] != 1 {
		t.Fatalf("counts %v, diagnostics %v", r.Counts, diags)
	}
	unit.Fails = false
	w.machines["a"].AddUnit("daemon.service", unit)
	p = w.plan()
	c := p.Plan.Changes()
	if s := steps(p); len(s) != 1 || s[0] != "refresh service.daemon@a" {
		t.Fatalf("steps: %v", s)
	}
	if !strings.Contains(c[1].Reason, "restart, owed since run run2") {
		t.Errorf("reason: %q", c[1].Reason)
	}
	p.Close()
	before := w.starts()
	w.apply()
	if got := w.starts(); got != before+1 {
		t.Errorf("the daemon was started %d times, want %d", got, before+1)
	}
	w.wantSteps()
}

func TestAPackageStartsItsOwnService(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0")
	m.Ship("daemon", map[string]string{"/lib/systemd/system/daemon.service": "[Install]\nWantedBy=multi-user.target\n"}, "daemon.service")
	w.spec(`
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "service" "daemon" {
  on         = hosts
  name       = "daemon"
  enabled    = true
  running    = true
  depends_on = [package.daemon]
}
`)
	w.wantSteps("create package.daemon@a", "create service.daemon@a")
	r := w.apply()
	if r.Counts[event.Done] != 1 || r.Counts[event.Already] != 1 {
		t.Errorf("counts: %v", r.Counts)
	}
	w.wantSteps()
}

func TestAPackageShipsAFileThatALaterStepManages(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0")
	m.Ship("daemon", map[string]string{"/etc/daemon.conf": "as shipped\n"})
	w.spec(`
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "file" "conf" {
  on         = hosts
  path       = "/etc/daemon.conf"
  content    = "ours\n"
  depends_on = [package.daemon]
}
`)
	w.wantSteps("create package.daemon@a", "create file.conf@a")
	w.apply()
	var adjusted string
	for _, e := range w.events {
		if s, ok := e.Data.(event.StepEnded); ok && s.Adjusted != "" {
			adjusted = s.Adjusted
		}
	}
	if !strings.Contains(adjusted, "updated instead of created") || !strings.Contains(adjusted, "package.daemon@a") {
		t.Errorf("adjusted: %q", adjusted)
	}
	if got := m.Content("/etc/daemon.conf"); got != "ours\n" {
		t.Errorf("daemon.conf: %q", got)
	}
	w.wantSteps()
}

func TestAnUnreachableHostIsWithheld(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.down["b"] = true
	w.spec(motd)
	w.wantSteps("create file.motd@a")
	p := w.plan()
	if held := p.Plan.Withheld(); len(held) != 1 || held[0].Addr.String() != "file.motd@b" {
		t.Errorf("withheld: %v", held)
	}
	p.Close()
	w.apply()
	w.down["b"] = false
	w.wantSteps("create file.motd@b")
}

func TestAFailedStepSkipsWhatNeedsIt(t *testing.T) {
	w := newWorld(t, "a", "b")
	for name, m := range w.machines {
		m.Script("make-it", func(*hosttest.Call) host.Output {
			if name == "a" {
				return host.Output{Code: 1, Stderr: []byte("it broke\n")}
			}
			return host.Output{}
		})
	}
	w.spec(`
resource "exec" "x" {
  on      = hosts
  command = "make-it"
}
resource "file" "y" {
  on         = hosts
  path       = "/etc/y"
  content    = "y\n"
  depends_on = [exec.x]
}
`)
	p := w.plan()
	defer p.Close()
	r, diags := w.run(p)
	if len(diags) != 1 || diags[0].Extra != engine.CodeIncomplete || !strings.Contains(diags[0].Detail, "it broke") || diags[0].Subject == nil {
		t.Errorf("diagnostics: %v", diags)
	}
	if r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 1 || r.Counts[event.Done] != 2 {
		t.Errorf("counts: %v", r.Counts)
	}
	w.wantSteps("create exec.x@a", "create file.y@a")
}

func TestExec(t *testing.T) {
	w := newWorld(t, "a")
	ran := 0
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { ran++; return host.Output{} })
	const spec = `
resource "exec" "once" {
  on      = hosts
  command = "make-it"
  triggers = { v = "%s" }
}
`
	w.spec(strings.ReplaceAll(spec, "%s", "1"))
	w.wantSteps("create exec.once@a")
	w.apply()
	w.wantSteps()
	w.spec(strings.ReplaceAll(spec, "%s", "2"))
	w.wantSteps("update exec.once@a")
	w.apply()
	w.wantSteps()
	if ran != 2 {
		t.Errorf("it ran %d times, want 2", ran)
	}
	w.spec("")
	w.wantSteps("forget exec.once@a")
}

func TestConditionsAndChecks(t *testing.T) {
	w := newWorld(t, "a")
	const spec = `
resource "file" "x" {
  on      = hosts
  path    = "/etc/x"
  content = "x\n"
  lifecycle {
    precondition {
      condition     = each.host.address == "%s"
      error_message = "another address"
    }
  }
}
check "c" {
  assert {
    condition     = file.x.content == "y\n"
    error_message = "it is not y"
  }
}
`
	w.spec(strings.ReplaceAll(spec, "%s", "10.9.9.9"))
	if _, diags := w.engine().Plan(t.Context(), w.input()); !diags.HasErrors() || !strings.Contains(diags.Error(), "another address") {
		t.Errorf("diagnostics: %v", diags)
	}
	w.spec(strings.ReplaceAll(spec, "%s", "10.0.0.1"))
	p := w.plan()
	defer p.Close()
	_, diags := w.run(p)
	if diags.HasErrors() || !strings.Contains(diags.Error(), "it is not y") {
		t.Errorf("diagnostics: %v", diags)
	}
}

func TestExecForEachHasANameForEach(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
	w.spec(`
resource "exec" "each" {
  for_each = toset(["x", "y"])
  on       = hosts
  command  = "make-it"
}
`)
	w.wantSteps(`create exec.each["x"]@a`, `create exec.each["y"]@a`)
	w.apply()
	w.wantSteps()
}

// A connection that is lost in a step is made again, behind the same fence.
func TestALostConnectionIsMadeAgain(t *testing.T) {
	for n := 1; n <= 3; n++ {
		w := newWorld(t, "a")
		ran := 0
		w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { ran++; return host.Output{} })
		w.spec(`
resource "exec" "one" {
  on      = hosts
  command = "make-it"
}
resource "file" "two" {
  on         = hosts
  path       = "/etc/two"
  content    = "two\n"
  depends_on = [exec.one]
}
`)
		p := w.plan()
		w.machines["a"].Arrange(hosttest.Fault{Op: n, Acts: true, Done: n%2 == 0})
		_, diags := w.run(p)
		w.noErrors(diags)
		if ran != 1 {
			t.Errorf("fault %d: it ran %d times", n, ran)
		}
		w.wantSteps()
		p.Close()
	}
}

func TestTargetsLeaveTheRestAlone(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.machines["b"].Script("make-it", func(*hosttest.Call) host.Output { t.Error("it ran"); return host.Output{} })
	w.spec(motd + `
resource "exec" "other" {
  on      = hosts
  command = "make-it"
}
`)
	in := w.input()
	target, err := addr.ParseTarget("file.motd@a")
	if err != nil {
		t.Fatal(err)
	}
	in.Targets = []addr.Target{target}
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	if got := steps(p); len(got) != 1 || got[0] != "create file.motd@a" {
		t.Fatalf("steps: %v", got)
	}
	_, diags = w.run(p)
	w.noErrors(diags)
	w.wantSteps("create file.motd@b", "create exec.other@a", "create exec.other@b")
}

func TestRefreshOnlyRecordsWhatIsThere(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	w.apply()
	w.machines["a"].Put("/etc/motd", "by hand\n")
	w.machines["b"].RemoveAll("/etc/motd")
	in := w.input()
	in.Mode = plans.RefreshOnly
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	_, diags = w.run(p)
	w.noErrors(diags)
	again := w.plan()
	defer again.Close()
	if d := again.Plan.Drift(); len(d) != 0 {
		t.Errorf("drift after refresh-only: %v", d)
	}
	w.wantSteps("update file.motd@a", "create file.motd@b")
}

func TestAnIdentityThatChangesReplaces(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.ReplaceAll(motd, "/etc/motd", "/etc/issue"))
	w.wantSteps("replace file.motd@a")
	w.apply()
	if w.machines["a"].File("/etc/motd") != nil || w.machines["a"].Content("/etc/issue") != "hello a\n" {
		t.Error("the file was not moved")
	}
	w.wantSteps()
}

func TestARenamedResourceKeepsItsObject(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.ReplaceAll(motd, `"motd" {`, `"greeting" {`))
	w.wantSteps("forget file.motd@a")
	w.apply()
	if w.machines["a"].Content("/etc/motd") != "hello a\n" {
		t.Error("the file is gone")
	}
	w.wantSteps()
	w.spec("")
	w.wantSteps("delete file.greeting@a") // kplan created it, under whatever name
}

func TestDestroy(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(`
resource "directory" "d" {
  on   = hosts
  path = "/etc/d"
}
resource "file" "f" {
  on         = hosts
  path       = "/etc/d/f"
  content    = "f\n"
  depends_on = [directory.d]
}
`)
	w.apply()
	in := w.input()
	in.Mode = plans.Destroy
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	if got := steps(p); len(got) != 2 || got[0] != "delete file.f@a" || got[1] != "delete directory.d@a" {
		t.Fatalf("steps: %v", got)
	}
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Done] != 2 || w.machines["a"].File("/etc/d") != nil {
		t.Errorf("counts: %v", r.Counts)
	}
}
