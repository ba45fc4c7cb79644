package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

const packagesSpec = `
resource "package" "tool" {
  for_each = toset(["axe", "saw", "vice"])
  on       = hosts
  name     = each.key
}
resource "package" "later" {
  on         = hosts
  name       = "later"
  depends_on = [package.tool]
}
`

func packagesWorld(t *testing.T) *world {
	w := newWorld(t, "a")
	for _, name := range []string{"axe", "saw", "vice", "later"} {
		w.machines["a"].Archive(name, "1.0")
	}
	w.spec(packagesSpec)
	return w
}

// runs are the packages of each transaction so far.
func (w *world) transactions() (all []string) {
	for _, a := range w.machines["a"].Acts() {
		run, ok := a.Op.(host.Run)
		if !ok || len(run.Argv) < 8 || run.Argv[3] != "kplan" {
			continue
		}
		var names []string
		for args := range slices.Chunk(run.Argv[4:], 4) {
			names = append(names, args[1])
		}
		all = append(all, strings.Join(names, " "))
	}
	return all
}

func (w *world) outcomes() map[string]event.Outcome {
	of := map[string]event.Outcome{}
	for _, e := range w.events {
		if s, ok := e.Data.(event.StepEnded); ok {
			of[s.Addr.String()] = s.Outcome
		}
	}
	return of
}

func TestPackagesAreInstalledTogether(t *testing.T) {
	w := packagesWorld(t)
	w.apply()
	if got := w.transactions(); !slices.Equal(got, []string{"axe saw vice", "later"}) {
		t.Errorf("transactions: %q", got)
	}
	for addr, outcome := range w.outcomes() {
		if outcome != event.Done {
			t.Errorf("%s: %s", addr, outcome)
		}
	}
	w.wantSteps()
	w.spec(strings.ReplaceAll(packagesSpec, "each.key\n", "each.key\n  hold = true\n"))
	w.apply()
	if got := w.transactions(); !slices.Equal(got[2:], []string{"axe saw vice"}) {
		t.Errorf("transactions: %q", got)
	}
	if p, _ := w.machines["a"].Package("saw"); !p.Held {
		t.Errorf("saw is not held: %+v", p)
	}
	w.wantSteps()
}

// Where one of them cannot be installed, it alone has failed.
func TestOneOfTheTogetherFails(t *testing.T) {
	w := packagesWorld(t)
	w.spec(strings.ReplaceAll(packagesSpec, `"vice"`, `"vise"`))
	p := w.plan()
	defer p.Close()
	_, diags := w.run(p)
	if len(diags) != 1 || !strings.Contains(diags.Error(), `tool["vise"]`) || !strings.Contains(diags[0].Detail, "Unable to locate package vise") || strings.Contains(diags.Error(), "saw") {
		t.Errorf("diagnostics: %v", diags)
	}
	if got := w.outcomes(); got[`package.tool["axe"]@a`] != event.Done || got[`package.tool["vise"]@a`] != event.Failed || got["package.later@a"] != event.Skipped {
		t.Errorf("outcomes: %v", got)
	}
	w.wantSteps(`create package.tool["vise"]@a`, "create package.later@a")
}

// So it is where the machine refuses one of several files, which no command
// ended with; systemd reads those of the others.
func TestOneOfTheFilesIsRefused(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	units := `
resource "systemd_unit" "tool" {
  for_each = toset(["axe", "saw", "vice"])
  on       = hosts
  name     = "${each.key}.timer"
  content  = "[Timer]\nOnCalendar=daily\n"
}
`
	w.spec(units)
	w.apply()
	reloads := 0
	for _, a := range m.Acts() {
		if run, ok := a.Op.(host.Run); ok && strings.Join(run.Argv, " ") == "systemctl daemon-reload" {
			reloads++
		}
	}
	if reloads != 1 {
		t.Errorf("three units, and systemd read its files %d times", reloads)
	}
	if _, err := host.Exec(t.Context(), m.Host(), "systemctl", "start", "axe.timer", "vice.timer"); err != nil {
		t.Fatal(err)
	}
	m.RemoveAll("/etc/systemd/system/saw.timer")
	if _, err := m.Host().Do(t.Context(), host.MakeDir{Path: "/etc/systemd/system/saw.timer", Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	w.spec(strings.ReplaceAll(units, "daily", "weekly"))
	p := w.plan()
	defer p.Close()
	_, diags := w.run(p)
	if len(diags) != 1 || !strings.Contains(diags.Error(), `tool["saw"]`) || !strings.Contains(diags[0].Detail, "Cannot write /etc/systemd/system/saw.timer") {
		t.Errorf("diagnostics: %v", diags)
	}
	if got := w.outcomes(); got[`systemd_unit.tool["saw"]@a`] != event.Failed {
		t.Errorf("outcomes: %v", got)
	}
	w.wantSteps(`update systemd_unit.tool["saw"]@a`)
}

// What is not as printed any more has its own turn.
func TestTogetherIsWhatIsAsPrinted(t *testing.T) {
	w := packagesWorld(t)
	p := w.plan()
	defer p.Close()
	w.machines["a"].Install("saw", "1.0")
	_, diags := w.run(p)
	w.noErrors(diags)
	if got := w.outcomes(); got[`package.tool["saw"]@a`] != event.Already || got[`package.tool["axe"]@a`] != event.Done {
		t.Errorf("outcomes: %v", got)
	}
	if got := w.transactions(); !slices.Equal(got, []string{"axe vice", "later"}) {
		t.Errorf("transactions: %q", got)
	}
	w.wantSteps()
}

// What sets a bound of its own is done by itself.
func TestWhatIsNotDoneTogether(t *testing.T) {
	for _, argument := range []string{"timeout = \"1m\"", "semaphore = [\"mirror:3\"]", "retry {\n    attempts = 2\n  }"} {
		w := packagesWorld(t)
		w.spec(strings.ReplaceAll(packagesSpec, "each.key\n", "each.key\n  "+argument+"\n"))
		w.apply()
		if got := w.transactions(); !slices.Equal(got, []string{"axe", "saw", "vice", "later"}) {
			t.Errorf("%s: transactions: %q", argument, got)
		}
		w.wantSteps()
	}
}

// A connection that is lost in the act is made again, and the act goes on.
func TestALostConnectionInAnActTogether(t *testing.T) {
	for op := 1; op <= 4; op++ {
		for _, done := range []bool{false, true} {
			w := packagesWorld(t)
			p := w.plan()
			w.machines["a"].Arrange(hosttest.Fault{Op: op, Acts: op == 1, Done: done})
			_, diags := w.run(p)
			w.noErrors(diags)
			if got := w.transactions(); !slices.Equal(got, []string{"axe saw vice", "later"}) {
				t.Errorf("at %d, %t: transactions: %q", op, done, got)
			}
			w.wantSteps()
			p.Close()
		}
	}
}

// A machine that goes off in the act leaves each step to the next run.
func TestALostMachineInAnActTogether(t *testing.T) {
	w := packagesWorld(t)
	p := w.plan()
	defer p.Close()
	m := w.machines["a"]
	entered, release := m.Block(func(op host.Op) bool { run, ok := op.(host.Run); return ok && run.Detached })
	go func() {
		<-entered
		w.mu.Lock()
		w.down["a"] = true
		w.mu.Unlock()
		m.Cut()
		release()
	}()
	r, diags := w.run(p)
	if !diags.HasErrors() || r.Counts[event.Failed] != 3 || r.Counts[event.Skipped] != 1 {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
	for _, d := range diags {
		if d.Extra != engine.CodeIncomplete || !strings.Contains(d.Detail, "The connection was lost during the step") {
			t.Errorf("%v", d)
		}
	}
	w.mu.Lock()
	w.down["a"] = false
	w.mu.Unlock()
	w.apply()
	w.wantSteps()
}
