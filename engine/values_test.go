package engine_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/engine/event"
)

// unfit is a number that is not whole and a map with a null in it, of what a
// package has once it is installed.
const unfit = `
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "crictl_config" "this" {
  on      = hosts
  timeout = length(package.daemon.installed_version) / 2
}
resource "exec" "this" {
  on       = hosts
  command  = "true"
  triggers = { version = package.daemon.installed_version == "1.0" ? null : "x" }
}
`

// What does not fit its attribute is found as soon as it is known: with the
// step that would use it, which then does nothing, or with the plan.
func TestValuesThatDoNotFitAreFoundWhenTheyAreKnown(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0")
	w.spec(unfit)
	r, diags := w.run(w.plan())
	if r.Counts[event.Done] != 1 || r.Counts[event.Failed] != 2 {
		t.Errorf("counts: %v", r.Counts)
	}
	if got := m.Content("/etc/crictl.yaml"); got != "" {
		t.Errorf("crictl.yaml: %q", got)
	}
	want := []string{
		"main.kplan.hcl:12,13-57", `The argument "timeout" is a whole number.`,
		"main.kplan.hcl:17,14-82", `triggers["version"] is null. Leave it out`,
	}
	for _, text := range want {
		if !strings.Contains(said(diags), text) {
			t.Errorf("no %q in\n%s", text, said(diags))
		}
	}
	p, diags := w.engine().Plan(t.Context(), w.input()) // the package is there, and its version known
	t.Cleanup(p.Close)
	for _, text := range want {
		if !strings.Contains(said(diags), text) {
			t.Errorf("no %q in\n%s", text, said(diags))
		}
	}
}

func said(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(d.Error() + "\n")
	}
	return b.String()
}
