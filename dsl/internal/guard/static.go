package guard

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// cost is what one evaluation of an expression costs at least.
type cost struct{ nodes, bytes int64 }

// static is the cost of e, without what loops in it charge for themselves.
func static(e hclsyntax.Expression) cost {
	c := &counter{}
	_ = hclsyntax.Walk(e, c)
	return c.cost
}

// counter adds up nodes and literal text; inside is the number of loops that
// the walk is in.
type counter struct {
	cost   cost
	inside int
}

func (c *counter) Enter(n hclsyntax.Node) hcl.Diagnostics {
	if c.inside == 0 {
		c.cost.nodes += weight(n)
		if lit, ok := n.(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String && lit.Val.IsKnown() && !lit.Val.IsNull() {
			c.cost.bytes += int64(len(lit.Val.AsString()))
		}
	}
	if _, ok := n.(hclsyntax.ChildScope); ok {
		c.inside++
	}
	return nil
}

func (c *counter) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		c.inside--
	}
	return nil
}

// weight is the number of steps that evaluating n itself takes, by measuring.
func weight(n hclsyntax.Node) int64 {
	switch n.(type) {
	case interface{ UnwrapExpression() hcl.Expression }, hclsyntax.ChildScope:
		return 0 // goes along with what is inside
	case *hclsyntax.BinaryOpExpr, *hclsyntax.ConditionalExpr:
		return 6
	case *hclsyntax.FunctionCallExpr, *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		return 8
	}
	return 1
}
