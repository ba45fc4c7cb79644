package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Steps of one type on one machine that are ready at the same time may be one
// act, where the type knows how: packages are installed in one transaction. Each
// stays a step of its own, with its intent, its reading and its record.

// joint is what came of a step that was done in one act with others.
type joint struct {
	after cty.Value // as read behind the act
	err   error
}

// batch is common to the steps of a type that may be done in one act with step i;
// "" where it is done by itself.
func (r *run) batch(i int) string {
	s, in := r.steps[i], r.inst(r.nodeOf[i])
	switch t := r.nodes[r.nodeOf[i]].typ; {
	case t == nil || in == nil || !t.CanBatch() || s.Once || s.At != "":
		return ""
	case s.Action != plans.Create && s.Action != plans.Update:
		return ""
	case in.Block.Retry != nil || in.Block.Timeout > 0 || len(in.Block.Semaphores) > 0: // of its own
		return ""
	default:
		return t.Name
	}
}

// together does in one act those of steps, all of one batch, whose objects are
// as printed. Where that act fails, each step is done by itself, and says what is
// wrong with its own.
func (r *run) together(ctx context.Context, steps []*stepRun) {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *stepRun) bool { return s.outOfReach() != "" || s.evaluate() != nil })
	if len(steps) < 2 {
		return
	}
	if m := steps[0].m; m.acted.any() {
		var reads []reader
		for _, s := range steps {
			reads = append(reads, s.reader(s.node))
		}
		if readAs(ctx, m, reads...) != nil {
			return
		}
	}
	steps = slices.DeleteFunc(steps, func(s *stepRun) bool { return !s.asPrinted() })
	if len(steps) < 2 {
		return
	}
	for _, s := range steps {
		s.begin()
	}
	err := r.actTogether(ctx, steps)
	if machineRefused(err) {
		steps[0].spent = actsPerTry
		return
	}
	for _, s := range steps {
		s.joint = &joint{err: err}
	}
	if err == nil {
		r.readTogether(ctx, steps)
	}
}

// machineRefused reports whether an act failed by one of its operations: a command
// or a file.
func machineRefused(err error) bool {
	_, command := errors.AsType[*host.ExitError](err)
	_, file := errors.AsType[*host.OpError](err)
	return command || file
}

// asPrinted reports whether the step, whose object was read, would act on it as
// the plan says.
func (s *stepRun) asPrinted() bool {
	r := s.nodes[s.node].reading()
	s.takeIn(r)
	_, _, left := s.remains()
	return r.err == nil && r.unseen == "" && left == nothing && settle(s.situation(r, left)) == act && !s.refreshes()
}

// actTogether makes all intents durable and acts, under the id of the first step.
func (r *run) actTogether(whole context.Context, steps []*stepRun) error {
	var intents []state.Intent
	var wants, priors []cty.Value
	first := steps[0]
	for _, s := range steps {
		intents = append(intents, s.intent(s.id()))
		wants, priors = append(wants, s.want), append(priors, s.prior)
	}
	if err := first.recording(r.journal.Intent(whole, intents...)); err != nil {
		return err
	}
	for _, s := range steps {
		s.m.acted.add(s.step.Addr)
	}
	ctx, cancel := context.WithTimeout(whole, limit)
	defer cancel()
	err := first.tries(ctx, first.id(), func(ctx context.Context, h host.Host) error {
		return r.nodes[first.node].typ.ApplyAll(ctx, h, wants, priors)
	}, nil)
	switch {
	case err != nil && whole.Err() != nil:
		return whole.Err()
	case err != nil && ctx.Err() != nil:
		return first.overdue(whole, first.id(), limit)
	}
	return err
}

// readTogether reads what the steps have made, in one round trip.
func (r *run) readTogether(ctx context.Context, steps []*stepRun) {
	var reads []reader
	for _, s := range steps {
		reads = append(reads, func(ctx context.Context, h host.Host) error {
			s.joint.after, s.joint.err = r.nodes[s.node].typ.Read(ctx, h, s.identity())
			return s.joint.err
		})
	}
	m := steps[0].m
	if lost := r.fleet.again(ctx, m, func() error { return readAs(ctx, m, reads...) }); lost != nil {
		for _, s := range steps {
			s.joint.err = lost
		}
	}
}

// joined ends a step that was done in one act with others.
func (s *stepRun) joined(ctx context.Context) error {
	err := s.joint.err
	if err == nil {
		s.end.Outcome = event.Done
		err = s.readBack(ctx, s.joint.after)
	}
	if err != nil {
		s.unfinished(ctx, err)
	}
	return err
}
