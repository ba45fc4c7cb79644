package dsl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// valueKind is what has a value of its own.
type valueKind byte

const (
	kindVar valueKind = iota
	kindLocal
	kindOutput
	kindCall  // for_each or count of a call, in the node that calls
	kindHosts // all hosts
)

// valueID is a value in the tree of calls.
type valueID struct {
	node *node
	kind valueKind
	name string
}

func (v valueID) String() string {
	var s string
	switch v.kind {
	case kindVar:
		s = "var." + v.name
	case kindLocal:
		s = "local." + v.name
	case kindOutput:
		s = "output." + v.name
	case kindCall:
		s = "module." + v.name
	case kindHosts:
		return "hosts"
	}
	if p := v.node.path(); p != "" {
		s = p + "." + s
	}
	return s
}

// short is how chains write the value.
func (v valueID) short() string {
	if v.kind == kindOutput && v.node.parent != nil {
		return "module." + v.node.call.name + "." + v.name
	}
	s := v.String()
	if v.kind != kindCall {
		if p := v.node.path(); p != "" {
			s = strings.TrimPrefix(s, p+".")
		}
	}
	return s
}

// within is the expressions that make a value, and the node they stand in.
func (s *Spec) within(v valueID) (*node, []*expr) {
	n := v.node
	switch v.kind {
	case kindVar:
		if n.parent == nil {
			return n, nil
		}
		if a := n.call.args[v.name]; a != nil {
			return n.parent, []*expr{a}
		}
		return n.parent, nil
	case kindLocal:
		return n, []*expr{n.mod.locals[v.name].expr}
	case kindOutput:
		return n, []*expr{n.mod.outputs[v.name].value}
	case kindCall:
		if e := n.mod.calls[v.name].each.expr(); e != nil {
			return n, []*expr{e}
		}
		return n, nil
	}
	var all []*expr
	for _, h := range n.mod.hosts {
		if h.forEach != nil {
			all = append(all, h.forEach)
		}
		for _, name := range hostArgs {
			if a := h.args[name]; a != nil {
				all = append(all, a)
			}
		}
	}
	return n, all
}

// edge is a reference from one value to another.
type edge struct {
	to  valueID
	rng hcl.Range
}

// edges is the values that a reference in node n is to. Results and facts are
// no values here: what an expression waits for is not what it is made of.
func (s *Spec) edges(n *node, r ref) []edge {
	switch r.kind {
	case refVar:
		return []edge{{valueID{n, kindVar, r.name}, r.rng}}
	case refLocal:
		return []edge{{valueID{n, kindLocal, r.name}, r.rng}}
	case refHost, refHosts, refRole:
		return []edge{{valueID{s.root, kindHosts, ""}, r.rng}}
	case refModule:
		child := n.children[r.name]
		if child == nil {
			return nil
		}
		all := []edge{{valueID{n, kindCall, r.name}, r.rng}}
		if r.attr != "" {
			return append(all, edge{valueID{child, kindOutput, r.attr}, r.rng})
		}
		for _, o := range slices.Sorted(maps.Keys(child.mod.outputs)) {
			all = append(all, edge{valueID{child, kindOutput, o}, r.rng})
		}
		return all
	}
	return nil
}

// edgesOf is all references of a value to other values.
func (s *Spec) edgesOf(v valueID) []edge {
	n, exprs := s.within(v)
	var all []edge
	for _, e := range exprs {
		for _, r := range e.refs {
			all = append(all, s.edges(n, r)...)
		}
	}
	if v.kind == kindVar && v.node.parent != nil {
		all = append(all, edge{valueID{n, kindCall, v.node.call.name}, v.node.call.rng})
	}
	return all
}

// allValues is every value of the tree, in a fixed order.
func (s *Spec) allValues() []valueID {
	all := []valueID{{s.root, kindHosts, ""}}
	for _, n := range s.nodes() {
		for _, name := range slices.Sorted(maps.Keys(n.mod.variables)) {
			all = append(all, valueID{n, kindVar, name})
		}
		for _, name := range slices.Sorted(maps.Keys(n.mod.locals)) {
			all = append(all, valueID{n, kindLocal, name})
		}
		for _, name := range slices.Sorted(maps.Keys(n.mod.outputs)) {
			all = append(all, valueID{n, kindOutput, name})
		}
		for _, name := range slices.Sorted(maps.Keys(n.children)) {
			all = append(all, valueID{n, kindCall, name})
		}
	}
	return all
}

// reasonWhy says why a value is not static: what it is made of, and so on down
// to what is known later only.
type reasonWhy struct {
	leaf string // what is known later, such as file.x
	via  *valueID
	// host is set where nothing but each.host stands in the way.
	host bool
}

// dynamicRef says why a reference in node n is not static, nil where it is.
func (s *Spec) dynamicRef(n *node, r ref) *reasonWhy {
	switch r.kind {
	case refResource, refAll, refFacts, refOwnFacts, refSelf:
		return &reasonWhy{leaf: r.String()}
	case refEachHost:
		return &reasonWhy{leaf: "each.host", host: true}
	}
	for _, e := range s.edges(n, r) {
		if s.dynamic(e.to) != nil {
			return &reasonWhy{via: &e.to}
		}
	}
	return nil
}

// dynamic says why a value is not static, nil where it is. There must be no
// cycles. After Load all reasons are known, so that nothing is written.
func (s *Spec) dynamic(v valueID) *reasonWhy {
	why, ok := s.reasons[v]
	if ok {
		return why
	}
	n, exprs := s.within(v)
	for _, e := range exprs {
		for _, r := range e.refs {
			if why = s.dynamicRef(n, r); why != nil {
				s.reasons[v] = why
				return why
			}
		}
	}
	s.reasons[v] = nil
	return nil
}

// chain writes how name comes to be not static.
func (s *Spec) chain(name string, why *reasonWhy) string {
	for why.via != nil {
		name += " ← " + why.via.short()
		why = s.dynamic(*why.via)
	}
	return name + " ← " + why.leaf
}

// throughHosts reports whether a reason leads through the hosts' own blocks,
// where it is reported.
func (s *Spec) throughHosts(why *reasonWhy) bool {
	for ; why.via != nil; why = s.dynamic(*why.via) {
		if why.via.kind == kindHosts {
			return true
		}
	}
	return false
}

// checkStatic refuses references to what is known later only, where the spec's
// shape or a connection depends on them. It goes by reference and not by value,
// since values hide it.
func (s *Spec) checkStatic() hcl.Diagnostics {
	var diags hcl.Diagnostics
	s.findSecrets()
	for _, v := range s.allValues() {
		s.dynamic(v)
	}
	for _, n := range s.nodes() {
		one := func(e *expr) {
			if e == nil {
				return
			}
			for _, r := range e.refs {
				if why := s.dynamicRef(n, r); why != nil && !s.throughHosts(why) {
					diags = append(diags, errorAt(r.rng, "Not known before hosts are read",
						"%s is needed before any host is read. It may use variables, local values, hosts and functions, but no fact, no result and nothing that depends on a host: %s.",
						e.name, s.chain(e.name, why)))
				}
			}
		}
		for _, o := range n.mod.ordered {
			if c := o.call; c != nil {
				one(c.each.expr())
				continue
			}
			one(o.resource.each.expr())
			one(o.resource.on)
			diags = append(diags, s.checkIdentity(n, o.resource)...)
			for _, name := range slices.Sorted(maps.Keys(o.resource.meta)) {
				one(o.resource.meta[name])
			}
		}
		for _, h := range n.mod.hosts {
			one(h.forEach)
			for _, name := range hostArgs {
				one(h.args[name])
			}
			h.connection.visit(one)
		}
		n.mod.connection.visit(one)
	}
	return diags
}

// visit calls f with each argument, also those of the bootstrap.
func (c *connectionBlock) visit(f func(*expr)) {
	if c == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.args)) {
		f(c.args[name])
	}
	c.bootstrap.visit(f)
}
