package engine

import (
	"fmt"
	"slices"

	"github.com/kplan/kplan/plans"
)

// stirred reports whether this plan changes something on the machine of instance
// i that i comes after, however far, and c says what: that may make i due, which
// is not due as the machine stands. Where there is nothing, nothing can.
func (d *derivation) stirred(i int, c *plans.Change) bool {
	host := c.Addr.Host
	var changes []int
	for n := range d.graph.Before(i) {
		if n < d.graph.Instances && d.nodes[n].acts() && (d.addr(n).Host == host || slices.Contains(d.actsOn(n), host)) {
			changes = append(changes, n)
		}
	}
	if len(changes) == 0 {
		return false
	}
	slices.Sort(changes)
	c.Reason = fmt.Sprintf("because of %s", d.list(changes, host))
	return true
}
