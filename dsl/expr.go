package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// expr is an expression of a block and what it refers to.
type expr struct {
	hcl.Expression
	name string    // what messages call it: on, local.a, the argument's name
	rng  hcl.Range // of the whole argument: name and value
	refs []ref     // in the order of the source
	// secret is set where the value is only ever used as a sensitive one. Its
	// functions are then those of table, which note the files that they read
	// apart. Before findSecrets it is set where the expression calls sensitive.
	secret bool
	table  map[string]function.Function
	// secrets is the members that are secret where the whole is not.
	secrets []member
}

// place is what may be referred to where an expression stands.
type place uint

// The places of expressions.
const (
	hasKey      place = 1 << iota // each.key and each.value
	hasCount                      // count.index
	hasHost                       // each.host
	hasSelf                       // self
	hasHosts                      // host, role and hosts: in the root module
	ofResource                    // type.name is this host's instance
	noReference                   // nothing may be referred to
)

// eachHostFacts takes the place of the two steps host and facts in the
// traversal of each.host.facts: host values carry no facts, so that they stay
// equal whatever was read.
const eachHostFacts = "host facts"

// newExpr makes an expression of an argument, with each.host.facts rewritten.
func newExpr(a *hclsyntax.Attribute, name string) *expr {
	w := &rewriter{}
	hclsyntax.Walk(a.Expr, w) //nolint:errcheck // it reports nothing
	return &expr{Expression: a.Expr, name: name, rng: a.SrcRange, secret: w.secret}
}

// rewriter walks an expression, keeping track of the names that its for
// expressions define.
type rewriter struct {
	scopes []map[string]struct{}
	secret bool
}

// Enter rewrites a traversal that begins with each.host.facts.
func (w *rewriter) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.scopes = append(w.scopes, n.LocalNames)
	case *hclsyntax.FunctionCallExpr:
		w.secret = w.secret || n.Name == "sensitive"
	case *hclsyntax.ScopeTraversalExpr:
		for _, s := range w.scopes {
			if _, ok := s[n.Traversal.RootName()]; ok {
				return nil
			}
		}
		t := n.Traversal
		if t.RootName() == "each" && len(t) > 2 && step(t, 1) == "host" && step(t, 2) == "facts" {
			rng := hcl.RangeBetween(t[1].SourceRange(), t[2].SourceRange())
			n.Traversal = append(hcl.Traversal{t[0], hcl.TraverseAttr{Name: eachHostFacts, SrcRange: rng}}, t[3:]...)
		}
	}
	return nil
}

// Exit leaves the scope of a for expression.
func (w *rewriter) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		w.scopes = w.scopes[:len(w.scopes)-1]
	}
	return nil
}

// step is the name in the i-th step of a traversal: an attribute or a literal
// string index; "" where it is neither.
func step(t hcl.Traversal, i int) string {
	if i >= len(t) {
		return ""
	}
	switch s := t[i].(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString()
		}
	}
	return ""
}

// calls names the functions that an expression calls, with the ranges of their
// names.
func calls(e hcl.Expression, each func(name string, rng hcl.Range)) {
	node, ok := e.(hclsyntax.Node)
	if !ok {
		return
	}
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics { //nolint:errcheck // it reports nothing
		if c, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			each(c.Name, c.NameRange)
		}
		return nil
	})
}
