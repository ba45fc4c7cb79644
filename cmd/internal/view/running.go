package view

import (
	"cmp"
	"slices"
	"time"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
)

// running is what is under way, as the events tell.
type running struct {
	steps map[int]runningStep
	total int // steps of the plan; 0 while it is not known
	ended int
	bad   int // of the ended: not as the plan asked

	hosts             map[string]bool // contacted, false until read
	read, unreachable int
}

// runningStep is a step that began and did not end.
type runningStep struct {
	id     int
	addr   addr.Instance
	action string
	word   string
	since  time.Time
}

// note takes account of an event.
func (r *running) note(e event.Event) {
	if r.steps == nil {
		r.steps, r.hosts = map[int]runningStep{}, map[string]bool{}
	}
	switch d := e.Data.(type) {
	case event.HostConnecting:
		if _, ok := r.hosts[d.Host]; !ok {
			r.hosts[d.Host] = false
		}
	case event.HostRead:
		if !r.hosts[d.Host] {
			r.read++
		}
		r.hosts[d.Host] = true
	case event.HostFailed:
		r.unreachable++
	case event.StepStarted:
		r.steps[d.Step] = runningStep{d.Step, d.Addr, d.Action, d.Word, e.Time}
	case event.StepEnded:
		delete(r.steps, d.Step)
		r.ended++
		if !fulfilled(d.Outcome) {
			r.bad++
		}
	}
}

// action is what a running step does; "" where it is not known.
func (r *running) action(step int) string { return r.steps[step].action }

// doing is what a running step is said to do.
func (r *running) doing(step int) string { return doing(r.steps[step].action, r.steps[step].word) }

// list is the running steps, the longest running first.
func (r *running) list() []runningStep {
	out := make([]runningStep, 0, len(r.steps))
	for _, s := range r.steps {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b runningStep) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	return out
}
