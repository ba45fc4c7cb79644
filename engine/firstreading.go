package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/engine/internal/graph"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// firstReading reads again all that the plan read, and refuses where it is not
// as printed (contract, rule 2). Findings count by verdict.
func (r *run) firstReading(ctx context.Context) hcl.Diagnostics {
	r.prepare()
	if diags := r.await(ctx); diags.HasErrors() {
		return diags
	}
	if r.stopped() {
		return interrupted(r.going)
	}
	byHost := map[string][]int{}
	total := 0
	for i := range r.nodes {
		c := r.nodes[i].change
		if c == nil || r.nodes[i].typ == nil {
			continue
		}
		if host := r.addr(i).Host; r.fleet.reachable(host) {
			byHost[host] = append(byHost[host], i)
			total++
		}
	}
	r.events.emit(event.FirstReading{Hosts: len(byHost), Objects: total})
	r.fleet.each(slices.Sorted(maps.Keys(byHost)), func(m *member) {
		if err := r.fleet.again(ctx, m, func() error { return r.readNodes(ctx, m, byHost[m.host.Name]) }); err != nil {
			r.fleet.fail(m, err)
		}
	})
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	var diags hcl.Diagnostics
	unfit := r.unfit()
	for _, name := range slices.Sorted(maps.Keys(byHost)) {
		m := r.fleet.members[name]
		if m.err != nil {
			continue
		}
		found := append(r.compare(byHost[name]), unfit[name]...)
		if len(found) > 0 && r.options.SkipStale {
			r.skip(m, found)
			continue
		}
		diags = append(diags, found...)
	}
	return diags
}

// skip withholds what stands on a stale machine, and says why.
func (r *run) skip(m *member, found hcl.Diagnostics) {
	m.err = fmt.Errorf("host %s is not as it was when the plan was made", m.host.Name)
	for _, d := range found {
		d.Severity, d.Extra = hcl.DiagWarning, nil
	}
	r.diags = append(r.diags, found...)
}

// prepare lays out what the run looks up by step and by node.
func (r *run) prepare() {
	r.outcome = make([]event.Outcome, len(r.steps))
	r.nodeOf = make([]int, len(r.steps))
	r.place = make(map[plans.Node]int, len(r.steps))
	r.watchers = map[int][]int{}
	r.final = slices.Clone(r.values)
	for i, s := range r.steps {
		r.nodeOf[i] = r.index[s.Addr]
		r.place[s.ID] = i
	}
	r.findHeirs()
	for i, in := range r.insts { // whether this plan has a step for them or not
		if r.nodes[i].typ == nil || r.nodes[i].typ.RefreshWord() == "" {
			continue
		}
		for _, n := range in.OnChange {
			for _, cause := range r.match(n) {
				r.watchers[cause] = append(r.watchers[cause], i)
			}
		}
	}
	for gone, watchers := range r.graph.Watchers {
		for _, i := range watchers {
			if t := r.nodes[i].typ; t != nil && t.RefreshWord() != "" {
				r.watchers[gone] = append(r.watchers[gone], i)
			}
		}
	}
}

// await waits for acts of an earlier run that still go on, each for as long as
// its step may take: what they leave behind is what the first reading has to
// see. It ends early where the run is to stop. Those of another state are not
// waited for; the claim refuses them.
func (r *run) await(ctx context.Context) hcl.Diagnostics {
	steps := map[host.ActID]addr.Instance{}
	for a, cut := range r.now.Interrupted {
		steps[host.ActID{Run: cut.Run, Step: cut.Step}] = a
	}
	var mu sync.Mutex
	var diags hcl.Diagnostics
	r.fleet.each(r.fleet.order, func(m *member) {
		if m.err != nil || m.contact.Fence == nil || m.contact.Fence.Lineage != r.now.Lineage {
			return
		}
		for _, a := range m.contact.Acts { // as of now: a new connection tells of them anew
			if a.State != host.ActRunning {
				continue
			}
			what, within := fmt.Sprintf("step %d", a.ID.Step), limit
			if at, ok := steps[host.ActID{Run: a.ID.Run, Step: a.ID.Step}]; ok {
				what = at.String()
				if i, ok := r.index[at]; ok {
					within = r.within(i)
				}
			}
			what += " of run " + a.ID.Run
			r.events.emit(event.Notice{Host: m.host.Name, Text: "waiting for " + what + ", which still runs"})
			late, cancel := context.WithTimeout(ctx, within)
			heed := context.AfterFunc(r.going, cancel)
			out, err := r.adopt(late, m, a.ID)
			over := late.Err() != nil
			heed()
			cancel()
			switch {
			case err == nil:
				m.ended(a.ID, host.ActDone, out.Code)
			case ctx.Err() != nil, r.stopped():
				return
			case over:
				mu.Lock()
				defer mu.Unlock()
				diags = append(diags, problem{
					summary: "An earlier step still runs",
					detail: fmt.Sprintf("On host %s, %s still runs after another %s. Nothing was changed; apply again once it has ended, or end it.",
						m.host.Name, what, within),
					at: &m.host.Range, code: CodeLocked,
				}.diag())
				return
			case m.err != nil:
				r.fleet.fail(m, err)
				return
			default:
				m.ended(a.ID, host.ActInterrupted, 0)
			}
		}
	})
	return diags
}

// adopt waits for an act on the machine m, over as many connections as that
// takes, with pauses that grow.
func (r *run) adopt(ctx context.Context, m *member, id host.ActID) (out host.Output, err error) {
	for wait := pause; ; wait = min(2*wait, patience) {
		out, err = m.link.Session.Adopt(ctx, id)
		if !errors.Is(err, host.ErrLost) || ctx.Err() != nil {
			return out, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return out, err
		}
		if err := r.fleet.reopen(ctx, m); err != nil {
			return out, err
		}
	}
}

// ended notes how an act on the machine ended that ran when contact was made.
func (m *member) ended(id host.ActID, state host.ActState, code int) {
	for k := range m.contact.Acts {
		if a := &m.contact.Acts[k]; a.ID == id {
			a.State, a.Code = state, code
		}
	}
}

// compare finds the objects of nodes that are not as the plan printed them.
func (r *run) compare(nodes []int) (diags hcl.Diagnostics) {
	for _, i := range nodes {
		c := r.nodes[i].change
		if c.Unseen != "" {
			r.takeRecord(i)
		}
		in, read := r.inst(i), r.nodes[i].reading()
		if read.err != nil {
			diags = append(diags, problem{summary: "Cannot read " + c.Addr.String(), detail: r.hider.hide(explain(read.err)), at: blame(in, read.err)}.diag())
			continue
		}
		if what := r.difference(i, *c, read); what != "" && !r.concluded(i) {
			was := "as it was when the plan was made"
			if c.Unseen != "" {
				was = "as it is recorded, which was taken as what is there when the plan was made"
			}
			diags = append(diags, problem{
				summary: "Plan is stale",
				detail:  fmt.Sprintf("On host %s, %s is not %s: %s. Nothing was changed; plan again.", c.Addr.Host, c.Addr, was, what),
				at:      blame(in, nil), code: CodeStale,
			}.diag())
		}
	}
	return diags
}

// resumed reports whether the run applies a plan that an earlier one was cut
// off in.
func (r *run) resumed() bool {
	return r.now.Applied.Digest == r.plan.Digest() && !r.now.Applied.Complete
}

// concluded reports whether that run brought the step of node i to its end.
func (r *run) concluded(i int) bool {
	if !r.resumed() || r.nodes[i].change == nil || r.nodes[i].change.Step == 0 {
		return false
	}
	_, found := slices.BinarySearch(r.now.Applied.Concluded, int(r.nodes[i].change.Step))
	return found
}

// withhold finds, before the first step, the nodes about which nothing can be
// done: their host, or that of something that they need, cannot be reached or is
// not as planned.
func (r *run) withhold() {
	r.withheld = make([]string, r.graph.Len())
	for k, s := range r.steps {
		for _, p := range s.Peers {
			if m := r.fleet.members[p]; m == nil {
				r.withheld[r.nodeOf[k]] = fmt.Sprintf("it acts on host %s too, and nothing is recorded of how to reach that", p)
			} else if m.err != nil {
				r.withheld[r.nodeOf[k]] = m.err.Error()
			}
		}
	}
	for _, i := range r.graph.Order {
		if name := r.machineOf(i); name != "" {
			if m := r.fleet.members[name]; m == nil {
				r.withheld[i] = "nothing is recorded of how to reach its host"
			} else if m.err != nil {
				r.withheld[i] = m.err.Error()
			}
		}
		for _, a := range r.graph.After[i] {
			if r.withheld[i] == "" {
				r.withheld[i] = r.withheld[a]
			}
		}
	}
}

// difference says how an object is not as printed; "" where it is, or where it
// is already as it will be.
func (r *run) difference(i int, c plans.Change, read reading) string {
	if r.nodes[i].typ.IsAct {
		if r.inst(i) == nil || string(read.verdict) == c.Verdict || c.Action != plans.NoOp {
			return ""
		}
		if r.nodes[i].typ.Restarts {
			return "the machine asks for it now"
		}
		return "what it makes is missing now"
	}
	if c.Action == plans.Forget && !c.Before.Exists() {
		return ""
	}
	if c.Action == plans.Forget {
		return ""
	}
	if (c.Action == plans.NoOp || c.Action == plans.Refresh) && r.likeManaged(i, c.Before, read.before) {
		return ""
	}
	switch liken(c, read) {
	case asBefore:
		return ""
	case asAfter:
		if !r.open(i, c.After) || read.before.Equal(c.Before) {
			return ""
		}
	}
	if c.Moved && read.old.Equal(c.Before) {
		return differenceInWords(c.Standing, read.before)
	}
	if c.Moved {
		return differenceInWords(c.Before, read.old)
	}
	return differenceInWords(c.Before, read.before)
}

// likeManaged reports whether the object of node i differs at most in what the spec
// leaves open, which is not managed: a service that is to be enabled, and that
// something else starts meanwhile. What the type computes is not that.
func (d *derivation) likeManaged(i int, was, is plans.Object) bool {
	if d.inst(i) == nil || !was.Exists() || !is.Exists() {
		return false
	}
	changed := append(plans.Differ(was, is), plans.Differ(is, was)...)
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if slices.Contains(changed, a.Name) && (computed(a) || !d.nodes[i].plain.GetAttr(a.Name).IsNull()) {
			return false
		}
	}
	return true
}

// open reports whether something that is wanted of node i is not known yet, so
// that nothing can be said to be as it will be. What the type computes is not
// wanted.
func (d *derivation) open(i int, after plans.Object) bool {
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if after.Exists() && !computed(a) && after.Open(a.Name) {
			return true
		}
	}
	return false
}

func differenceInWords(was, is plans.Object) string {
	switch {
	case !was.Exists():
		return "it was not there, and is now"
	case !is.Exists():
		return "it was there, and is not any more"
	}
	names := plans.Differ(is, was)
	for _, n := range plans.Differ(was, is) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + " changed"
}

// recordFound records what was right already when kplan came, and what is not
// as recorded although nothing of it is to change.
func (r *run) recordFound(ctx context.Context) error {
	var results []state.Result
	for i := range r.nodes {
		c := r.nodes[i].change
		if c == nil || r.recordIsRight(*c) || !r.fleet.reachable(c.Addr.Host) {
			continue
		}
		if _, waits := r.heirs[i]; waits { // what it was would be nobody's until the heir's step
			continue
		}
		results = append(results, r.noted(i))
	}
	for _, name := range r.fleet.order {
		if m := r.fleet.members[name]; m.err == nil {
			if h := hostRecord(m); r.now.Hosts[name] != h {
				if err := r.journal.Host(ctx, h); err != nil {
					return err
				}
			}
		}
	}
	for a, cut := range r.now.Interrupted { // nobody asks for these any more
		if _, ok := r.index[a]; !ok {
			r.events.emit(event.Notice{Host: a.Host, Text: fmt.Sprintf("run %s was cut off while it worked on %s, which is neither in the spec nor recorded: it may stand there half made", cut.Run, a)})
			results = append(results, state.Result{Run: r.options.Run, Addr: a, Outcome: string(event.Stopped)})
		}
	}
	if len(results) == 0 {
		return nil
	}
	return r.journal.Result(ctx, results...)
}

// found is what a step that an earlier run was cut off in owes to others: its
// object is as wanted, so that step may have changed it.
func (r *run) found(i int) map[string]state.Debt {
	if _, cut := r.now.Interrupted[r.addr(i)]; !cut {
		return nil
	}
	return r.debts(i)
}

// recordIsRight reports whether what is recorded of an object that needs no
// step is what stands there.
func (r *run) recordIsRight(c plans.Change) bool {
	i := r.index[c.Addr]
	if c.Step != 0 || c.Unseen != "" || r.nodes[i].typ == nil || r.inst(i) == nil || r.nodes[i].typ.IsAct && c.Action != plans.NoOp {
		return true
	}
	rec, ok := r.now.Objects[c.Addr]
	if _, cut := r.now.Interrupted[c.Addr]; cut {
		return false
	}
	if !ok {
		return !r.nodes[i].typ.IsAct && !c.Before.Exists()
	}
	if r.nodes[i].typ.IsAct {
		return rec.InputDigest == c.InputDigest
	}
	want := r.record(i, c.Before, c.Origin)
	return recordedObject(rec).Equal(c.Before) && slices.Equal(rec.Needs, want.Needs) &&
		rec.KeepOnDestroy == want.KeepOnDestroy && rec.PreventDestroy == want.PreventDestroy
}

// record is what the state holds of node i once it is as o.
func (r *run) record(i int, o plans.Object, origin plans.Origin) *state.Object {
	c := r.nodes[i].change
	if r.nodes[i].typ.IsAct {
		o = r.nodes[i].change.After
	}
	rec := &state.Object{
		Addr: c.Addr, Secrets: o.Secrets, Origin: string(origin), InputDigest: c.InputDigest,
	}
	if o.Exists() {
		rec.Attrs = ctyjson.SimpleJSONValue{Value: o.Value}
	}
	if in := r.inst(i); in != nil {
		for _, n := range in.Needs {
			rec.Needs = append(rec.Needs, graph.NeedString(n))
		}
		slices.Sort(rec.Needs)
		rec.Needs = slices.Compact(rec.Needs)
		l := in.Block.Lifecycle
		rec.PreventDestroy = l.PreventDestroy
		rec.KeepOnDestroy = l.Destroy != nil && !*l.Destroy
	}
	return rec
}

// hostRecord is what the state holds of a machine.
func hostRecord(m *member) state.Host {
	c := m.host.Connection
	return state.Host{
		Name: m.host.Name, Address: m.host.Address, HostKey: m.link.HostKey, MachineID: m.contact.MachineID,
		Connection: state.Connection{
			Local: c.Local, Host: c.Host, Port: c.Port, User: c.User, PrivateKeyFile: c.PrivateKeyFile, Agent: c.Agent,
			KnownHostsFile: c.KnownHostsFile, Become: c.Become, BecomeUser: c.BecomeUser, Bastion: c.Bastion,
		},
	}
}
