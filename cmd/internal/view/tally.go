package view

import (
	"time"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

// Tally keeps how the steps of a run ended, for its report.
type Tally struct {
	Steps []event.StepEnded // in the order of their ends
	Ended event.RunEnded

	first time.Time         // of the run
	began map[int]time.Time // by step
	spans []spanOf
}

// Event takes account of an event.
func (t *Tally) Event(e event.Event) {
	switch d := e.Data.(type) {
	case event.StepStarted:
		if t.began == nil {
			t.began, t.first = map[int]time.Time{}, e.Time
		}
		t.began[d.Step] = e.Time
	case event.StepEnded:
		t.Steps = append(t.Steps, d)
		if began, ok := t.began[d.Step]; ok {
			t.spans = append(t.spans, spanOf{began, e.Time, d})
		}
	case event.RunEnded:
		t.Ended = d
	}
}

// counts are the steps by outcome, and how many of them were adjusted.
func (t *Tally) counts() (by map[event.Outcome]int, adjusted int) {
	by = map[event.Outcome]int{}
	for _, s := range t.Steps {
		by[s.Outcome]++
		if s.Adjusted != "" {
			adjusted++
		}
	}
	return by, adjusted
}

// resources counts what the run really did.
func (t *Tally) resources() plans.Summary {
	var sum plans.Summary
	for _, s := range t.Steps {
		if s.Outcome != event.Done && s.Outcome != event.Adopted {
			continue
		}
		switch plans.Action(s.Action) {
		case plans.Create:
			sum.Add++
		case plans.Update, plans.Refresh:
			sum.Change++
		case plans.Replace:
			sum.Add++
			sum.Destroy++
		case plans.Delete:
			sum.Destroy++
		case plans.Forget:
			sum.Forget++
		}
	}
	return sum
}

// Incomplete reports whether something of the plan was not fulfilled.
func (t *Tally) Incomplete(pl *plans.Plan) bool {
	for _, s := range t.Steps {
		if !fulfilled(s.Outcome) {
			return true
		}
	}
	return len(t.Steps) < len(pl.Steps()) || len(pl.Withheld()) > 0
}
