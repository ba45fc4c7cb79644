package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/engine/internal/walk"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// run is one apply.
type run struct {
	*derivation
	engine  *Engine
	fleet   *fleet
	events  *eventLog
	plan    *plans.Plan
	options ApplyOptions
	lease   state.Lease
	now     *state.Snapshot // the state as of the lock
	journal state.Journal
	start   time.Time

	steps    []plans.Step
	nodeOf   []int              // by index of steps: the node of each
	heirs    map[int]int        // node → the instance whose step takes over what the node was
	leavers  map[int][]int      // the reverse, of nodes that have no step of their own
	watchers map[int][]int      // node → instances that refresh when it changes
	place    map[plans.Node]int // step id → index in steps
	withheld []string           // by node: why nothing can be done about it; "" where something can
	final    []cty.Value        // by node: what other instances see once it is done
	outcome  []event.Outcome    // by index of steps; written once, by the step

	going context.Context // ends where nothing new may start: asked for, or recording failed
	halt  func()          // ends going

	mu     sync.Mutex
	report Report
	diags  hcl.Diagnostics
	fatal  error // recording failed
}

func (e *Engine) apply(ctx context.Context, lease state.Lease, p *Planned, o ApplyOptions) (*Report, hcl.Diagnostics) {
	r := &run{
		derivation: p.derivation, engine: e, fleet: p.fleet, plan: p.Plan, options: o,
		lease: lease, now: lease.Snapshot(), start: e.Now(),
		steps: p.Plan.Steps(),
	}
	r.report = Report{Run: o.Run, Counts: map[event.Outcome]int{}}
	defer r.heed(o.Stop)()
	diags := r.ready(ctx)
	p.fleet = r.fleet // whose sessions Close ends, whatever becomes of the run
	if diags.HasErrors() {
		return &r.report, append(r.diags, diags...)
	}
	if diags := r.firstReading(ctx); diags.HasErrors() {
		return &r.report, append(r.diags, diags...)
	}
	if !r.anything() {
		return r.finish(), r.diags
	}
	if diags := r.claimHosts(ctx); diags.HasErrors() {
		return &r.report, append(r.diags, diags...)
	}
	r.withhold()
	var err error
	if r.journal, err = lease.Begin(ctx, o.Run, p.Plan.Digest(), len(r.steps)); err != nil {
		return &r.report, one(problem{summary: "Cannot begin to record", detail: sentence(err.Error()) + " Nothing was changed."})
	}
	if err := r.recordFound(ctx); err != nil {
		return &r.report, one(problem{summary: "Cannot record", detail: sentence(err.Error()) + " No step was begun."})
	}
	r.walk(ctx)
	r.end(context.WithoutCancel(ctx))
	return r.finish(), r.diags
}

// ready opens sessions where the plan came from a file, and makes new contact
// where they are open.
func (r *run) ready(ctx context.Context) hcl.Diagnostics {
	r.events = &eventLog{now: r.engine.Now, sink: r.engine.Events, hide: r.hider.hide}
	if r.fleet == nil {
		r.fleet = newFleet(r.engine, r.events, r.machines(), r.ways())
		r.fleet.connect(ctx)
	} else {
		r.events = r.fleet.events
		r.fleet.each(r.fleet.order, func(m *member) {
			if m.err != nil {
				return
			}
			c, err := m.link.Session.Contact(ctx)
			if err != nil {
				if err = r.fleet.reopen(ctx, m); err != nil {
					return
				}
				c = m.contact
			}
			m.contact = c
		})
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	var diags hcl.Diagnostics
	byID := r.goneByID()
	for _, name := range r.fleet.order {
		m := r.fleet.members[name]
		if m.err != nil {
			if d := r.distrust(m); d != nil {
				diags = append(diags, d)
			}
			continue
		}
		diags = append(diags, r.identity(m, byID, r.now)...)
		if found := r.bound(m); len(found) > 0 && r.options.SkipStale {
			r.skip(m, found)
		} else {
			diags = append(diags, found...)
		}
	}
	return diags
}

// bound compares a machine with what the plan says of it: identity and the
// facts that expressions used.
func (r *run) bound(m *member) (diags hcl.Diagnostics) {
	planned, ok := r.plan.Host(m.host.Name)
	if !ok || !planned.Reachable {
		return nil
	}
	at := m.host.Range
	staleFact := func(what, was, is string) {
		diags = append(diags, problem{
			summary: "Plan is stale",
			detail:  fmt.Sprintf("On host %s %s was %s when the plan was made and is %s now. Nothing was changed; plan again.", m.host.Name, what, was, is),
			at:      &at, code: CodeStale,
		}.diag())
	}
	if planned.MachineID != m.contact.MachineID {
		staleFact("the machine-id", planned.MachineID, m.contact.MachineID)
	}
	if planned.HostKey != m.link.HostKey {
		staleFact("the host key", planned.HostKey, m.link.HostKey)
	}
	now := factsValue(m.contact.Facts)
	then := factsValue(*planned.Facts)
	for _, name := range factNames(planned.Used, now) {
		if !now.GetAttr(name).RawEquals(then.GetAttr(name)) {
			staleFact("the fact "+name, show(then.GetAttr(name)), show(now.GetAttr(name)))
		}
	}
	return diags
}

// factNames are the facts that used names; "" stands for all of them.
func factNames(used []string, facts cty.Value) []string {
	if !slices.Contains(used, "") {
		return used
	}
	var names []string
	for name := range facts.Type().AttributeTypes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func show(v cty.Value) string {
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return "unknown"
	}
	return string(b)
}

// anything reports whether there is something to do or to record.
func (r *run) anything() bool {
	if len(r.steps) > 0 {
		return true
	}
	for i := range r.nodes {
		c := r.nodes[i].change
		if c != nil && !r.recordIsRight(*c) {
			return true
		}
	}
	for name := range r.letGo {
		if r.drops(name) {
			return true
		}
	}
	for a := range r.now.Interrupted { // to be told of, and let go
		if _, ok := r.index[a]; !ok {
			return true
		}
	}
	for _, o := range r.plan.Outputs() {
		if !o.After.Equal(o.Before) {
			return true
		}
	}
	return false
}

// claimHosts puts this run's fence on every machine that it will act on.
func (r *run) claimHosts(ctx context.Context) hcl.Diagnostics {
	acts := map[string]bool{}
	for _, s := range r.steps {
		if s.Action != plans.Forget && r.fleet.reachable(s.Machine()) {
			acts[s.Machine()] = true
			for _, p := range s.Peers {
				acts[p] = acts[p] || r.fleet.reachable(p)
			}
		}
	}
	var names []string
	for _, name := range r.fleet.order {
		if acts[name] {
			names = append(names, name)
		}
	}
	var mu sync.Mutex
	var diags hcl.Diagnostics
	fence := host.Fence{Lineage: r.now.Lineage, Epoch: r.now.Epoch, Run: r.options.Run}
	r.fleet.each(names, func(m *member) {
		err := r.fleet.again(ctx, m, func() error { return m.link.Session.Claim(ctx, fence) })
		if m.err != nil || errors.Is(err, host.ErrLost) {
			r.fleet.fail(m, err)
			return
		}
		if err == nil {
			m.fence = &fence
			m.peer = &peer{turn: make(chan struct{}, 1), machineID: m.contact.MachineID, hostKey: m.link.HostKey, fence: fence}
			return
		}
		mu.Lock()
		defer mu.Unlock()
		p := problem{summary: "Cannot take over host " + m.host.Name, detail: r.hider.hide(sentence(err.Error())) + " Nothing was changed.", at: &m.host.Range}
		if errors.Is(err, host.ErrFenced) {
			p.code, p.detail = CodeLocked, strings.TrimSuffix(p.detail, ".")+"; apply again once that run has ended."
		} else if uid := m.contact.UID; uid != 0 {
			p.detail += fmt.Sprintf(" kplan acts there as uid %d; to act as root, write become = \"sudo\" in the connection.", uid)
		}
		diags = append(diags, p.diag())
	})
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	return diags
}

// heed lets nothing new start once stop is closed, until the returned function
// is called.
func (r *run) heed(stop <-chan struct{}) (release func()) {
	r.going, r.halt = context.WithCancel(context.Background())
	var heeding sync.WaitGroup
	heeding.Go(func() {
		select {
		case <-stop:
			r.halt()
		case <-r.going.Done():
		}
	})
	return func() { r.halt(); heeding.Wait() }
}

// stopped reports whether nothing new may start.
func (r *run) stopped() bool {
	select {
	case <-r.options.Stop: // heed may not have come to it yet
		r.halt()
	default:
	}
	return r.going.Err() != nil
}

func (r *run) walk(ctx context.Context) {
	tasks, ids := r.tasks()
	limits := map[string]int{}
	for _, in := range r.insts {
		for _, s := range in.Block.Semaphores {
			limits[s.Name] = s.N
		}
	}
	walk.Run(ctx, tasks, walk.Visitor{
		Parallel: r.engine.Parallelism,
		Limits:   limits,
		Stop:     r.going.Done(),
		Visit: func(ctx context.Context, batch []int) []bool {
			steps := make([]int, len(batch))
			for n, i := range batch {
				steps[n] = ids[i]
			}
			return r.visit(ctx, steps)
		},
		Skip: func(i, cause int) {
			s := r.steps[ids[i]]
			if cause == walk.Never {
				r.ended(s, event.StepEnded{Outcome: event.Stopped, Reason: "the run was stopped before it"}, r.engine.Now())
				return
			}
			root := r.steps[ids[cause]]
			r.ended(s, event.StepEnded{Outcome: event.Skipped, Reason: fmt.Sprintf("it needs %s, which did not end well", root.Addr)}, r.engine.Now())
		},
	})
}

// tasks are the steps and barriers of the plan as the walk sees them; ids
// gives the index of the step of each task.
func (r *run) tasks() (tasks []walk.Task, ids []int) {
	barriers := r.plan.Barriers()
	n := len(r.steps) + len(barriers)
	tasks, ids = make([]walk.Task, n), make([]int, n)
	after := func(nodes []plans.Node) []int {
		out := make([]int, len(nodes))
		for i, a := range nodes {
			out[i] = int(a) - 1
		}
		return out
	}
	for i, s := range r.steps {
		t := walk.Task{After: after(s.After), Lane: s.Machine(), Batch: r.batch(i)}
		if typ := r.nodes[r.nodeOf[i]].typ; typ != nil {
			for _, sem := range typ.Semaphores() {
				t.Holds = append(t.Holds, s.Machine()+" "+sem)
			}
		}
		if in := r.inst(r.nodeOf[i]); in != nil {
			for _, sem := range in.Block.Semaphores {
				t.Holds = append(t.Holds, sem.Name)
			}
		}
		tasks[s.ID-1], ids[s.ID-1] = t, i
	}
	for _, b := range barriers {
		tasks[b.ID-1] = walk.Task{After: after(b.After)}
	}
	return tasks, ids
}

// end folds the journal and leaves receipts.
func (r *run) end(ctx context.Context) {
	complete := len(r.report.Steps) == len(r.steps)
	for _, s := range r.report.Steps {
		complete = complete && fulfilled(s.Outcome)
	}
	var outs []dsl.Output
	if r.in.Mode != plans.Destroy {
		var diags hcl.Diagnostics
		outs, diags = r.in.Spec.Outputs(scope{r.derivation, r.results(), false})
		r.diags = append(r.diags, diags...)
	}
	r.diags = append(r.diags, r.failing(scope{r.derivation, r.standing(), false})...)
	recorded := map[string]ctyjson.SimpleJSONValue{}
	for _, o := range outs {
		switch before, ok := r.now.Outputs[o.Name]; {
		case !o.Value.IsWhollyKnown():
			if ok { // of a part of the spec that this run left alone
				recorded[o.Name] = before
			}
		case o.Sensitive || o.Value.ContainsMarked():
			recorded[o.Name] = ctyjson.SimpleJSONValue{Value: cty.StringVal(plans.Keyed(r.in.Key, unmarked(o.Value)))}
		default:
			recorded[o.Name] = ctyjson.SimpleJSONValue{Value: o.Value}
		}
	}
	if r.in.Mode == plans.Destroy && (!complete || len(r.in.Targets)+len(r.in.Excludes) > 0) {
		recorded = nil // something is left, and what is made of it stays as it is
	}
	err := r.forgetHosts(ctx)
	if err == nil {
		err = r.journal.End(ctx, complete, recorded)
	}
	if err != nil {
		r.diags = append(r.diags, problem{summary: "Cannot save the state", detail: sentence(err.Error()) + " What was done stands in the journal and is found again.", code: CodeIncomplete}.diag())
		return
	}
	saved := r.lease.Snapshot()
	open := map[string][]host.ActID{} // by host: acts that the next run has to find
	for _, cut := range saved.Interrupted {
		open[cut.Host] = append(open[cut.Host], host.ActID{Run: cut.Run, Step: cut.Step})
	}
	for _, s := range r.steps { // what was cut off may have acted on others, too
		if cut, ok := saved.Interrupted[s.Addr]; ok {
			for _, p := range s.Peers {
				open[p] = append(open[p], host.ActID{Run: cut.Run, Step: cut.Step})
			}
		}
	}
	receipt := host.Receipt{Lineage: saved.Lineage, Serial: saved.Serial, Epoch: saved.Epoch, Run: r.options.Run, Digest: r.plan.Digest()}
	r.fleet.each(r.fleet.order, func(m *member) {
		if m.err != nil || m.fence == nil {
			return
		}
		err := r.fleet.again(ctx, m, func() error { // it was idle, and may be cut by a bastion that restarted
			return m.link.Session.Sign(ctx, receipt, open[m.host.Name])
		})
		if err != nil {
			r.events.emit(event.Notice{Host: m.host.Name, Text: "could not leave the receipt of this run: " + err.Error()})
		}
	})
}

func (r *run) finish() *Report {
	r.report.Elapsed = r.engine.Now().Sub(r.start)
	r.events.emit(event.RunEnded{Run: r.options.Run, Counts: r.report.Counts, Elapsed: r.report.Elapsed})
	return &r.report
}

// fulfilled reports whether a step that ended so is as the plan promised.
func fulfilled(o event.Outcome) bool {
	return o == event.Done || o == event.Already || o == event.NotNeeded || o == event.Adopted
}
