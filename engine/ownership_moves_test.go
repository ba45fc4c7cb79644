package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/state"
)

func fileAt(name, path, more string) string {
	return fmt.Sprintf("resource \"file\" %q {\n  on      = host.a\n  path    = %q\n  content = \"%s\\n\"\n%s}\n", name, path, name, more)
}

// A replacement that is asked for leaves what the plan leaves: an object that
// was there before kplan, and one that another resource manages now.
func TestAForcedReplacementLeavesTheOldObject(t *testing.T) {
	t.Run("adopted", func(t *testing.T) {
		w := newWorld(t, "a")
		w.machines["a"].Put("/etc/x", "f\n")
		w.machines["a"].Put("/etc/y", "older\n")
		w.spec(fileAt("f", "/etc/x", ""))
		w.apply()
		w.spec(fileAt("f", "/etc/y", ""))
		p, _ := w.planWith(func(in *engine.PlanInput) { in.Replaces = targets(t, "file.f") })
		if c := p.Plan.Changes()[0]; c.Moved || c.Left != "it was there before kplan came" {
			t.Errorf("change: %+v", c)
		}
		_, diags := w.run(p)
		w.noErrors(diags)
		if x, y := w.machines["a"].File("/etc/x"), w.machines["a"].Content("/etc/y"); x == nil || y != "f\n" {
			t.Errorf("x is there: %v, y is %q", x != nil, y)
		}
	})
	t.Run("another's", func(t *testing.T) {
		w := newWorld(t, "a")
		w.spec(fileAt("f", "/etc/x", "") + fileAt("g", "/etc/y", ""))
		w.apply()
		w.spec(fileAt("f", "/etc/y", "  depends_on = [file.g]\n") + fileAt("g", "/etc/x", ""))
		p, _ := w.planWith(func(in *engine.PlanInput) { in.Replaces = targets(t, "file.f") })
		_, diags := w.run(p)
		w.noErrors(diags)
		if x, y := w.machines["a"].Content("/etc/x"), w.machines["a"].Content("/etc/y"); x != "g\n" || y != "f\n" {
			t.Errorf("x is %q, y is %q", x, y)
		}
		w.wantSteps()
	})
}

// What kplan made stays kplan's, at whatever moment a run is killed in which
// objects change their places and their owners.
func TestOwnershipAfterACrashWhileObjectsMove(t *testing.T) {
	names := func(list string) string { return fmt.Sprintf(counting, list) }
	for name, tt := range map[string]struct {
		from, to string
		gone     []string
	}{
		"one moves":      {fileAt("f", "/etc/x", ""), fileAt("f", "/etc/y", ""), []string{"x", "y"}},
		"two swap":       {fileAt("f", "/etc/x", "") + fileAt("g", "/etc/y", ""), fileAt("f", "/etc/y", "") + fileAt("g", "/etc/x", ""), []string{"x", "y"}},
		"one takes over": {fileAt("f", "/etc/x", ""), fileAt("f", "/etc/y", "") + fileAt("g", "/etc/x", ""), []string{"x", "y"}},
		"the first goes": {names(`"a", "b", "c"`), names(`"b", "c"`), []string{"a", "b", "c"}},
		"a new first":    {names(`"b", "c"`), names(`"a", "b", "c"`), []string{"a", "b", "c"}},
		"in a circle":    {names(`"a", "b", "c"`), names(`"b", "c", "a"`), []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			for at := 0; ; at++ {
				w := newWorld(t, "a")
				w.spec(tt.from)
				w.apply()
				w.spec(tt.to)
				m := &mortal{left: at}
				w.live(m)
				w.apply()
				w.wantSteps()
				w.spec("")
				w.apply()
				for _, n := range tt.gone {
					if w.machines["a"].File("/etc/"+n) != nil {
						t.Errorf("killed at moment %d: /etc/%s is left", at, n)
					}
				}
				if !m.dead {
					return
				}
			}
		})
	}
}

// The same where the new owner's step fails, or is withheld.
func TestTheNewOwnerIsHeldUp(t *testing.T) {
	t.Run("it fails", func(t *testing.T) {
		w := newWorld(t, "a")
		fails := counted(w, 1)
		w.spec(fileAt("f", "/etc/x", ""))
		w.apply()
		gate := "resource \"exec\" \"gate\" {\n  on      = hosts\n  command = \"make-it\"\n}\n"
		w.spec(fileAt("f", "/etc/y", "") + fileAt("g", "/etc/x", "  depends_on = [exec.gate]\n") + gate)
		if _, diags := w.run(w.plan()); !diags.HasErrors() || *fails != 1 {
			t.Fatalf("diagnostics: %v", diags)
		}
		w.apply()
		w.spec("")
		p := w.plan()
		if s := steps(p); !slices.Contains(s, "delete file.g@a") || !slices.Contains(s, "delete file.f@a") {
			t.Errorf("steps: %v", s)
		}
	})
	t.Run("it is withheld", func(t *testing.T) {
		w := newWorld(t, "a", "b")
		w.spec(fileAt("f", "/etc/x", ""))
		w.apply()
		w.spec(fileAt("f", "/etc/y", "") + fileAt("g", "/etc/x", "  depends_on = [file.z]\n") +
			strings.ReplaceAll(fileAt("z", "/etc/z", ""), "host.a", "host.b"))
		w.down["b"] = true
		p := w.plan()
		if s, held := steps(p), p.Plan.Withheld(); len(s) != 0 || len(held) != 3 {
			t.Errorf("steps %v, withheld %v", s, held)
		}
		p.Close()
		w.down["b"] = false
		w.apply()
		w.spec("")
		p = w.plan()
		if s := steps(p); !slices.Contains(s, "delete file.g@a") {
			t.Errorf("steps: %v", s)
		}
	})
}

// A saved plan that forgets what is gone already is not refused for what it
// does not do.
func TestASavedPlanForgetsWhatIsGone(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(fileAt("f", "/etc/x", "") + fileAt("g", "/etc/y", "  lifecycle { prevent_destroy = true }\n"))
	w.apply()
	w.machines["a"].RemoveAll("/etc/y")
	w.spec(fileAt("f", "/etc/x", ""))
	p, in := w.planWith(func(*engine.PlanInput) {})
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
	w.wantSteps()
}

// An object that is replaced keeps what is ignored of it, and others see that.
func TestAForcedReplacementKeepsWhatIsIgnored(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Put("/etc/x", "by hand\n")
	w.spec(fileAt("f", "/etc/x", "  lifecycle { ignore_changes = [content] }\n") +
		"resource \"file\" \"g\" {\n  on      = host.a\n  path    = \"/etc/g\"\n  content = file.f.content\n}\n")
	w.apply()
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Replaces = targets(t, "file.f") })
	if s := steps(p); !slices.Equal(s, []string{"replace file.f@a"}) {
		t.Errorf("steps: %v", s)
	}
	_, diags := w.run(p)
	w.noErrors(diags)
	w.wantSteps()
}

// An output goes with its block, and not with a part of what it is not about.
func TestOutputsGo(t *testing.T) {
	w := newWorld(t, "a")
	out := "output \"x\" {\n  value = file.g.content\n}\n"
	recorded := func() (snap *state.Snapshot) {
		snap, err := w.backend.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return snap
	}
	files := fileAt("f", "/etc/x", "") + fileAt("g", "/etc/y", "")
	w.spec(files + out)
	w.apply()
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Mode, in.Targets = "destroy", targets(t, "file.f") })
	_, diags := w.run(p)
	w.noErrors(diags)
	if _, ok := recorded().Outputs["x"]; !ok {
		t.Error("the output of what stays is gone")
	}
	w.spec(files)
	w.apply()
	if _, ok := recorded().Outputs["x"]; ok {
		t.Error("the output without a block is still there")
	}
}
