package engine

import (
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// An instance that has another identity now, and leaves its old object to an
// instance that claims it, has one record, and that is of the new object. Until
// the heir's step has recorded the old one, nothing would tell that kplan made
// it. So the leaver's record waits for the heir's step where the leaver has no
// step, and is handed to the heir first where it has one.

// findHeirs fills heirs and leavers: of the heirs that have a step.
func (r *run) findHeirs() {
	r.heirs, r.leavers = map[int]int{}, map[int][]int{}
	for i := range r.insts {
		c := r.nodes[i].change
		if c == nil || c.Left == "" {
			continue
		}
		heir, ok := r.claimant(i)
		if !ok || r.nodes[heir].change == nil || r.nodes[heir].change.Step == 0 {
			continue
		}
		r.heirs[i] = heir
		if c.Step == 0 {
			r.leavers[heir] = append(r.leavers[heir], i)
		}
	}
}

// noted records what was found of node i, which needs no step.
func (r *run) noted(i int) state.Result {
	c := r.nodes[i].change
	found := state.Result{Run: r.options.Run, Addr: c.Addr, Outcome: string(event.Already), Records: true, Owes: r.found(i)}
	if r.nodes[i].typ.IsAct || c.Before.Exists() {
		found.Object = r.record(i, c.Before, c.Origin)
	}
	return found
}

// handOver is the record of what node i was, for the heir whose step is still to
// come. An heir that has an old object of its own to delete keeps its record.
func (r *run) handOver(i int) []state.Result {
	heir, ok := r.heirs[i]
	rec := r.now.Objects[r.addr(i)]
	if !ok || rec.Origin != string(plans.Created) || r.nodes[heir].typ != r.nodes[i].typ || r.nodes[heir].change.Moved ||
		r.outcome[r.place[r.nodes[heir].change.Step]] != "" {
		return nil
	}
	if _, cut := r.now.Interrupted[r.addr(heir)]; cut { // the record would hide that
		return nil
	}
	rec.Addr, rec.Debts = r.addr(heir), nil
	return []state.Result{{Run: r.options.Run, Addr: rec.Addr, Outcome: string(event.Already), Records: true, Object: &rec}}
}
