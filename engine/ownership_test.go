package engine_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

func targets(t *testing.T, s string) []addr.Target {
	t.Helper()
	target, err := addr.ParseTarget(s)
	if err != nil {
		t.Fatal(err)
	}
	return []addr.Target{target}
}

// planWith plans from an input that choose has changed, and returns it too: a
// saved plan is derived from the same input.
func (w *world) planWith(choose func(*engine.PlanInput)) (*engine.Planned, engine.PlanInput) {
	w.t.Helper()
	in := w.input()
	choose(&in)
	p, diags := w.engine().Plan(w.t.Context(), in)
	w.noErrors(diags)
	w.t.Cleanup(p.Close)
	return p, in
}

// A restart is owed from the moment that its cause is changed, also where the
// plan that changes it does not hold the restart.
func TestARestartThatAPlanLeavesOutIsOwed(t *testing.T) {
	const spec = `
resource "file" "conf" {
  on      = host.a
  path    = "/etc/daemon.conf"
  content = "colour = %s\n"
}
resource "service" "daemon" {
  on        = host.b
  name      = "daemon"
  running   = true
  on_change = [file.conf]
}
`
	for _, left := range []string{"outside the targets", "on an unreachable host"} {
		t.Run(left, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			b := w.machines["b"]
			b.AddUnit("daemon.service", hosttest.Unit{})
			w.spec(strings.ReplaceAll(spec, "%s", "red"))
			w.apply()
			w.spec(strings.ReplaceAll(spec, "%s", "blue"))
			w.down["b"] = left == "on an unreachable host"
			p, _ := w.planWith(func(in *engine.PlanInput) {
				if !w.down["b"] {
					in.Targets = targets(t, "file.conf")
				}
			})
			if s := steps(p); len(s) != 1 || s[0] != "update file.conf@a" {
				t.Fatalf("steps: %v", s)
			}
			_, diags := w.run(p)
			w.noErrors(diags)
			w.down["b"] = false
			w.wantSteps("refresh service.daemon@b")
			before, _ := b.Unit("daemon.service")
			w.apply()
			if after, _ := b.Unit("daemon.service"); after.Starts != before.Starts+1 {
				t.Errorf("the daemon was started %d times, want %d", after.Starts, before.Starts+1)
			}
			w.wantSteps()
		})
	}
}

// What ignore_changes names is neither planned nor written by the way, when
// something else about the object changes.
func TestIgnoredAttributesAreLeftAlone(t *testing.T) {
	w := newWorld(t, "a")
	const spec = `
resource "file" "m" {
  on      = hosts
  path    = "/etc/m"
  content = "one\n"
  mode    = "%s"
  lifecycle {
    ignore_changes = [content]
  }
}
`
	w.spec(strings.ReplaceAll(spec, "%s", "0644"))
	w.apply()
	w.machines["a"].Put("/etc/m", "by hand\n")
	w.wantSteps()
	w.spec(strings.ReplaceAll(spec, "%s", "0600"))
	w.wantSteps("update file.m@a")
	w.apply()
	if f := w.machines["a"].File("/etc/m"); string(f.Content) != "by hand\n" || f.Mode.Perm() != 0o600 {
		t.Errorf("/etc/m is %q, mode %v", f.Content, f.Mode)
	}
	w.wantSteps()
}

// The file stands before the step fails: the next run finds it as it wants it,
// and must not take it for one that was there before kplan.
func TestAFailedCreateIsStillOwned(t *testing.T) {
	w := newWorld(t, "a")
	const spec = `
resource "file" "m" {
  on      = hosts
  path    = "/etc/m"
  content = "one\n"
  lifecycle {
    postcondition {
      condition     = self.mode == "%s"
      error_message = "another mode"
    }
  }
}
`
	w.spec(strings.ReplaceAll(spec, "%s", "0600"))
	if _, diags := w.run(w.plan()); !diags.HasErrors() {
		t.Fatal("the postcondition holds")
	}
	w.spec(strings.ReplaceAll(spec, "%s", "0644"))
	w.wantSteps()
	w.apply()
	w.spec("")
	w.wantSteps("delete file.m@a")
}

func TestACreateThatIsCutOffIsStillOwned(t *testing.T) {
	standing := 0
	for at := 0; ; at++ {
		w := newWorld(t, "a")
		w.spec(motd)
		m := &mortal{left: at}
		w.live(m)
		if !m.dead {
			break
		}
		if w.machines["a"].File("/etc/motd") != nil {
			standing++
		}
		w.apply()
		w.spec("")
		p := w.plan()
		if s := steps(p); len(s) != 1 || s[0] != "delete file.motd@a" {
			t.Errorf("killed at moment %d: steps %v", at, s)
		}
		p.Close()
	}
	if standing == 0 {
		t.Error("no moment was between the act and its result")
	}
}

// Ownership belongs to an object, not to the address that it had: the object
// at a new path is kplan's only where kplan made that one.
func TestOwnershipAfterAnIdentityChange(t *testing.T) {
	tests := []struct {
		name    string
		arrange func(m *hosttest.Machine, apply func())
		move    string // the step that moves it
		end     string // the step once it is not wanted
	}{
		{"adopted, to a new path", func(m *hosttest.Machine, apply func()) {
			m.Put("/etc/motd", "hello a\n")
			apply()
		}, "create file.motd@a", "delete file.motd@a"},
		{"created, onto a file that was there", func(m *hosttest.Machine, apply func()) {
			apply()
			m.Put("/etc/issue", "hello a\n")
		}, "replace file.motd@a", "forget file.motd@a"},
		{"created and gone, onto a file that was there", func(m *hosttest.Machine, apply func()) {
			apply()
			m.RemoveAll("/etc/motd")
			m.Put("/etc/issue", "hello a\n")
		}, "", "forget file.motd@a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(motd)
			tt.arrange(w.machines["a"], func() { w.apply() })
			w.spec(strings.ReplaceAll(motd, "/etc/motd", "/etc/issue"))
			if tt.move == "" {
				w.wantSteps()
			} else {
				w.wantSteps(tt.move)
			}
			w.apply()
			w.spec("")
			w.wantSteps(tt.end)
		})
	}
}

// The old object is gone and the new one is not there: nothing is left to own,
// and what a later run creates is kplan's again.
func TestAReplacementThatFailsHalfWay(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.ReplaceAll(motd, "/etc/motd", "/nodir/motd"))
	if _, diags := w.run(w.plan()); !diags.HasErrors() {
		t.Fatal("a file was written to a directory that is not there")
	}
	w.spec("")
	w.wantSteps("forget file.motd@a")
	w.spec(motd)
	w.wantSteps("create file.motd@a")
	w.apply()
	w.spec("")
	w.wantSteps("delete file.motd@a")
}

// The record does not know of the prevent_destroy yet; the spec does.
func TestPreventDestroyHoldsBeforeItIsApplied(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.ReplaceAll(motd, "on      = hosts", "on      = hosts\n  lifecycle {\n    prevent_destroy = true\n  }"))
	in := w.input()
	in.Mode = plans.Destroy
	p, diags := w.engine().Plan(t.Context(), in)
	defer p.Close()
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "prevent_destroy") {
		t.Errorf("diagnostics: %v", diags)
	}
}

// An output that rests on what a run leaves alone keeps its recorded value.
func TestTargetsKeepTheOutputsOfTheRest(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Archive("daemon", "1.0")
	const spec = `
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "file" "f" {
  on      = hosts
  path    = "/etc/f"
  content = "%s"
}
output "version" {
  value = package.daemon.installed_version
}
`
	w.spec(strings.ReplaceAll(spec, "%s", "1"))
	w.apply()
	w.spec(strings.ReplaceAll(spec, "%s", "2"))
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Targets = targets(t, "file.f") })
	_, diags := w.run(p)
	w.noErrors(diags)
	if got := w.input().State.Outputs["version"].Value; got.IsNull() || got.AsString() != "1.0" {
		t.Errorf("the output is %#v", got)
	}
}

// A directory is deleted only where it is empty, which nobody can look at.
func TestDeletesArePlannedOffline(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(`
resource "directory" "d" {
  on   = hosts
  path = "/etc/d"
}
`)
	w.apply()
	w.spec("")
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Offline = true })
	if s := steps(p); len(s) != 1 || s[0] != "delete directory.d@a" {
		t.Errorf("steps: %v", s)
	}
}
