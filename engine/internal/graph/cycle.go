package graph

import (
	"slices"

	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/iterator"
	"gonum.org/v1/gonum/graph/topo"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
)

// Edge is a reference that closes a cycle; Need is zero where two instances wait
// for each other only because they come one by one.
type Edge struct {
	From, To int
	Need     dsl.Need
}

// CycleError is a set of instances that wait for each other.
type CycleError struct {
	Edges []Edge // in order around the cycle
}

func (e *CycleError) Error() string { return "instances wait for each other" }

// cycle finds a shortest cycle of instances with gonum's strongly connected
// components.
func (g *Graph) cycle(insts []*dsl.Instance) error {
	var component []int
	for _, scc := range topo.TarjanSCC(directed{g}) {
		if len(scc) < 2 && !g.waits(int(scc[0].ID()), int(scc[0].ID())) {
			continue
		}
		if component != nil && len(scc) >= len(component) {
			continue
		}
		component = nil
		for _, n := range scc {
			component = append(component, int(n.ID()))
		}
	}
	slices.Sort(component)
	return &CycleError{Edges: g.shortest(component, insts)}
}

func (g *Graph) waits(i, j int) bool { return slices.Contains(g.After[i], j) }

// shortest is a shortest cycle through the lowest instance of component,
// groups left out.
func (g *Graph) shortest(component []int, insts []*dsl.Instance) []Edge {
	start := component[0]
	from := map[int]int{}
	queue := []int{start}
search:
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, a := range g.After[n] {
			if a == start {
				from[-1] = n
				break search
			}
			if _, seen := from[a]; !seen && slices.Contains(component, a) {
				from[a] = n
				queue = append(queue, a)
			}
		}
	}
	path := []int{start} // backwards
	for n := from[-1]; n != start; n = from[n] {
		path = append(path, n)
	}
	slices.Reverse(path[1:])
	path = slices.DeleteFunc(path, func(n int) bool { return n >= len(insts) })
	edges := make([]Edge, len(path))
	for i, n := range path {
		to := path[(i+1)%len(path)]
		edges[i] = Edge{From: n, To: to, Need: needFor(insts[n], insts[to].Addr)}
	}
	return edges
}

// needFor is the need of in that a answers to.
func needFor(in *dsl.Instance, a addr.Instance) dsl.Need {
	for _, n := range in.Needs {
		if slices.Contains(forms(a), NeedString(n)) {
			return n
		}
	}
	return dsl.Need{}
}

// directed shows a Graph to gonum, without a copy.
type directed struct{ g *Graph }

type node int64

// ID is the index of the node.
func (n node) ID() int64 { return int64(n) }

func (d directed) Node(id int64) graph.Node {
	if id < 0 || id >= int64(d.g.Len()) {
		return nil
	}
	return node(id)
}

func (d directed) Nodes() graph.Nodes {
	nodes := make([]graph.Node, d.g.Len())
	for i := range nodes {
		nodes[i] = node(i)
	}
	return iterator.NewOrderedNodes(nodes)
}

func (d directed) From(id int64) graph.Nodes {
	nodes := make([]graph.Node, len(d.g.After[id]))
	for i, a := range d.g.After[id] {
		nodes[i] = node(a)
	}
	return iterator.NewOrderedNodes(nodes)
}

func (d directed) To(id int64) graph.Nodes {
	var nodes []graph.Node
	for i := range d.g.After {
		if d.g.waits(i, int(id)) {
			nodes = append(nodes, node(i))
		}
	}
	return iterator.NewOrderedNodes(nodes)
}

func (d directed) HasEdgeFromTo(u, v int64) bool { return d.g.waits(int(u), int(v)) }

func (d directed) HasEdgeBetween(x, y int64) bool {
	return d.HasEdgeFromTo(x, y) || d.HasEdgeFromTo(y, x)
}

func (d directed) Edge(u, v int64) graph.Edge {
	if !d.HasEdgeFromTo(u, v) {
		return nil
	}
	return edge{node(u), node(v)}
}

type edge struct{ from, to graph.Node }

func (e edge) From() graph.Node         { return e.from }
func (e edge) To() graph.Node           { return e.to }
func (e edge) ReversedEdge() graph.Edge { return edge{e.to, e.from} }
