package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// perform records the intent, acts, reads back and records the result.
func (s *stepRun) perform(ctx context.Context, id host.ActID) error {
	restarts := s.nodes[s.node].typ.Restarts
	if restarts {
		back, err := s.m.leave(ctx)
		if err != nil {
			return err
		}
		defer back()
	}
	if err := s.intend(ctx, id); err != nil {
		return err
	}
	whole, within := ctx, s.within(s.node)
	ctx, cancel := context.WithTimeout(whole, within)
	defer cancel()
	outcome := resource.Done
	after := cty.NilVal
	fn := func(ctx context.Context, h host.Host) (err error) {
		outcome, err = s.act(ctx, s.memory.Recall(h))
		s.memory = host.Memory{} // another try looks for itself
		return err
	}
	var back func(context.Context, host.Host) error
	if !s.nodes[s.node].typ.IsAct && s.step.At == "" {
		back = func(ctx context.Context, h host.Host) (err error) {
			after, err = s.nodes[s.node].typ.Read(ctx, h, s.identity())
			return err
		}
	}
	err := s.tries(ctx, id, fn, back)
	if err == nil && restarts && outcome != resource.NotNeeded {
		err = s.quiet(ctx)
	}
	if err != nil {
		s.unfinished(ctx, err)
		switch {
		case whole.Err() != nil:
			return whole.Err()
		case ctx.Err() != nil && restarts:
			return s.notBack(within, err)
		case ctx.Err() != nil:
			return s.overdue(whole, id, within)
		}
		return err
	}
	if outcome == resource.NotNeeded {
		s.end.Outcome = event.NotNeeded
		s.end.Reason = "its condition did not hold"
		if err := s.satisfied(after); err != nil {
			return err
		}
		return s.conclude(ctx, state.Result{Records: true, Object: s.record(s.node, s.change.After, s.change.Origin)})
	}
	if s.end.Outcome == "" {
		s.end.Outcome = event.Done
	}
	err = s.readBack(ctx, after)
	if err != nil {
		s.unfinished(ctx, err)
	}
	return err
}

// within bounds what is done for node i.
func (d *derivation) within(i int) time.Duration {
	if in := d.inst(i); in != nil && in.Block.Timeout > 0 {
		return in.Block.Timeout
	}
	return limit
}

// overdue ends what a step that ran out of time left running, on its machine
// and on others that it acted on, so that nothing of it goes on behind what
// comes later, and is the step's error.
func (s *stepRun) overdue(ctx context.Context, id host.ActID, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	stopped, err := false, s.fleet.reopen(ctx, s.m)
	if err == nil {
		stopped, err = stopActs(ctx, s.m.link.Session, s.m.contact, id)
	}
	for _, name := range s.step.Peers {
		there, lost := s.stopThere(ctx, name, id)
		stopped, err = stopped || there, errors.Join(err, lost)
	}
	switch {
	case err != nil:
		return fmt.Errorf("it took longer than %s, and it may still run, as it could not be stopped: %w", within, err)
	case stopped:
		return fmt.Errorf("it took longer than %s, and was stopped", within)
	}
	return fmt.Errorf("it took longer than %s", within)
}

// stopActs ends what was running of the step of id when contact was made.
func stopActs(ctx context.Context, session host.Session, contact *host.Contact, id host.ActID) (stopped bool, err error) {
	for _, a := range contact.Acts {
		if a.ID.Run == id.Run && a.ID.Step == id.Step && a.State == host.ActRunning {
			stopped, err = true, errors.Join(err, session.Stop(ctx, a.ID))
		}
	}
	return stopped, err
}

// actsPerTry keeps the ids of detached acts of one try apart from those of the
// next.
const actsPerTry = 100

// unfinished records a step that failed on the machine: what watches its
// object is owed a refresh, as part of it may have been done. Where nobody saw
// the end, or the step must happen once only, the intent stays open instead and
// the next run looks at what became of it.
func (s *stepRun) unfinished(ctx context.Context, err error) {
	if ctx.Err() != nil || s.step.Once || errors.Is(err, host.ErrLost) || errors.Is(err, host.ErrInterrupted) || s.m.err != nil {
		return
	}
	s.end.Outcome = event.Failed
	r := state.Result{Owes: s.owes()}
	existed := s.found.Exists()
	if !s.nodes[s.node].typ.IsAct && !s.step.Action.Strict() && s.readAgain(ctx) == nil {
		if now := s.nodes[s.node].reading().before; now.Exists() && !existed { // half made is made, too
			r.Records, r.Object = true, s.record(s.node, now, s.change.Origin)
		}
	}
	_ = s.conclude(ctx, r) // what cannot be recorded stops the run
}

// tries acts, again after a connection that was lost: an inline act is safe to
// repeat and a detached one is found by its id. No attempt of its retry block is
// begun once the run is to stop.
func (s *stepRun) tries(ctx context.Context, id host.ActID, fn, back func(context.Context, host.Host) error) error {
	retry := dsl.Retry{Attempts: 1}
	if in := s.inst(s.node); in != nil && in.Block.Retry != nil {
		retry = *in.Block.Retry
	}
	act := func() error { // with peers that begin at id each time, so that what acted there is found again
		ctx := resource.WithVia(host.WithPeers(ctx, s.peers(id)), s.nodes[s.node].via)
		err, readErr := s.m.link.Session.Act(ctx, id, s.now.Epoch, fn, back)
		if err == nil {
			err = readErr
		}
		return err
	}
	if once := act; s.nodes[s.node].typ.Restarts {
		act = func() error { return s.restart(ctx, once) }
	}
	wait := retry.Delay
	for n := 1; ; n++ {
		s.m.acted.add(s.step.Addr)
		err := act()
		for again := 0; errors.Is(err, host.ErrLost) && ctx.Err() == nil && again < attempts; again++ {
			boot := s.m.contact.BootID
			if lost := s.fleet.reopen(ctx, s.m); lost != nil {
				return fmt.Errorf("the connection was lost during the step, and could not be made again: %w", errors.Unwrap(lost))
			}
			if s.step.Once && s.m.contact.BootID != boot {
				return host.ErrInterrupted
			}
			err = act()
		}
		if err == nil || n >= retry.Attempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		case <-s.going.Done():
		}
		if s.stopped() {
			return err
		}
		if wait *= 2; retry.MaxDelay > 0 {
			wait = min(wait, retry.MaxDelay)
		}
		id.N = n * actsPerTry
	}
}

// act is what the step does on the machine.
func (s *stepRun) act(ctx context.Context, h host.Host) (resource.Outcome, error) {
	t := s.nodes[s.node].typ
	if s.step.At != "" {
		return resource.Done, t.Release(ctx, h, s.change.Before.Value, s.machineGone())
	}
	switch s.step.Action {
	case plans.Delete:
		return resource.Done, t.Delete(ctx, h, s.prior)
	case plans.Refresh:
		if !s.change.After.Holds(s.found) {
			if err := t.Apply(ctx, h, s.want, s.prior); err != nil {
				return "", err
			}
		}
		return resource.Done, t.Refresh(ctx, h, s.want)
	case plans.Replace:
		old, prior := s.prior, cty.NullVal(t.Schema.Object())
		if s.change.Moved {
			r := s.nodes[s.node].reading()
			old, prior = r.rawOld, r.raw
		}
		if err := t.Delete(ctx, h, old); err != nil {
			return "", err
		}
		return resource.Done, t.Apply(ctx, h, s.want, prior)
	}
	if t.IsAct {
		return t.Do(ctx, h, s.want)
	}
	if !s.refreshed {
		if err := t.Apply(ctx, h, s.want, s.prior); err != nil {
			return "", err
		}
	}
	if s.refreshes() {
		return resource.Done, t.Refresh(ctx, h, s.want)
	}
	return resource.Done, nil
}

// identity is the object whose ids the read-back looks at.
func (s *stepRun) identity() cty.Value {
	if s.step.Action == plans.Delete {
		return s.prior
	}
	return s.want
}

// readBack checks that the machine is as printed and records it (contract,
// rule 6).
func (s *stepRun) readBack(ctx context.Context, after cty.Value) error {
	t := s.nodes[s.node].typ
	if s.step.Action == plans.Delete {
		if after != cty.NilVal && !after.IsNull() {
			return errors.New("it is still there after the delete")
		}
		return s.conclude(ctx, state.Result{Records: true, Owes: s.owes()})
	}
	if t.IsAct {
		if err := s.satisfied(after); err != nil {
			return err
		}
		return s.conclude(ctx, state.Result{Records: true, Object: s.kept(), Owes: s.owes()})
	}
	got := s.shown(s.node, after, unmarked(s.final[s.node]))
	wanted := s.object(s.node, s.ignored(s.node, s.want, s.found), s.nodes[s.node].secrets).Filled(s.change.After)
	if !wanted.Holds(got) {
		if !got.Exists() {
			return errors.New("it is not there after the step")
		}
		return fmt.Errorf("it still differs after the step: %s", strings.Join(s.stillDiffers(wanted, got), ", "))
	}
	s.nodes[s.node].showed = &reading{before: got, raw: after}
	if err := s.satisfied(after); err != nil {
		return err
	}
	return s.conclude(ctx, state.Result{
		Records: true, Object: s.record(s.node, got, s.change.Origin), Owes: s.owes(), Pays: t.RefreshWord() != "",
	})
}

// satisfied shows others what the object is now and checks the postconditions
// over it.
func (s *stepRun) satisfied(actual cty.Value) error {
	in := s.inst(s.node)
	if in == nil {
		return nil
	}
	if t := s.nodes[s.node].typ; !t.IsAct {
		s.final[s.node] = visible(t, s.ignored(s.node, s.final[s.node], plans.Object{Value: actual}), actual, plans.NoOp)
	}
	return refusal(in.Postconditions(scope{s.derivation, s.final, false}, s.final[s.node]))
}

func (s *stepRun) stillDiffers(want, got plans.Object) []string {
	var names []string
	for _, name := range plans.Differ(got, want) {
		if v := want.Value.GetAttr(name); v.IsWhollyKnown() {
			names = append(names, name)
		}
	}
	return names
}

// kept is what is recorded of an object that was as planned when the step came.
func (s *stepRun) kept() *state.Object {
	if s.step.Action == plans.Delete {
		return nil
	}
	return s.record(s.node, s.found, s.change.Origin)
}

// owes are the refreshes that this step's change lays on others, until they
// are done.
func (s *stepRun) owes() map[string]state.Debt {
	if s.step.Action == plans.Refresh {
		return nil
	}
	return s.debts(s.node)
}

// debts are the refreshes that a change of node i lays on others.
func (r *run) debts(i int) map[string]state.Debt {
	owes := map[string]state.Debt{}
	for _, k := range r.watchers[i] {
		owes[r.addr(k).String()] = state.Debt{Run: r.options.Run, Cause: r.addr(i).String()}
	}
	return owes
}

// intend makes the intent durable before anything is sent, under the id by
// which its acts are found.
func (s *stepRun) intend(ctx context.Context, id host.ActID) error {
	return s.recording(s.journal.Intent(ctx, s.intent(id)))
}

func (s *stepRun) intent(id host.ActID) state.Intent {
	class := "repeatable"
	if s.step.Once {
		class = "once"
	}
	first := s.found
	if s.change.Moved { // the place that it moves to
		first = s.nodes[s.node].reading().before
	}
	return state.Intent{
		Run: id.Run, Step: id.Step, Addr: s.step.Addr, Host: s.step.Machine(), Class: class,
		Action: string(s.step.Action), Input: s.input(), First: objectDigest(s.in.Key, first),
		BootID: s.m.contact.BootID, Epoch: s.now.Epoch,
	}
}

// conclude makes the result durable before anything builds on it.
func (s *stepRun) conclude(ctx context.Context, r state.Result) error {
	r.Run, r.Step, r.Addr, r.Outcome = s.options.Run, int(s.step.ID), s.step.Addr, string(s.end.Outcome)
	r.Concludes = fulfilled(s.end.Outcome)
	results := []state.Result{r}
	if r.Concludes {
		results = append(s.handOver(s.node), r)
		for _, j := range s.leavers[s.node] {
			results = append(results, s.noted(j))
		}
	}
	return s.recording(s.journal.Result(context.WithoutCancel(ctx), results...))
}

// recording stops the run where it cannot record any more.
func (s *stepRun) recording(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cannot record: %w", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal == nil {
		s.fatal = err
		s.halt()
	}
	return err
}

// failed turns an error into the end of the step and a diagnostic.
func (s *stepRun) failed(ctx context.Context, err error) {
	s.end.Outcome, s.end.Reason = event.Failed, err.Error()
	p := problem{
		summary: fmt.Sprintf("Step failed: %s", s.step.Addr),
		detail:  fmt.Sprintf("On host %s: %s", s.step.Machine(), s.hider.hide(explain(err))),
		at:      blame(s.inst(s.node), err), code: CodeIncomplete,
	}
	var exit *host.ExitError
	if errors.As(err, &exit) {
		_, stderr := exit.Output.Shown()
		s.end.Output = tail(stderr, 20)
	}
	s.mu.Lock()
	broken := s.fatal != nil
	s.mu.Unlock()
	if cancelled(ctx, err) && !broken {
		s.end.Outcome, s.end.Reason = event.Stopped, "the run was cancelled while it ran; the next plan looks at it first"
		p.summary, p.detail, p.code = "Interrupted", fmt.Sprintf("%s was cancelled while it ran on host %s. The next plan looks at it first.", s.step.Addr, s.step.Machine()), CodeInterrupted
	}
	s.mu.Lock()
	s.diags = append(s.diags, p.diag())
	s.mu.Unlock()
}
