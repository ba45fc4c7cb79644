// Package graph puts resource instances and recorded leftovers into one
// dependency graph and finds its order or its cycles. It knows who waits for
// whom; it knows neither values nor machines.
package graph

import (
	"iter"
	"maps"
	"slices"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
)

// Leftover is a recorded object that no instance of the spec stands for.
type Leftover struct {
	Addr addr.Instance
	// Needs are what the object was built on, in the form of NeedString.
	Needs []string
	// LetGo says that its machine is let go: it waits for nothing that stood on it.
	LetGo bool
}

// Graph is the nodes 0 to Len()-1 and what each waits for: first the
// instances, then the leftovers, in the order given; then groups, which stand
// for many nodes at once so that n waiting for m costs n+m edges.
type Graph struct {
	After     [][]int // what each node waits for, ascending
	Order     []int   // all nodes, each after what it waits for; ties in order of the index
	Instances int     // nodes below are instances
	Leftovers int     // nodes below are instances or leftovers
	// Behind are groups of leftovers that an instance watches: what is done about
	// these comes before it, although it does not need them. It is empty where
	// that would be a cycle.
	Behind map[int][]int
	// Watchers are the instances that watch a leftover, ascending.
	Watchers map[int][]int
}

// Len is the number of nodes.
func (g *Graph) Len() int { return len(g.After) }

// Before are the nodes that node n waits for, by whatever lies between, each
// once and in no order.
func (g *Graph) Before(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		seen := make([]bool, g.Len())
		for next := slices.Clone(g.After[n]); len(next) > 0; {
			a := next[len(next)-1]
			next = next[:len(next)-1]
			if seen[a] {
				continue
			}
			seen[a] = true
			if !yield(a) {
				return
			}
			next = append(next, g.After[a]...)
		}
	}
}

// NeedString is a need as state records it: TYPE.NAME[KEY]@HOST, with @* for
// all hosts.
func NeedString(n dsl.Need) string {
	s := n.Resource.String()
	if n.Key != nil {
		s += n.Key.String()
	}
	if n.Host == "" {
		return s + "@*"
	}
	return s + "@" + n.Host
}

// forms are the needs that an object at a answers to.
func forms(a addr.Instance) []string {
	r := a.Resource.String()
	out := []string{r + "@" + a.Host, r + "@*"}
	if !a.Key.IsZero() {
		k := a.Key.String()
		out = append(out, r+k+"@"+a.Host, r+k+"@*")
	}
	return out
}

// Build makes the graph. recorded gives the recorded needs of an instance that
// is still in the spec, so that a leftover goes after those that stood on it,
// but for those that watch it and what needs these. single says of a resource
// whether what is done about it on its hosts is done one after the other: about
// leftovers whose machines are let go, then its instances, then its other
// leftovers, the last first. The error is a
// *CycleError.
func Build(insts []*dsl.Instance, leftovers []Leftover, recorded func(addr.Instance) []string, single func(addr.Resource) bool) (*Graph, error) {
	g := build(insts, leftovers, recorded, single, true)
	ordered := g.sort()
	if !ordered && len(g.Behind) > 0 {
		g = build(insts, leftovers, recorded, single, false)
		ordered = g.sort()
	}
	if !ordered {
		return nil, g.cycle(insts)
	}
	return g, nil
}

// build makes the graph without its order; watching says whether instances come
// behind the leftovers that they watch.
func build(insts []*dsl.Instance, leftovers []Leftover, recorded func(addr.Instance) []string, single func(addr.Resource) bool, watching bool) *Graph {
	b := &builder{
		insts:  insts,
		byRes:  map[addr.Resource][]int{},
		groups: map[groupKey]int{},
	}
	b.after = make([][]int, len(insts)+len(leftovers))
	for i, in := range insts {
		b.byRes[in.Addr.Resource] = append(b.byRes[in.Addr.Resource], i)
	}
	for i, in := range insts {
		for _, n := range in.Needs {
			if to := b.target(n); to >= 0 {
				b.after[i] = append(b.after[i], to)
			}
		}
	}
	g := &Graph{Instances: len(insts), Leftovers: len(insts) + len(leftovers)}
	b.leftovers(leftovers, recorded, watching)
	b.oneByOne(leftovers, single)
	for i := range b.after {
		slices.Sort(b.after[i])
		b.after[i] = slices.Compact(b.after[i])
	}
	g.After, g.Behind, g.Watchers = b.after, b.behind, b.watchers
	return g
}

type groupKey struct {
	res  addr.Resource
	host string // "" for all hosts
}

type builder struct {
	insts  []*dsl.Instance
	byRes  map[addr.Resource][]int
	onHost map[groupKey][]int
	groups map[groupKey]int
	after  [][]int

	behind   map[int][]int
	watchers map[int][]int
}

// target is the node that stands for what n needs; -1 where there is nothing.
func (b *builder) target(n dsl.Need) int {
	key := groupKey{n.Resource, n.Host}
	if n.Key != nil {
		return b.keyed(n)
	}
	if g, ok := b.groups[key]; ok {
		return g
	}
	members := b.byRes[n.Resource]
	if n.Host != "" {
		members = b.members(key)
	}
	switch len(members) {
	case 0:
		return -1
	case 1:
		return members[0]
	}
	return b.group(key, members)
}

// keyed is the node for the instances with one key: few at most, or a group.
func (b *builder) keyed(n dsl.Need) int {
	members := b.byRes[n.Resource]
	if n.Host != "" {
		members = b.members(groupKey{n.Resource, n.Host})
	}
	var match []int
	for _, m := range members {
		if b.insts[m].Addr.Key == *n.Key {
			match = append(match, m)
		}
	}
	switch len(match) {
	case 0:
		return -1
	case 1:
		return match[0]
	}
	res := n.Resource
	res.Name += n.Key.String() // a key of its own in groups: brackets are in no name
	key := groupKey{res, n.Host}
	if g, ok := b.groups[key]; ok {
		return g
	}
	return b.group(key, match)
}

func (b *builder) members(key groupKey) []int {
	if b.onHost == nil {
		b.onHost = map[groupKey][]int{}
		for i, in := range b.insts {
			k := groupKey{in.Addr.Resource, in.Addr.Host}
			b.onHost[k] = append(b.onHost[k], i)
		}
	}
	return b.onHost[key]
}

func (b *builder) group(key groupKey, members []int) int {
	g := len(b.after)
	b.after = append(b.after, members)
	b.groups[key] = g
	return g
}

// oneByOne lets what is the same resource on several hosts wait for each other.
func (b *builder) oneByOne(left []Leftover, single func(addr.Resource) bool) {
	last := map[addr.Instance]int{} // by address without the host
	wait := func(i int, a addr.Instance) {
		if !single(a.Resource) {
			return
		}
		a.Host = ""
		if before, ok := last[a]; ok {
			b.after[i] = append(b.after[i], before)
		}
		last[a] = i
	}
	leave := func(gone bool) {
		for i, l := range slices.Backward(left) {
			if l.LetGo == gone {
				wait(len(b.insts)+i, l.Addr)
			}
		}
	}
	leave(true)
	for i, in := range b.insts {
		wait(i, in.Addr)
	}
	leave(false)
}

// leftovers lets each leftover wait for all that stood on it: other leftovers
// and instances whose recorded needs name it.
func (b *builder) leftovers(left []Leftover, recorded func(addr.Instance) []string, watching bool) {
	if len(left) == 0 {
		return
	}
	answers := map[string][]int{} // need → leftovers that answer to it
	for i, l := range left {
		for _, f := range forms(l.Addr) {
			answers[f] = append(answers[f], len(b.insts)+i)
		}
	}
	watched := b.watch(answers, watching)
	kinds := map[string][]string{} // need → what the leftovers are watched as
	for n, ls := range answers {
		for _, l := range ls {
			if as := watched.as[l]; !slices.Contains(kinds[n], as) {
				kinds[n] = append(kinds[n], as)
			}
		}
	}
	type gate struct{ need, as string }
	gates := map[gate]int{} // node that waits for all who had the need
	stood := func(node int, needs []string) {
		for _, n := range needs {
			for _, as := range kinds[n] {
				if watched.late[as][node] {
					continue
				}
				g, ok := gates[gate{n, as}]
				if !ok {
					g = len(b.after)
					gates[gate{n, as}] = g
					b.after = append(b.after, nil)
					for _, l := range answers[n] {
						if watched.as[l] == as && !left[l-len(b.insts)].LetGo {
							b.after[l] = append(b.after[l], g)
						}
					}
				}
				b.after[g] = append(b.after[g], node)
			}
		}
	}
	for i, in := range b.insts {
		stood(i, recorded(in.Addr))
	}
	for i, l := range left {
		stood(len(b.insts)+i, l.Needs)
	}
}

// watch is which leftovers are watched, and by whom.
type watch struct {
	as   map[int]string          // leftover → the needs that it is watched by; "" where by none
	late map[string]map[int]bool // such needs → the watchers and all that needs these, none of which is waited for
}

// watch finds the leftovers that answer to what instances watch. Their watchers
// come behind them, where that is wanted.
func (b *builder) watch(answers map[string][]int, behind bool) watch {
	w := watch{as: map[int]string{}, late: map[string]map[int]bool{}}
	b.watchers = map[int][]int{}
	groups := map[string]int{}
	for i, in := range b.insts {
		for _, n := range in.OnChange {
			need := NeedString(n)
			for _, l := range answers[need] {
				if at := b.watchers[l]; len(at) == 0 || at[len(at)-1] != i {
					b.watchers[l] = append(at, i)
				}
			}
			if len(answers[need]) == 0 || !behind {
				continue
			}
			g, ok := groups[need]
			if !ok {
				g = len(b.after)
				groups[need] = g
				b.after = append(b.after, slices.Clone(answers[need]))
			}
			if b.behind == nil {
				b.behind = map[int][]int{}
			}
			b.behind[i] = append(b.behind[i], g)
		}
	}
	if b.behind == nil {
		return w
	}
	for _, need := range slices.Sorted(maps.Keys(groups)) {
		for _, l := range answers[need] {
			w.as[l] += need + " "
		}
	}
	next := b.next()
	for l, needs := range w.as {
		if w.late[needs] == nil {
			w.late[needs] = reach(next, b.watchers[l])
		}
	}
	return w
}

// next is who waits for each node.
func (b *builder) next() [][]int {
	next := make([][]int, len(b.after))
	for i, after := range b.after {
		for _, a := range after {
			next[a] = append(next[a], i)
		}
	}
	return next
}

// reach is all that comes after nodes from, and these.
func reach(next [][]int, from []int) map[int]bool {
	seen := map[int]bool{}
	for queue := slices.Clone(from); len(queue) > 0; queue = queue[1:] {
		if n := queue[0]; !seen[n] {
			seen[n] = true
			queue = append(queue, next[n]...)
		}
	}
	return seen
}

// sort fills Order (Kahn's algorithm over slices: gonum's sort needs maps of
// nodes, fifty times the time on a large graph) and reports whether all nodes
// found a place.
func (g *Graph) sort() bool {
	pending := make([]int, g.Len())
	next := make([][]int, g.Len())
	for i, after := range g.After {
		pending[i] = len(after) + len(g.Behind[i])
		for _, a := range after {
			next[a] = append(next[a], i)
		}
		for _, a := range g.Behind[i] {
			next[a] = append(next[a], i)
		}
	}
	g.Order = make([]int, 0, g.Len())
	var ready []int
	for i, p := range pending {
		if p == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		var following []int
		for _, i := range ready {
			g.Order = append(g.Order, i)
			for _, n := range next[i] {
				if pending[n]--; pending[n] == 0 {
					following = append(following, n)
				}
			}
		}
		slices.Sort(following)
		ready = following
	}
	return len(g.Order) == g.Len()
}
