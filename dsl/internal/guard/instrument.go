package guard

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// body puts the limits into all expressions below a body.
func (b *Budget) body(body *hclsyntax.Body) {
	for _, a := range body.Attributes {
		a.Expr = b.expr(a.Expr, false)
	}
	for _, block := range body.Blocks {
		b.body(block.Body)
	}
}

// expr puts the limits into e and all below it. A covered expression makes a
// part of a value whose size is looked at as a whole.
//
// Every value that has a name is measured when it gets it, and every result of
// a function. What is left to measure are the expressions that put values
// together, and those that compare or convert them.
func (b *Budget) expr(e hclsyntax.Expression, covered bool) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.ForExpr:
		if covered {
			return b.forExpr(e, 0, false)
		}
		return b.forExpr(e, 1, false)
	case *hclsyntax.SplatExpr:
		e.Source = b.expr(e.Source, false)
		l := b.loop(e, 0)
		e.Each = l.each(b.expr(e.Each, true), 1)
		return l
	case *hclsyntax.TupleConsExpr:
		for i, item := range e.Exprs {
			e.Exprs[i] = b.expr(item, true)
		}
		if covered || flat(e.Exprs) {
			return e
		}
		return b.sized(e, 1)
	case *hclsyntax.ObjectConsExpr:
		values := make([]hclsyntax.Expression, 0, len(e.Items))
		for i, item := range e.Items {
			if key, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok {
				key.Wrapped = b.expr(key.Wrapped, false)
			}
			e.Items[i].ValueExpr = b.expr(item.ValueExpr, true)
			values = append(values, e.Items[i].ValueExpr)
		}
		if covered || flat(values) {
			return e
		}
		return b.sized(e, 1)
	case *hclsyntax.TemplateExpr:
		for i, part := range e.Parts {
			if _, ok := part.(*hclsyntax.LiteralValueExpr); !ok {
				e.Parts[i] = b.part(b.expr(part, false))
			}
		}
	case *hclsyntax.TemplateJoinExpr:
		if loop, ok := e.Tuple.(*hclsyntax.ForExpr); ok {
			e.Tuple = b.forExpr(loop, 0, true)
		}
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = b.expr(e.Wrapped, covered)
	case *hclsyntax.ParenthesesExpr:
		e.Expression = b.expr(e.Expression, covered)
	case *hclsyntax.ConditionalExpr:
		e.Condition = b.expr(e.Condition, false)
		e.TrueResult = b.whole(b.expr(e.TrueResult, true), 4)
		e.FalseResult = b.whole(b.expr(e.FalseResult, true), 4)
		if !small(e.TrueResult) || !small(e.FalseResult) {
			return b.conditional(e)
		}
	case *hclsyntax.BinaryOpExpr:
		return b.binary(e)
	case *hclsyntax.UnaryOpExpr:
		e.Val = b.expr(e.Val, false)
		if e.Op == hclsyntax.OpNegate {
			e.Val = b.operand(e.Val)
		}
	case *hclsyntax.FunctionCallExpr:
		for i, arg := range e.Args {
			e.Args[i] = b.expr(arg, true) // functions measure their arguments
		}
		if last := len(e.Args) - 1; e.ExpandFinal && last >= 0 {
			e.Args[last] = b.expanded(e.Args[last])
		}
	case *hclsyntax.IndexExpr:
		e.Collection = b.expr(e.Collection, false)
		e.Key = b.expr(e.Key, false)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = b.expr(e.Source, false)
	}
	return e
}

func (b *Budget) forExpr(e *hclsyntax.ForExpr, cost int, joined bool) hclsyntax.Expression {
	l := b.loop(e, cost)
	e.CollExpr = b.expr(e.CollExpr, false)
	elements := int64(1) // charged by what comes first in an iteration
	if e.KeyExpr != nil {
		elements = 5 // it is kept in maps
	}
	if e.CondExpr != nil {
		e.CondExpr = l.each(b.expr(e.CondExpr, false), elements)
		elements = 0
	}
	if e.KeyExpr != nil {
		key := l.each(b.expr(e.KeyExpr, false), elements)
		key.key = true
		e.KeyExpr = key
		elements = 0
	}
	val := l.each(b.expr(e.ValExpr, true), elements)
	val.joined = joined
	e.ValExpr = val
	return l
}

// binary limits numbers, and what comparing two values walks.
func (b *Budget) binary(e *hclsyntax.BinaryOpExpr) hclsyntax.Expression {
	e.LHS, e.RHS = b.expr(e.LHS, true), b.expr(e.RHS, true)
	switch e.Op {
	case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
		e.LHS, e.RHS = b.whole(e.LHS, 10), b.whole(e.RHS, 10)
	case hclsyntax.OpAdd, hclsyntax.OpSubtract, hclsyntax.OpModulo:
		e.LHS, e.RHS = b.operand(e.LHS), b.operand(e.RHS)
	case hclsyntax.OpMultiply, hclsyntax.OpDivide:
		e.LHS, e.RHS = b.operand(e.LHS), b.operand(e.RHS)
		return b.product(e)
	}
	return e
}

// whole is sized, except for what cannot be large.
func (b *Budget) whole(e hclsyntax.Expression, cost int) hclsyntax.Expression {
	if small(e) {
		return e
	}
	return b.sized(e, cost)
}

func small(e hclsyntax.Expression) bool {
	switch e.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr:
		return true
	}
	return false
}

// flat reports whether no item can be a value of many elements.
func flat(items []hclsyntax.Expression) bool {
	for _, e := range items {
		if !small(e) {
			return false
		}
	}
	return true
}
