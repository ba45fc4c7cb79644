package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// indexedFacts is the names of facts in facts[…].name, by the range of facts.
func indexedFacts(e hcl.Expression) map[hcl.Range]string {
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return nil
	}
	var names map[hcl.Range]string
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics { //nolint:errcheck // it reports nothing
		rel, ok := n.(*hclsyntax.RelativeTraversalExpr)
		if !ok {
			return nil
		}
		index, ok := hcl.UnwrapExpression(rel.Source).(*hclsyntax.IndexExpr)
		if !ok {
			return nil
		}
		if t, diags := hcl.AbsTraversalForExpr(index.Collection); !diags.HasErrors() && t.RootName() == "facts" && len(t) == 1 {
			if names == nil {
				names = map[hcl.Range]string{}
			}
			names[t.SourceRange()] = step(rel.Traversal, 0)
		}
		return nil
	})
	return names
}

// allRefs is the references of all expressions, each once.
func (s *Spec) allRefs() []ref {
	var all []ref
	for _, m := range s.modules {
		m.expressions(func(e *expr) { all = append(all, e.refs...) })
		for _, r := range m.resources {
			all = slices.Concat(all, r.dependsOn, r.onChange, r.triggers)
		}
	}
	return all
}

// expressions calls f with every expression of the module.
func (m *module) expressions(f func(*expr)) {
	each := func(es ...*expr) {
		for _, e := range es {
			if e != nil {
				f(e)
			}
		}
	}
	conditions := func(cs []*condition) {
		for _, c := range cs {
			each(c.cond, c.message)
		}
	}
	for _, v := range m.variables {
		each(v.def)
		conditions(v.validations)
	}
	for _, l := range m.locals {
		each(l.expr)
	}
	for _, o := range m.outputs {
		each(o.value)
	}
	for _, k := range m.checks {
		conditions(k.asserts)
	}
	for _, c := range m.calls {
		each(c.each.expr())
		each(slices.Collect(maps.Values(c.args))...)
	}
	for _, r := range m.resources {
		each(r.on, r.each.expr())
		each(slices.Collect(maps.Values(r.meta))...)
		each(r.expressions()...)
	}
	for _, h := range m.hosts {
		each(h.forEach)
		each(slices.Collect(maps.Values(h.args))...)
		h.connection.visit(f)
	}
	m.connection.visit(f)
}
