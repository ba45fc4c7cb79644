package view

import (
	"fmt"
	"strings"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

// Report writes to standard output how an apply of a plan ended.
func (v *View) Report(t *Tally, pl *plans.Plan) {
	p := newPage(v.out)
	p.end()
	by, adjusted := t.counts()
	sum := t.resources()
	missing := len(pl.Steps()) - len(t.Steps)
	complete := !t.Incomplete(pl)
	word := "Apply"
	if pl.Mode() == plans.Destroy {
		word = "Destroy"
	}
	resources := fmt.Sprintf(" Resources: %d added, %d changed, %d destroyed.", sum.Add, sum.Change, sum.Destroy)
	if word == "Destroy" {
		resources = fmt.Sprintf(" Resources: %d destroyed.", sum.Destroy)
	}
	if complete {
		p.put(green, word+" complete!")
	} else {
		p.put(red, word+" incomplete.")
	}
	p.say(bold, resources)
	p.end()
	p.say(plain, steps(by, adjusted, missing)+elapsed(t))
	criticalPath(p, t, pl)

	troubles(p, "Failed:", t, event.Failed)
	troubles(p, "Stale, not what the plan printed any more:", t, event.Stale)
	troubles(p, "Skipped, because of what they depend on:", t, event.Skipped)
	troubles(p, "Withheld, because of their hosts:", t, event.Withheld)
	troubles(p, "Not begun, because the run was interrupted:", t, event.Stopped)
	if n := len(pl.Withheld()); n > 0 {
		p.end()
		p.sayf("The plan withheld %s, and says why.", count(n, "object"))
	}
	v.print(p)
}

// steps is the count of steps by outcome, in a sentence.
func steps(by map[event.Outcome]int, adjusted, missing int) string {
	var parts []string
	for _, e := range []struct {
		outcome event.Outcome
		text    string
	}{
		{event.Done, "done"},
		{event.Already, "already as planned"},
		{event.NotNeeded, "not needed"},
		{event.Adopted, "adopted from an interrupted run"},
		{event.Failed, "failed"},
		{event.Stale, "stale"},
		{event.Skipped, "skipped"},
		{event.Withheld, "withheld"},
		{event.Stopped, "not begun"},
	} {
		if n := by[e.outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e.text))
		}
	}
	if missing > 0 {
		parts = append(parts, fmt.Sprintf("%d not reached", missing))
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	s := "Steps: " + strings.Join(parts, ", ")
	if adjusted > 0 {
		s += fmt.Sprintf("; %d of them adjusted", adjusted)
	}
	return s + "."
}

func elapsed(t *Tally) string {
	if t.Ended.Elapsed == 0 {
		return ""
	}
	return " Elapsed: " + span(t.Ended.Elapsed) + "."
}

// troubles lists the steps of an outcome, each with why.
func troubles(p *page, heading string, t *Tally, o event.Outcome) {
	first := true
	for _, s := range t.Steps {
		if s.Outcome != o {
			continue
		}
		if first {
			p.end()
			p.sayf("%s", heading)
			first = false
		}
		p.put(plain, "  ")
		p.put(styleOfOutcome(o), "!")
		p.put(plain, " "+s.Addr.String())
		if s.Reason != "" {
			p.put(plain, ": "+strings.TrimRight(s.Reason, "\n"))
		}
		p.end()
	}
}
