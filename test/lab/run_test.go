package lab

import (
	"os/exec"
	"testing"
)

// What stops itself goes on, as nsenter has to on a machine that goes down.
func TestWhatStopsItselfGoesOn(t *testing.T) {
	if out, err := output(exec.CommandContext(t.Context(), "sh", "-c", "kill -STOP $$; echo on"), "sh"); out != "on\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}
