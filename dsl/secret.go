package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// findSecrets marks the expressions whose values are only ever used as
// sensitive ones: those given to sensitive attributes, variables and outputs,
// those that call sensitive, and the local values, arguments and outputs that
// nothing but these refer to. Files that they read, and literals in them, are
// not kept in saved plans. Of a local value that is an object or a tuple, each
// member is looked at for itself.
func (s *Spec) findSecrets() {
	found := secrets{}
	for _, m := range s.modules {
		m.expressions(func(e *expr) { found[e] = []*unit{{parts: true}} })
		for _, l := range m.locals {
			found.split(l.expr)
		}
	}
	mark := func(e *expr) {
		for _, u := range found[e] {
			u.secret = true
		}
	}
	nodes := s.nodes()
	for _, n := range nodes {
		n.mod.expressions(func(e *expr) {
			if e.secret {
				mark(e)
			}
		})
		for _, v := range n.mod.variables {
			if v.sensitive {
				mark(v.def)
			}
		}
		for _, o := range n.mod.outputs {
			if o.sensitive {
				mark(o.value)
			}
		}
		for _, r := range n.mod.resources {
			for _, a := range r.attrs {
				if a.attr.Sensitive {
					mark(a.expr)
				}
			}
		}
		for _, c := range n.children {
			for name, a := range c.call.args {
				if v := c.mod.variables[name]; v != nil && v.sensitive {
					mark(a)
				}
			}
		}
		n.mod.connection.secrets(mark)
		for _, h := range n.mod.hosts {
			h.connection.secrets(mark)
		}
	}
	for _, n := range nodes {
		n.mod.expressions(func(e *expr) { s.users(found, n, e) })
	}
	found.spread()
	s.spread = true
	for _, m := range s.modules {
		m.expressions(func(e *expr) { found.apply(e, m) })
	}
}

// secrets calls f with the arguments of a connection that are never shown.
func (c *connectionBlock) secrets(f func(*expr)) {
	if c == nil {
		return
	}
	for name, a := range c.args {
		if secretArgs[name] {
			f(a)
		}
	}
	c.bootstrap.secrets(f)
}

// users notes that e, in node n, uses what it refers to.
func (s *Spec) users(found secrets, n *node, e *expr) {
	for _, r := range e.refs {
		by := found.around(e, r.rng)
		for _, to := range s.edges(n, r) {
			if to.to.kind == kindHosts || to.to.kind == kindCall {
				continue
			}
			_, made := s.within(to.to)
			for _, m := range made {
				found.use(m, r.path, by)
			}
			if to.to.kind == kindVar {
				found.use(to.to.node.mod.variables[to.to.name].def, nil, by)
			}
		}
	}
}

// literal reports whether an expression has text or a number in it.
func literal(e hcl.Expression) bool {
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return false
	}
	found := false
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics { //nolint:errcheck // it reports nothing
		if l, ok := n.(*hclsyntax.LiteralValueExpr); ok && (l.Val.Type() == cty.String || l.Val.Type() == cty.Number) {
			found = true
		}
		return nil
	})
	return found
}
