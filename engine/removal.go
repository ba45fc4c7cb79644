package engine

import (
	"slices"

	"github.com/kplan/kplan/plans"
)

// What an instance watches changes also where an object of it is removed: a key
// of its for_each, or its host. Such objects are leftovers, about which the plan
// decides last.

// leftBehind are the leftovers that instance i watches and comes behind.
func (d *derivation) leftBehind(i int) []int {
	var nodes []int
	for _, group := range d.graph.Behind[i] {
		nodes = append(nodes, d.graph.After[group]...)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// causes are the nodes that instance i watches and that this plan creates,
// updates, replaces or deletes.
func (d *derivation) causes(i int) []int {
	nodes := d.changed(d.insts[i].OnChange)
	for _, j := range d.leftBehind(i) {
		if c := d.nodes[j].change; c != nil && c.Action == plans.Delete {
			nodes = append(nodes, j)
		}
	}
	return nodes
}

// removals plans the refreshes that deletes call for.
func (d *derivation) removals() {
	for i := range d.graph.Behind {
		c := d.nodes[i].change
		if c == nil || c.Action != plans.NoOp && c.Action != plans.Refresh || d.renewed(i) {
			continue
		}
		c.Action = plans.NoOp
		if d.refreshes(i, c); c.Action == plans.Refresh {
			c.After = d.object(i, d.ignored(i, d.nodes[i].plain, d.nodes[i].reading().before), d.nodes[i].secrets)
		}
	}
}
