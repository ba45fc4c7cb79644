package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// heartbeat is how often a step that runs says so.
const heartbeat = 30 * time.Second

// limit bounds a step that sets no timeout, and grace the end of one that was
// late.
const (
	limit = 30 * time.Minute
	grace = time.Minute
)

// stepRun is one step while it runs.
type stepRun struct {
	*run
	i      int // index of the step
	node   int
	step   plans.Step
	change plans.Change
	m      *member
	want   cty.Value    // in clear, unmarked; NilVal for a leftover
	prior  cty.Value    // as read, in clear
	found  plans.Object // prior as plans see it
	memory host.Memory  // of the reading directly before the act; empty where there was none
	began  time.Time
	stop   func() // ends the heartbeat; nil before the step has begun
	joint  *joint // what came of the act that it was done in with others; nil where there was none
	spent  int    // ids of detached acts that are not its own any more
	end    event.StepEnded
	// refreshed says that only the refresh is left to do.
	refreshed bool
}

// visit does steps, mostly one, and reports of each whether what waits for it
// may go on.
func (r *run) visit(ctx context.Context, ids []int) (well []bool) {
	steps := make([]*stepRun, len(ids))
	for n, i := range ids {
		s := &stepRun{run: r, i: i, node: r.nodeOf[i], step: r.steps[i]}
		s.change = *r.nodes[s.node].change
		s.m = r.fleet.members[s.step.Machine()]
		steps[n] = s
	}
	if len(steps) > 1 {
		r.together(ctx, steps)
	}
	for _, s := range steps {
		s.begin()
		err := s.do(ctx)
		s.stop()
		if err != nil {
			s.failed(ctx, err)
		}
		r.outcome[s.i] = s.end.Outcome
		r.ended(s.step, s.end, s.began)
		well = append(well, fulfilled(s.end.Outcome))
	}
	return well
}

// begin tells that the step runs, once.
func (s *stepRun) begin() {
	if s.stop != nil {
		return
	}
	s.began = s.engine.Now()
	s.events.emit(event.StepStarted{Step: int(s.step.ID), Addr: s.step.Addr, Action: string(s.step.Action), Word: s.word(s.step)})
	s.stop = s.beat(s.step, s.began)
}

// word is what a refresh does.
func (r *run) word(s plans.Step) string {
	if s.Action != plans.Refresh {
		return ""
	}
	return r.nodes[r.nodeOf[r.place[s.ID]]].typ.RefreshWord()
}

// beat says now and then that a step still runs, until the returned function
// is called.
func (r *run) beat(s plans.Step, began time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var tick func()
	tick = func() {
		if ctx.Err() == nil {
			r.events.emit(event.StepRunning{Step: int(s.ID), Addr: s.Addr, Elapsed: r.engine.Now().Sub(began)})
			time.AfterFunc(heartbeat, tick)
		}
	}
	t := time.AfterFunc(heartbeat, tick)
	return func() { cancel(); t.Stop() }
}

// ended counts and tells the end of a step.
func (r *run) ended(s plans.Step, e event.StepEnded, began time.Time) {
	now := r.engine.Now()
	e.Reason, e.Output = r.hider.hide(e.Reason), r.hider.hide(e.Output)
	e.Step, e.Addr, e.Action, e.Word, e.Elapsed = int(s.ID), s.Addr, string(s.Action), r.word(s), now.Sub(began)
	r.mu.Lock()
	r.report.Counts[e.Outcome]++
	r.report.Steps = append(r.report.Steps, StepReport{Step: s.ID, Addr: s.Addr, Outcome: e.Outcome, Started: began, Elapsed: e.Elapsed})
	r.mu.Unlock()
	r.events.emit(e)
}

// do carries the step out and records it. An error is a failed step.
func (s *stepRun) do(ctx context.Context) error {
	if s.step.Action == plans.Forget {
		if heir, ok := s.claimant(s.node); ok && s.withheld[heir] != "" { // it would have no record at all
			s.end.Outcome, s.end.Reason = event.Withheld, s.withheld[heir]
			return nil
		}
		s.end.Outcome = event.Done
		return s.conclude(ctx, state.Result{Records: true})
	}
	if s.joint != nil {
		return s.joined(ctx)
	}
	if reason := s.outOfReach(); reason != "" {
		s.end.Outcome, s.end.Reason = event.Withheld, reason
		return nil
	}
	r, err := s.look(ctx)
	if err != nil {
		return err
	}
	return s.settled(ctx, r)
}

// outOfReach says why nothing can be done about the step; "" where something can.
func (s *stepRun) outOfReach() string {
	if reason := s.withheld[s.node]; reason != "" || s.m.err == nil {
		return reason
	}
	return s.m.err.Error() // lost since the first step
}

// look finds what is wanted and what stands on the machine.
func (s *stepRun) look(ctx context.Context) (reading, error) {
	if s.inst(s.node) != nil {
		if err := s.evaluate(); err != nil {
			return reading{}, err
		}
	}
	if (s.m.acted.any() || s.nodes[s.node].reading().unseen != "") && s.step.At == "" {
		if err := s.readAgain(ctx); err != nil {
			return reading{}, err
		}
	}
	r := s.nodes[s.node].reading()
	s.takeIn(r)
	return r, nil
}

// takeIn takes what was read as what the step finds.
func (s *stepRun) takeIn(r reading) {
	s.prior, s.found = r.raw, r.before
	if s.change.Moved && r.old.Exists() {
		s.found = r.old
	}
	s.leaveIgnored()
}

// leaveIgnored wants what ignore_changes names as it is.
func (s *stepRun) leaveIgnored() {
	in := s.inst(s.node)
	if in == nil || len(in.Block.Lifecycle.IgnoreChanges) == 0 || s.prior == cty.NilVal || s.prior.IsNull() {
		return
	}
	attrs := s.want.AsValueMap()
	for _, name := range in.Block.Lifecycle.IgnoreChanges {
		attrs[name] = s.prior.GetAttr(name)
	}
	s.want = cty.ObjectVal(attrs)
}

// evaluate finds what is wanted, now that what the step depends on is there,
// and checks it against what the plan printed (contract, rule 1).
func (s *stepRun) evaluate() error {
	t := s.nodes[s.node].typ
	want := s.nodes[s.node].want
	if !known(t, want) {
		v, diags := s.insts[s.node].Evaluate(scope{s.derivation, s.final, false})
		if err := refusal(diags); err != nil {
			return err
		}
		want = v
		plain := unmarked(want)
		if err := t.Validate(plain); err != nil {
			return err
		}
		now := s.object(s.node, plain, s.nodes[s.node].secrets)
		for _, name := range plans.Differ(now, s.change.After) {
			if a, _ := t.Schema.Lookup(name); !computed(a) && !s.change.After.Open(name) {
				return fmt.Errorf("the attribute %s was planned as another value than it has now; this is a bug in kplan", name)
			}
		}
		if !t.IsAct {
			s.change.After = s.change.After.Filled(now)
		}
	}
	if err := refusal(s.insts[s.node].Preconditions(scope{s.derivation, s.final, false})); err != nil {
		return err
	}
	s.final[s.node] = want
	s.want = unmarked(want)
	for _, name := range s.nodes[s.node].secrets {
		s.hider.add(want.GetAttr(name))
	}
	if t.IsAct { // what it is done for is all known now
		s.change.After = s.object(s.node, s.want, s.nodes[s.node].secrets)
		s.change.InputDigest = inputDigest(s.in.Key, t, s.want)
		s.nodes[s.node].change = &s.change
	}
	return nil
}

// readAgain reads the object once more, and remembers how.
func (s *stepRun) readAgain(ctx context.Context) error {
	read := s.reader(s.node)
	again := func(ctx context.Context, h host.Host) error {
		s.memory = host.Memory{}
		return read(ctx, s.memory.Listen(h))
	}
	if err := s.fleet.again(ctx, s.m, func() error { return readAs(ctx, s.m, again) }); err != nil {
		return err
	}
	return s.nodes[s.node].reading().err
}

// settled does what the table says.
func (s *stepRun) settled(ctx context.Context, r reading) error {
	intent, id, left := s.remains()
	sit := s.situation(r, left)
	if s.refreshOnly() && sit.object == asBefore && !s.due() {
		s.end.Outcome, s.end.Reason = event.NotNeeded, "nothing that it watches was changed"
		return s.conclude(ctx, state.Result{})
	}
	switch v := settle(sit); v {
	case already, adopted:
		s.end.Outcome = event.Already
		if v == adopted {
			s.end.Outcome = event.Adopted
		}
		if s.refreshes() {
			s.end, s.refreshed = event.StepEnded{}, true
			return s.perform(ctx, s.id())
		}
		if err := s.satisfied(r.raw); err != nil {
			return err
		}
		return s.conclude(ctx, state.Result{Records: true, Object: s.kept()})
	case stale:
		s.end.Outcome = event.Stale
		s.end.Reason = "it is not as printed any more: " + differenceInWords(s.change.Before, s.found)
		return nil
	case diagnose:
		return s.cannotTell(intent.Run)
	case adopt:
		err := s.perform(ctx, id)
		if err == nil && s.end.Outcome == event.Done {
			s.end.Outcome = event.Adopted
		}
		var exit *host.ExitError
		if errors.Is(err, host.ErrInterrupted) || errors.As(err, &exit) {
			if s.step.Once {
				return s.cannotTell(intent.Run)
			}
			if s.stopped() {
				return err
			}
			s.end = event.StepEnded{}
			return s.perform(ctx, s.id())
		}
		return err
	case adjust:
		s.end.Adjusted = s.adjustment(intent, left)
	}
	if left == unbegun {
		// What that run sent may still come to the machine: the same id begins once.
		if err := s.perform(ctx, id); !errors.Is(err, host.ErrInterrupted) || s.step.Once || s.stopped() {
			return err
		}
	}
	return s.perform(ctx, s.id())
}

// situation is where the step stands, with what was read and what was left.
func (s *stepRun) situation(r reading, left remains) situation {
	t := s.nodes[s.node].typ
	sit := situation{
		action: s.step.Action, strict: s.step.Strict, once: s.step.Once, isAct: t.IsAct,
		touched: s.m.acted.any(), left: left, over: s.concluded(s.node), object: s.likeness(r),
	}
	if s.change.Unseen != "" && left == nothing { // what was printed is a record, which anybody may have made untrue since
		sit.strict = true
	}
	if t.Restarts && left == cutOff { // what it is about has come to be
		sit.object = asAfter
	}
	return sit
}

// id is that of the step's next act.
func (s *stepRun) id() host.ActID {
	return host.ActID{Run: s.options.Run, Step: int(s.step.ID), N: s.spent}
}

// cannotTell stops a step that must happen only once.
func (s *stepRun) cannotTell(run string) error {
	return fmt.Errorf("run %s was cut off during this step, which must happen only once, and what stands on the host does not tell whether it was completed; look at the host, then run `kplan state rm '%s'` to begin it anew", run, s.step.Addr)
}

// remains is what an interrupted run left of this step, and the id of its act,
// or the one that it would have.
func (s *stepRun) remains() (intent state.Intent, id host.ActID, left remains) {
	intent, ok := s.now.Interrupted[s.step.Addr]
	if !ok || intent.Input != s.input() {
		return intent, id, nothing
	}
	id, left = host.ActID{Run: intent.Run, Step: intent.Step}, unbegun
	if intent.BootID != s.m.contact.BootID {
		left = cutOff
	}
	for _, a := range s.m.contact.Acts {
		if a.ID.Run != intent.Run || a.ID.Step != intent.Step {
			continue
		}
		id = a.ID
		switch {
		case a.State == host.ActRunning:
			left = running
		case a.State == host.ActInterrupted:
			left = cutOff
		case a.Code == 0:
			left = ended
		default:
			left = failedAct
		}
	}
	return intent, id, left
}

// input is the digest of what the step is done for.
func (s *stepRun) input() string {
	if s.nodes[s.node].typ.IsAct {
		return s.change.InputDigest
	}
	return plans.Keyed(s.in.Key, cty.StringVal(string(s.step.Action)+s.step.Addr.String()))
}

func (s *stepRun) likeness(r reading) likeness {
	if !s.nodes[s.node].typ.IsAct {
		if s.refreshOnly() && s.change.After.Holds(r.before) {
			return asBefore
		}
		return liken(s.change, r)
	}
	rec := s.now.Objects[s.step.Addr]
	switch {
	case rec.InputDigest == s.change.InputDigest && rec.InputDigest != "" && r.verdict != resource.DueNow && rec.InputDigest != s.in.State.Objects[s.step.Addr].InputDigest:
		return asAfter // the run that was cut off did it
	case string(r.verdict) == s.change.Verdict:
		return asBefore
	case r.verdict == resource.DoneBefore && (s.change.Action == plans.Create || rec.InputDigest == s.change.InputDigest):
		return asAfter
	}
	return asBefore
}

func (s *stepRun) refreshOnly() bool { return s.step.Action == plans.Refresh }

// due reports whether a refresh is owed or caused by what this run did.
func (s *stepRun) due() bool {
	if len(s.now.Debts(s.step.Addr)) > 0 || s.step.Owed && !s.resumed() {
		return true
	}
	for _, c := range s.step.Causes {
		if o := s.outcome[s.place[c]]; o == event.Done || o == event.Adopted {
			return true
		}
	}
	return false
}

// refreshes reports whether the step has to refresh beside what it makes: a
// service that stood before its configuration changed.
func (s *stepRun) refreshes() bool {
	t := s.nodes[s.node].typ
	return !t.IsAct && t.RefreshWord() != "" && !s.step.Action.Strict() && s.found.Exists() && s.due()
}

// adjustment says how the step differs from what was printed, and what on this
// machine was before it: the run that it goes on from, or steps of this one.
func (s *stepRun) adjustment(intent state.Intent, left remains) string {
	was := "from another state than printed"
	if s.step.Action == plans.Create && s.found.Exists() {
		was = "updated instead of created"
	} else if s.step.Action == plans.Update && !s.found.Exists() {
		was = "created instead of updated"
	}
	var causes []string
	if left != nothing {
		causes = append(causes, fmt.Sprintf("run %s, which was cut off in it", intent.Run))
	}
	for _, a := range s.m.acted.all() {
		causes = append(causes, a.String())
	}
	return was + ", after " + strings.Join(causes, ", ")
}
