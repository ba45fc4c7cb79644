package engine_test

import (
	"testing"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// What a step found in the way of another step of the run is said, also where
// that one failed behind what it had done already.
func TestAnAdjustedStepNamesAFailedOneBeforeIt(t *testing.T) {
	w := newWorld(t, "a")
	w.machines["a"].Script("setup", func(c *hosttest.Call) host.Output {
		if err := c.Write("/etc/conf", "its own\n"); err != nil {
			t.Error(err)
		}
		return host.Output{Code: 1}
	})
	w.spec(`
resource "exec" "setup" {
  on      = hosts
  command = "setup"
}
resource "file" "z" {
  on      = hosts
  path    = "/etc/conf"
  content = "mine\n"
}
`)
	r, _ := w.run(w.plan())
	if r.Counts[event.Failed] != 1 || r.Counts[event.Done] != 1 {
		t.Fatalf("counts: %v", r.Counts)
	}
	const want = "updated instead of created, after exec.setup@a"
	for _, e := range w.events {
		if s, ok := e.Data.(event.StepEnded); ok && s.Outcome == event.Done && s.Adjusted != want {
			t.Errorf("adjusted %q, want %q", s.Adjusted, want)
		}
	}
}
