package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/plans"
)

// Graph is nodes and what each comes after, ready to be drawn.
type Graph struct {
	Nodes []GraphNode
}

// GraphNode is one box of a graph.
type GraphNode struct {
	ID      string   // unique
	Label   string   // "" for a barrier, which only gathers
	Host    string   // "" where it is on no one host
	Action  string   // of a step
	Note    string   // said below the label
	After   []string // ids
	Barrier bool
}

// The formats of graphs.
const (
	GraphDOT     = "dot"
	GraphMermaid = "mermaid"
	GraphJSON    = "json"
)

// PlanGraph is the steps and barriers of a plan.
func PlanGraph(pl *plans.Plan) *Graph {
	id := func(n plans.Node) string { return fmt.Sprint(int(n)) }
	ids := func(ns []plans.Node) []string {
		out := make([]string, len(ns))
		for i, n := range ns {
			out[i] = id(n)
		}
		return out
	}
	g := &Graph{}
	for _, s := range pl.Steps() {
		g.Nodes = append(g.Nodes, GraphNode{
			ID: id(s.ID), Label: s.Addr.String(), Host: s.Addr.Host, Action: string(s.Action),
			Note: s.Condition, After: ids(s.After),
		})
	}
	for _, b := range pl.Barriers() {
		g.Nodes = append(g.Nodes, GraphNode{ID: id(b.ID), After: ids(b.After), Barrier: true})
	}
	slices.SortStableFunc(g.Nodes, func(a, b GraphNode) int {
		if c := cmp.Compare(len(a.ID), len(b.ID)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return g
}

// Around is the part of the graph that the nodes which match need, or that
// needs them. Barriers are followed through.
func (g *Graph) Around(match func(GraphNode) bool) *Graph {
	after, before := map[string][]string{}, map[string][]string{}
	for _, n := range g.Nodes {
		after[n.ID] = n.After
		for _, a := range n.After {
			before[a] = append(before[a], n.ID)
		}
	}
	keep := map[string]bool{}
	var follow func(id string, edges map[string][]string, seen map[string]bool)
	follow = func(id string, edges map[string][]string, seen map[string]bool) {
		if seen[id] {
			return
		}
		seen[id], keep[id] = true, true
		for _, next := range edges[id] {
			follow(next, edges, seen)
		}
	}
	down, up := map[string]bool{}, map[string]bool{}
	for _, n := range g.Nodes {
		if match(n) {
			follow(n.ID, after, down)
			follow(n.ID, before, up)
		}
	}
	out := &Graph{}
	for _, n := range g.Nodes {
		if keep[n.ID] {
			n.After = slices.DeleteFunc(slices.Clone(n.After), func(id string) bool { return !keep[id] })
			out.Nodes = append(out.Nodes, n)
		}
	}
	return out
}

// Graph writes a graph to standard output.
func (v *View) Graph(g *Graph, format string) {
	switch format {
	case GraphJSON:
		v.JSON(graphJSON(g))
	case GraphMermaid:
		p := newPage(v.out)
		mermaid(p, g)
		v.print(p)
	default:
		p := newPage(v.out)
		dot(p, g)
		v.print(p)
	}
}

func graphJSON(g *Graph) []byte {
	nodes := []message{}
	for _, n := range g.Nodes {
		m := message{"id": n.ID, "after": n.After}
		if n.After == nil {
			m["after"] = []string{}
		}
		kind := "resource"
		switch {
		case n.Barrier:
			kind = "barrier"
		case n.Action != "":
			kind = "step"
		}
		m["kind"] = kind
		for key, text := range map[string]string{"address": n.Label, "host": n.Host, "action": n.Action, "note": n.Note} {
			if text != "" {
				m[key] = text
			}
		}
		nodes = append(nodes, m)
	}
	return marshal(message{"format_version": "1.0", "nodes": nodes})
}

// lanes are the hosts of a graph in the order in which they first come, and
// their nodes.
func (g *Graph) lanes() (hosts []string, nodes map[string][]GraphNode) {
	nodes = map[string][]GraphNode{}
	for _, n := range g.Nodes {
		if _, ok := nodes[n.Host]; !ok {
			hosts = append(hosts, n.Host)
		}
		nodes[n.Host] = append(nodes[n.Host], n)
	}
	slices.Sort(hosts)
	return hosts, nodes
}

// dot writes a graph in the language of Graphviz: a cluster for each host, and
// arrows from what comes first.
func dot(p *page, g *Graph) {
	p.say(plain, "digraph kplan {")
	p.say(plain, "  rankdir = LR;")
	p.say(plain, `  node [shape = box, fontname = "sans-serif"];`)
	hosts, nodes := g.lanes()
	for i, h := range hosts {
		indent := "  "
		if h != "" {
			p.sayf("  subgraph cluster_%d {", i)
			p.say(plain, "    label = "+dotString(h)+";")
			indent = "    "
		}
		for _, n := range nodes[h] {
			if n.Barrier {
				p.say(plain, indent+dotString(n.ID)+` [shape = point, label = ""];`)
				continue
			}
			p.say(plain, indent+dotString(n.ID)+" [label = "+dotString(strings.Join(n.words(), "\n"))+"];")
		}
		if h != "" {
			p.say(plain, "  }")
		}
	}
	for _, n := range g.Nodes {
		for _, a := range n.After {
			p.say(plain, "  "+dotString(a)+" -> "+dotString(n.ID)+";")
		}
	}
	p.say(plain, "}")
}

// words are the lines of a node's label.
func (n GraphNode) words() []string {
	label := n.Label
	if n.Host != "" {
		label = strings.TrimSuffix(label, "@"+n.Host)
	}
	if n.Action != "" {
		label = n.Action + " " + label
	}
	if n.Note != "" {
		return []string{label, n.Note}
	}
	return []string{label}
}

func dotString(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
	return `"` + s + `"`
}

// mermaid writes a graph as a Mermaid flowchart.
func mermaid(p *page, g *Graph) {
	p.say(plain, "flowchart LR")
	hosts, nodes := g.lanes()
	for i, h := range hosts {
		indent := "  "
		if h != "" {
			p.sayf("  subgraph h%d[%s]", i, mermaidString(h))
			indent = "    "
		}
		for _, n := range nodes[h] {
			if n.Barrier {
				p.say(plain, indent+mermaidID(n.ID)+"(( ))")
				continue
			}
			p.say(plain, indent+mermaidID(n.ID)+"["+mermaidString(strings.Join(n.words(), "\n"))+"]")
		}
		if h != "" {
			p.say(plain, "  end")
		}
	}
	for _, n := range g.Nodes {
		for _, a := range n.After {
			p.say(plain, "  "+mermaidID(a)+" --> "+mermaidID(n.ID))
		}
	}
}

// mermaidID is an id that is no word of Mermaid's.
func mermaidID(id string) string {
	var b strings.Builder
	b.WriteByte('n')
	for _, r := range id {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "_%x_", r)
		}
	}
	return b.String()
}

// mermaidString is a label: quoted, with entities for what would end it or be
// markup.
func mermaidString(s string) string {
	s = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "#", "&#35;", "`", "&#96;", "\n", "<br>").Replace(s)
	return `"` + s + `"`
}
