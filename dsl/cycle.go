package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// maxChain bounds how long a chain of values may be of which each is made of
// the next, since evaluating it takes as much stack.
const maxChain = 1000

// checkCycles refuses values that are made of themselves.
func (s *Spec) checkCycles() hcl.Diagnostics {
	var diags hcl.Diagnostics
	const open, closed = 1, 2
	state := map[valueID]int{}
	var path []edge
	var visit func(e edge)
	visit = func(e edge) {
		switch state[e.to] {
		case closed:
			return
		case open:
			i := slices.IndexFunc(path, func(p edge) bool { return p.to == e.to })
			diags = append(diags, cycle(append(slices.Clone(path[i+1:]), e)))
			return
		}
		if len(path) > maxChain {
			state[e.to] = closed
			diags = append(diags, errorAt(e.rng, "Values too deep", "%s stands at the end of a chain of more than %d values, each made of the next. Shorten it.", e.to, maxChain))
			return
		}
		state[e.to] = open
		path = append(path, e)
		for _, next := range s.edgesOf(e.to) {
			visit(next)
		}
		path = path[:len(path)-1]
		state[e.to] = closed
	}
	for _, v := range s.allValues() {
		visit(edge{to: v})
	}
	return diags
}

// cycle is the error of a cycle; edges are its references, of which the last is
// to the value that the first is in.
func cycle(edges []edge) *hcl.Diagnostic {
	var b strings.Builder
	last := edges[len(edges)-1]
	b.WriteString(last.to.String())
	for _, e := range edges {
		fmt.Fprintf(&b, " → %s (%s)", e.to, at(e.rng))
	}
	return errorAt(last.rng, "Cycle of values", "These values are made of each other: %s. Remove one of the references.", b.String())
}
