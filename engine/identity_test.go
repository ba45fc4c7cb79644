package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

const counting = `
locals { names = [%s] }
resource "file" "f" {
  on      = hosts
  count   = length(local.names)
  path    = "/etc/${local.names[count.index]}"
  content = "I am ${local.names[count.index]}\n"
}
`

// What another resource manages from now on is not deleted by the one that
// leaves it, however the indexes shift.
func TestIndexesShift(t *testing.T) {
	for name, shift := range map[string][2]string{
		"the first goes": {`"a", "b", "c", "d"`, `"b", "c", "d"`},
		"a new first":    {`"b", "c", "d"`, `"a", "b", "c", "d"`},
		"another order":  {`"a", "b", "c", "d"`, `"d", "b", "a", "c"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(fmt.Sprintf(counting, shift[0]))
			w.apply()
			w.spec(fmt.Sprintf(counting, shift[1]))
			w.apply()
			w.wantSteps()
			for _, n := range []string{"a", "b", "c", "d"} {
				want := strings.Contains(shift[1], n)
				if got := w.machines["a"].File("/etc/"+n) != nil; got != want {
					t.Errorf("/etc/%s is there: %v, want %v", n, got, want)
				}
				if want && w.machines["a"].Content("/etc/"+n) != "I am "+n+"\n" {
					t.Errorf("/etc/%s is %q", n, w.machines["a"].Content("/etc/"+n))
				}
			}
			w.spec("") // all of it was kplan's, and still is
			w.apply()
			for _, n := range []string{"a", "b", "c", "d"} {
				if w.machines["a"].File("/etc/"+n) != nil {
					t.Errorf("/etc/%s is left", n)
				}
			}
		})
	}
}

const two = `
resource "file" "f" {
  on      = hosts
  path    = "/etc/%s"
  content = "f\n"
}
resource "file" "g" {
  on      = hosts
  path    = "/etc/%s"
  content = "g\n"
  lifecycle { prevent_destroy = true }
}
`

func TestTwoResourcesSwapTheirObjects(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(fmt.Sprintf(two, "x", "y"))
	w.apply()
	w.spec(fmt.Sprintf(two, "y", "x"))
	w.wantSteps("update file.f@a", "update file.g@a")
	w.apply()
	w.wantSteps()
	if x, y := w.machines["a"].Content("/etc/x"), w.machines["a"].Content("/etc/y"); x != "g\n" || y != "f\n" {
		t.Errorf("x is %q, y is %q", x, y)
	}
}

// A plan in a file says the same of an object that is left as the one that was
// shown.
func TestASavedPlanLeavesWhatAnotherManagesNow(t *testing.T) {
	w := newWorld(t, "a")
	one := strings.SplitAfter(two, "}\n")[0]
	w.spec(fmt.Sprintf(one, "x"))
	w.apply()
	w.spec(fmt.Sprintf(two, "y", "x"))
	p, in := w.planWith(func(*engine.PlanInput) {})
	if c, ok := p.Plan.Change(p.Plan.Changes()[0].Addr); !ok || c.Left != "file.g manages it now" {
		t.Errorf("change: %+v", c)
	}
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	w.wantSteps()
	if x, y := w.machines["a"].Content("/etc/x"), w.machines["a"].Content("/etc/y"); x != "g\n" || y != "f\n" {
		t.Errorf("x is %q, y is %q", x, y)
	}
}

// An object does not become nobody's because its new owner is not in the plan.
func TestTheNewOwnerIsNotInThePlan(t *testing.T) {
	for name, to := range map[string]string{
		"renamed": "resource \"file\" \"new\" {\n  on = hosts\n  path = \"/etc/x\"\n  content = \"f\\n\"\n}\n",
		"taken over": fmt.Sprintf(strings.SplitAfter(two, "}\n")[0], "y") +
			"resource \"file\" \"new\" {\n  on = hosts\n  path = \"/etc/x\"\n  content = \"f\\n\"\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(fmt.Sprintf(strings.SplitAfter(two, "}\n")[0], "x"))
			w.apply()
			w.spec(to)
			p, _ := w.planWith(func(in *engine.PlanInput) { in.Excludes = targets(t, "file.new") })
			if s := steps(p); len(s) != 0 {
				t.Errorf("steps without the new owner: %v", s)
			}
			_, diags := w.run(p)
			w.noErrors(diags)
			w.apply()
			w.spec("")
			p = w.plan()
			if !slices.Contains(steps(p), "delete file.new@a") {
				t.Errorf("steps: %v", steps(p))
			}
		})
	}
}

// A directory that cannot go yet is left where it was, and the plan says so.
func TestADirectoryWithSomethingInItMoves(t *testing.T) {
	const tree = `
resource "directory" "d" {
  on   = hosts
  path = "/srv/%s"
}
resource "file" "f" {
  on      = hosts
  path    = "${directory.d.path}/f"
  content = "f\n"
}
`
	w := newWorld(t, "a")
	w.machines["a"].PutDir("/srv")
	w.spec(fmt.Sprintf(tree, "one"))
	w.apply()
	w.spec(fmt.Sprintf(tree, "two"))
	p := w.plan()
	if c := p.Plan.Changes()[0]; c.Left != "f stays in it" || string(c.Action) != "create" {
		t.Errorf("change: %+v", c)
	}
	p.Close()
	w.apply()
	w.wantSteps()
	if w.machines["a"].File("/srv/one/f") != nil || w.machines["a"].Content("/srv/two/f") != "f\n" {
		t.Error("the file has not moved")
	}
}

// A directory that is removed waits for what moves out of it, and stays where
// something comes into it.
func TestADirectoryIsRemovedWhileFilesMove(t *testing.T) {
	const tree = `
resource "directory" "d" {
  on   = hosts
  path = "/srv/one"
}
resource "file" "f" {
  on         = hosts
  path       = "/srv/one/f"
  content    = "f\n"
  depends_on = [directory.d]
}
`
	for name, tt := range map[string]struct {
		body, step string
	}{
		"a file moves out": {"resource \"file\" \"f\" {\n  on = hosts\n  path = \"/etc/f\"\n  content = \"f\\n\"\n}\n", "delete directory.d@a"},
		"a file comes in":  {"resource \"file\" \"g\" {\n  on = hosts\n  path = \"/srv/one/g\"\n  content = \"g\\n\"\n}\n", "forget directory.d@a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.machines["a"].PutDir("/srv")
			w.spec(tree)
			w.apply()
			w.spec(tt.body)
			p := w.plan()
			if !slices.Contains(steps(p), tt.step) {
				t.Errorf("steps: %v", steps(p))
			}
			p.Close()
			w.apply()
			w.wantSteps()
		})
	}
}

// What others see of an object that is replaced is not what is deleted, and of
// an attribute that is ignored what stands there.
func TestWhatOthersSee(t *testing.T) {
	const spec = `
resource "file" "f" {
  on      = hosts
  path    = "/etc/%s"
  content = "wanted\n"
  lifecycle { ignore_changes = [%s] }
}
resource "file" "g" {
  on      = hosts
  path    = "/etc/g"
  content = file.f.%s
}
`
	t.Run("over a replacement", func(t *testing.T) {
		w := newWorld(t, "a")
		w.spec(fmt.Sprintf(spec, "x", "", "mode"))
		w.apply()
		w.machines["a"].PutAs("/etc/x", "wanted\n", 0o600, 0, 0)
		w.apply()
		w.spec(fmt.Sprintf(spec, "y", "", "mode"))
		w.apply()
		if got := w.machines["a"].Content("/etc/g"); got != "0644" {
			t.Errorf("/etc/g is %q", got)
		}
		w.wantSteps()
	})
	t.Run("of what is ignored", func(t *testing.T) {
		w := newWorld(t, "a")
		w.machines["a"].Put("/etc/x", "by hand\n")
		w.spec(fmt.Sprintf(spec, "x", "content", "content"))
		w.apply()
		if got := w.machines["a"].Content("/etc/g"); got != "by hand\n" {
			t.Errorf("/etc/g is %q", got)
		}
		w.wantSteps()
	})
}

// A replacement of what cannot be deleted comes to a restart, or is refused.
func TestAReplacementWithoutADelete(t *testing.T) {
	const triggered = `
resource "file" "conf" {
  on      = hosts
  path    = "/etc/daemon.conf"
  content = "%s\n"
}
resource "service" "daemon" {
  on      = hosts
  name    = "daemon"
  running = true
  lifecycle { replace_triggered_by = [file.conf] }
}
`
	w := withDaemon(t)
	w.spec(fmt.Sprintf(triggered, "red"))
	w.apply()
	w.spec(fmt.Sprintf(triggered, "blue"))
	before := w.starts()
	w.wantSteps("update file.conf@a", "refresh service.daemon@a")
	w.apply()
	if got := w.starts(); got != before+1 {
		t.Errorf("started %d times, want %d", got, before+1)
	}
	w.wantSteps()
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Replaces = targets(t, "service.daemon") })
	r, diags := w.run(p)
	w.noErrors(diags)
	if got := w.starts(); got != before+2 || r.Counts[event.Done] != 1 {
		t.Errorf("started %d times, want %d; counts %v", got, before+2, r.Counts)
	}

	w = newWorld(t, "a")
	w.spec("resource \"hostname\" \"h\" {\n  on   = hosts\n  name = each.host.name\n}\n")
	w.apply()
	in := w.input()
	in.Replaces = targets(t, "hostname.h")
	if _, diags := w.engine().Plan(t.Context(), in); !diags.HasErrors() || !strings.Contains(diags.Error(), "Cannot be replaced") {
		t.Errorf("diagnostics: %v", diags)
	}
}

// A replacement that somebody else has made is already done; what has come to
// its place since the plan is not written over.
func TestAReplacementThatIsNotAsPlanned(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world)
		stale  bool
	}{
		"it is done": {func(w *world) {
			w.machines["a"].Put("/etc/y", "f\n")
			w.machines["a"].RemoveAll("/etc/x")
		}, false},
		"something came": {func(w *world) { w.machines["a"].Put("/etc/y", "somebody's\n") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			one := strings.SplitAfter(two, "}\n")[0]
			w.spec(fmt.Sprintf(one, "x"))
			w.apply()
			w.spec(fmt.Sprintf(one, "y"))
			p := w.plan()
			tt.change(w)
			r, diags := w.run(p)
			if tt.stale != (diags.HasErrors() && diags[0].Extra == engine.CodeStale) || !tt.stale && r.Counts[event.Already] != 1 {
				t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
			}
		})
	}
}

// destroy = false counts as the spec has it, applied or not.
func TestDestroyLeavesWhatTheSpecKeeps(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	w.apply()
	w.spec(strings.Replace(motd, "\n}\n", "\n  lifecycle { destroy = false }\n}\n", 1))
	in := w.input()
	in.Mode = plans.Destroy
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	if s := steps(p); !slices.Equal(s, []string{"forget file.motd@a"}) {
		t.Errorf("steps: %v", s)
	}
}
