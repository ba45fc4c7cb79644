package guard

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// wrap is an expression with a limit around it. It embeds the parentheses of
// hcl, which show walkers the expression inside; hcl.UnwrapExpression removes
// it, as do hcl.ExprList and its like.
type wrap struct {
	*hclsyntax.ParenthesesExpr
	budget *Budget
	before func() error                           // may be nil
	after  func(cty.Value, hcl.Diagnostics) error // may be nil
}

func (b *Budget) wrap(e hclsyntax.Expression) *wrap {
	return &wrap{ParenthesesExpr: &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, budget: b}
}

// Value evaluates the expression inside unless a limit stands before it.
func (w *wrap) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	err := w.budget.Failed()
	if err == nil && w.before != nil {
		err = w.before()
	}
	if err != nil {
		return w.refuse(err)
	}
	v, diags := w.Expression.Value(ctx)
	if w.after != nil {
		if err := w.after(v, diags); err != nil {
			return w.refuse(err)
		}
	}
	if err := w.budget.Failed(); err != nil {
		return w.refuse(err)
	}
	return v, diags
}

func (w *wrap) refuse(err error) (cty.Value, hcl.Diagnostics) {
	return cty.DynamicVal, hcl.Diagnostics{w.budget.at(err, w.Range())}
}

// UnwrapExpression returns the expression inside.
func (w *wrap) UnwrapExpression() hcl.Expression { return w.Expression }

// part is a part of a template, whose text is copied into it.
func (b *Budget) part(e hclsyntax.Expression) hclsyntax.Expression {
	w := b.wrap(e)
	w.after = func(v cty.Value, _ hcl.Diagnostics) error { return b.text(v) }
	return w
}

// sized is an expression that can put one large value into its own many times,
// or whose value is going to be walked, at that cost for each element.
func (b *Budget) sized(e hclsyntax.Expression, cost int) hclsyntax.Expression {
	w := b.wrap(e)
	w.after = func(v cty.Value, _ hcl.Diagnostics) error {
		_, err := b.measure(v, cost)
		return err
	}
	return w
}

// operand is an operand of arithmetic, which can be the text of a number.
func (b *Budget) operand(e hclsyntax.Expression) hclsyntax.Expression {
	switch e.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.BinaryOpExpr, *product:
		return e
	}
	w := b.wrap(e)
	w.after = func(v cty.Value, _ hcl.Diagnostics) error { return numeric(v) }
	return w
}

// product is a multiplication or division, which can leave the range of
// numbers.
type product struct{ *wrap }

func (b *Budget) product(e hclsyntax.Expression) hclsyntax.Expression {
	p := &product{b.wrap(e)}
	p.after = func(v cty.Value, _ hcl.Diagnostics) error { return numeric(v) }
	return p
}

// expanded is the last argument of a call where "..." makes it many.
func (b *Budget) expanded(e hclsyntax.Expression) hclsyntax.Expression {
	w := b.wrap(e)
	w.after = func(v cty.Value, _ hcl.Diagnostics) error {
		if v, _ = v.Unmark(); v.IsKnown() && !v.IsNull() && v.CanIterateElements() {
			return b.Elements(int64(v.LengthInt()))
		}
		return nil
	}
	return w
}

// text charges for v as text in a template.
func (b *Budget) text(v cty.Value) error {
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch v.Type() {
	case cty.String:
		return b.Bytes(int64(len(v.AsString())))
	case cty.Number:
		return CheckNumber(v)
	}
	return nil
}

// numeric refuses a number that is out of range, and text that takes long to
// be read as one.
func numeric(v cty.Value) error {
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch {
	case v.Type() == cty.Number:
		return CheckNumber(v)
	case v.Type() == cty.String && !ShortNumber(v.AsString()):
		return &LimitError{"this value gives a number that is out of range"}
	}
	return nil
}
