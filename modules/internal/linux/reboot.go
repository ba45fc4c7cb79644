package linux

import (
	"context"
	"fmt"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var reboot = resource.DefineAct[Reboot]("reboot", resource.Restarts)

// The occasions of a reboot.
const (
	whenRequired = "required"
	whenTriggers = "triggers"
)

// Reboot restarts the machine: where it asks for that, or once for each new value.
//
// The step is done when the machine is back; what depends on it comes after, and
// steps of other hosts go on meanwhile. With when = "required" the machine is restarted where it asks for it: by
// /var/run/reboot-required on Debian and Ubuntu, else by needs-restarting -r.
// The plan has a step where it asks now, or where something that the resource
// depends on changes on the host, which may make it ask; the run decides. With
// when = "triggers" it is restarted once for each new value of triggers, the
// first included.
//
// The argument timeout, which every resource has, is how long all of it may
// take; 30 minutes where it is not set. A machine that is not back by then fails
// the step. Once it answers, the next apply goes on and does not restart it again,
// nor does one after a run that was cut off meanwhile. What is not kept over a
// restart, such as a sysctl that is not persistent, has to depend on the reboot.
// Removing the block forgets it.
//
//	resource "reboot" "kernel" {
//	  on         = hosts
//	  timeout    = "10m"
//	  depends_on = [package.kernel]
//	}
type Reboot struct {
	Name     string            `cty:"name" kplan:"id,default="`      // what the plan calls it; default: the resource's name
	When     string            `cty:"when" kplan:"default=required"` // required: where the machine asks for it; triggers: once for each value of these
	Triggers map[string]string `cty:"triggers"`                      // with when = "triggers"
}

// Validate implements resource.Validator.
func (r Reboot) Validate(unknown func(string) bool) error {
	switch {
	case unknown("when"):
	case r.When != whenRequired && r.When != whenTriggers:
		return &resource.FieldError{Field: "when", Msg: fmt.Sprintf("%q is no occasion. Write %q or %q.", r.When, whenRequired, whenTriggers)}
	case unknown("triggers"):
	case r.When == whenTriggers && len(r.Triggers) == 0:
		return &resource.FieldError{Field: "when", Msg: `There are no triggers. Write some, such as triggers = { kernel = "6.1" }: each new value restarts the machine once.`}
	case r.When == whenRequired && len(r.Triggers) > 0:
		return &resource.FieldError{Field: "triggers", Msg: `Triggers count only with when = "triggers". Write that too, or leave them out.`}
	}
	return nil
}

// Inputs implements resource.Inputer.
func (r Reboot) Inputs() []string { return []string{"when", "triggers"} }

// Condition implements resource.Conditional.
func (r Reboot) Condition() string {
	if r.When == whenTriggers {
		return ""
	}
	return "if the machine asks for a restart"
}

// Disrupts implements resource.Disrupter.
func (r Reboot) Disrupts(*Reboot) []string { return []string{"restarts the machine"} }

// Due makes one call, and with triggers none.
func (r Reboot) Due(ctx context.Context, h host.Host) (resource.Verdict, error) {
	if r.When == whenTriggers {
		return resource.DueByRecord, nil
	}
	if wanted, err := restartWanted(ctx, h); err != nil || wanted {
		return resource.DueNow, err
	}
	return resource.DueAfter, nil
}

// Do makes one call, and with when = "required" one before it.
func (r Reboot) Do(ctx context.Context, h host.Host) (resource.Outcome, error) {
	if r.When == whenRequired {
		if wanted, err := restartWanted(ctx, h); err != nil || !wanted {
			return resource.NotNeeded, err
		}
	}
	_, err := h.Do(ctx, host.Restart{})
	return resource.Done, err
}

func restartWanted(ctx context.Context, h host.Host) (bool, error) {
	out, err := host.Ask(ctx, h, "/bin/sh", "-c", script.RestartWanted)
	return string(out.Stdout) == "yes\n", err
}
