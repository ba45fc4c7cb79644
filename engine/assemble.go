package engine

import (
	"fmt"
	"slices"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
)

// target and compareAddr shorten what is used often here.
type target = addr.Target

func compareAddr(a, b addr.Instance) int { return addr.Compare(a, b) }

// fan is how many steps another may wait for one by one; what waits for more
// waits at a barrier, so that edges do not multiply.
const fan = 8

// assembler gives ids to the steps in an order of the graph and carries "waits
// for" through nodes that need no step.
type assembler struct {
	d       *derivation
	c       *plans.Content
	ends    [][]plans.Node // by node: what must have ended once the node is done
	barrier []bool         // by node: ends is a barrier's id
	next    plans.Node
}

// assemble fills the steps and barriers of c.
func (d *derivation) assemble(c *plans.Content) {
	n := 0
	for i := range d.nodes {
		if ch := d.nodes[i].change; ch != nil && ch.Action != plans.NoOp {
			n++
		}
	}
	c.Steps = make([]plans.Step, 0, n)
	a := &assembler{d: d, c: c, ends: make([][]plans.Node, d.graph.Len()), barrier: make([]bool, d.graph.Len()), next: 1}
	for _, n := range d.graph.Order {
		var after []plans.Node
		if n < d.graph.Leftovers && d.nodes[n].acts() {
			for _, m := range d.graph.After[n] {
				after = append(after, a.waits(m)...)
			}
			for _, m := range d.graph.Behind[n] {
				after = append(after, a.waits(m)...)
			}
			a.step(n, compact(after))
			continue
		}
		for _, m := range d.graph.After[n] {
			after = append(after, a.ends[m]...)
		}
		a.ends[n] = compact(after)
	}
	a.forgets()
}

// forgets come last, as nothing waits for them: each after the step of the
// instance that takes its object over, so that it has one record at any time.
func (a *assembler) forgets() {
	for n := a.d.graph.Instances; n < a.d.graph.Leftovers; n++ {
		if c := a.d.nodes[n].change; c != nil && c.Action == plans.Forget {
			var after []plans.Node
			if heir, ok := a.d.claimant(n); ok && a.d.nodes[heir].change != nil && a.d.nodes[heir].change.Step != 0 {
				after = []plans.Node{a.d.nodes[heir].change.Step}
			}
			a.step(n, after)
		}
	}
}

// waits is what a step that comes after node m waits for.
func (a *assembler) waits(m int) []plans.Node {
	if len(a.ends[m]) > fan && !a.barrier[m] {
		a.c.Barriers = append(a.c.Barriers, plans.Barrier{ID: a.next, After: a.ends[m]})
		a.ends[m] = []plans.Node{a.next}
		a.barrier[m] = true
		a.next++
	}
	return a.ends[m]
}

func compact(nodes []plans.Node) []plans.Node {
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

func (a *assembler) step(n int, after []plans.Node) {
	d, ch, t := a.d, a.d.nodes[n].change, a.d.nodes[n].typ
	s := plans.Step{ID: a.next, Addr: ch.Addr, Action: ch.Action, After: after, Strict: ch.Action.Strict()}
	if t != nil {
		s.Once = t.Once
		s.Strict = s.Strict || t.Once || t.Merges
	}
	if in := d.inst(n); in != nil {
		want := d.nodes[n].plain
		_, cut := d.cutOff(n)
		causes := d.causes(n)
		if d.renewed(n) { // the replacement comes to a refresh
			causes = append(causes, d.changed(in.Triggers)...)
		}
		s.Owed = (len(d.in.State.Debts(ch.Addr)) > 0 || cut != "" || d.renewed(n) && d.forced(n)) && t.RefreshWord() != ""
		if t.RefreshWord() != "" {
			for _, j := range causes {
				if d.nodes[j].change.Step != 0 {
					s.Causes = append(s.Causes, d.nodes[j].change.Step)
				}
			}
		}
		if ch.Action != plans.Forget {
			s.Disrupts = t.Disrupts(want, ch.Before.Value)
		}
		s.Condition = t.Condition(want)
		if ch.Action == plans.Refresh && !s.Owed {
			s.Condition = fmt.Sprintf("only if %s changes", d.list(causes, ch.Addr.Host))
		}
	}
	s.Peers, s.Via = d.actsOn(n), d.nodes[n].via.String()
	if s.At = d.at(n); s.At != "" {
		s.Peers = nil
	}
	ch.Step = a.next
	a.c.Steps = append(a.c.Steps, s)
	a.ends[n] = []plans.Node{a.next}
	a.barrier[n] = true
	a.next++
}
