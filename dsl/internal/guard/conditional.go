package guard

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// conditional evaluates a ConditionalExpr whose branches are long. To find the
// type of the result cty compares the types of all elements with each other,
// which takes a second for 4,000 of them. Where it would make a list or map of
// one type in the end, conditional makes it before.
type conditional struct {
	*hclsyntax.ParenthesesExpr
	inner  *hclsyntax.ConditionalExpr
	budget *Budget
}

func (b *Budget) conditional(e *hclsyntax.ConditionalExpr) hclsyntax.Expression {
	return &conditional{
		ParenthesesExpr: &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()},
		inner:           e,
		budget:          b,
	}
}

// UnwrapExpression returns the expression inside.
func (c *conditional) UnwrapExpression() hcl.Expression { return c.inner }

// Value evaluates both branches, as hcl does, and then the conditional.
func (c *conditional) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	yes, yesDiags := c.inner.TrueResult.Value(ctx)
	no, noDiags := c.inner.FalseResult.Value(ctx)
	if !yesDiags.HasErrors() && !noDiags.HasErrors() {
		yes, no = c.align(yes, no)
		if err := c.budget.Failed(); err != nil {
			return cty.DynamicVal, hcl.Diagnostics{c.budget.at(err, c.Range())}
		}
	}
	e := *c.inner
	e.TrueResult = given(e.TrueResult, yes, yesDiags)
	e.FalseResult = given(e.FalseResult, no, noDiags)
	return e.Value(ctx)
}

// align turns two tuples of unequal length into lists, and two objects of
// unequal size into maps, if each has one type of element. Others it charges
// for the comparisons to come.
func (c *conditional) align(yes, no cty.Value) (cty.Value, cty.Value) {
	n, m := width(yes.Type()), width(no.Type())
	if n == m || max(n, m) < 100 || yes.Type().IsTupleType() != no.Type().IsTupleType() {
		c.charge(yes.Type(), no.Type())
		return yes, no
	}
	ety, ok1 := uniform(yes.Type())
	other, ok2 := uniform(no.Type())
	if !ok1 || !ok2 || !yes.IsKnown() || !no.IsKnown() || yes.IsNull() || no.IsNull() {
		c.charge(yes.Type(), no.Type())
		return yes, no
	}
	if n == 0 {
		ety = other
	}
	if m == 0 {
		other = ety
	}
	return collect(yes, ety), collect(no, other)
}

// charge charges for what unifying two types compares.
func (c *conditional) charge(a, b cty.Type) {
	if n := int64(max(width(a), width(b))); n >= 100 && !a.Equals(b) {
		_ = c.budget.Steps(n * n / 10)
	}
}

// width is the number of element types of a tuple or object.
func width(ty cty.Type) int {
	switch {
	case ty.IsTupleType():
		return ty.Length()
	case ty.IsObjectType():
		return len(ty.AttributeTypes())
	}
	return 0
}

// uniform is the one type of all elements of ty, a tuple or object; any where
// there are none. It is false where there are several, or one is not known.
func uniform(ty cty.Type) (cty.Type, bool) {
	one := cty.DynamicPseudoType
	same := func(e cty.Type) bool {
		if one == cty.DynamicPseudoType {
			one = e
		}
		return e.Equals(one) && !e.HasDynamicTypes()
	}
	switch {
	case ty.IsTupleType():
		for _, e := range ty.TupleElementTypes() {
			if !same(e) {
				return one, false
			}
		}
		return one, true
	case ty.IsObjectType():
		for _, e := range ty.AttributeTypes() {
			if !same(e) {
				return one, false
			}
		}
		return one, true
	}
	return one, false
}

// collect is v, a tuple or object, as a list or map of ety.
func collect(v cty.Value, ety cty.Type) cty.Value {
	v, marks := v.Unmark()
	switch n := v.LengthInt(); {
	case v.Type().IsTupleType() && n == 0:
		v = cty.ListValEmpty(ety)
	case v.Type().IsTupleType():
		v = cty.ListVal(v.AsValueSlice())
	case n == 0:
		v = cty.MapValEmpty(ety)
	default:
		v = cty.MapVal(v.AsValueMap())
	}
	return v.WithMarks(marks)
}

// given is e with its value already known.
func given(e hclsyntax.Expression, v cty.Value, diags hcl.Diagnostics) hclsyntax.Expression {
	return &evaluated{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, v, diags}
}

type evaluated struct {
	*hclsyntax.ParenthesesExpr
	value cty.Value
	diags hcl.Diagnostics
}

func (e *evaluated) Value(*hcl.EvalContext) (cty.Value, hcl.Diagnostics) { return e.value, e.diags }
