package functions

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

type mark string

// Sensitive is the mark of values that must not be shown.
const Sensitive = mark("sensitive")

// GoString names the mark where cty prints values for debugging.
func (m mark) GoString() string { return "functions.Sensitive" }

// Scrub takes the refinements from every marked unknown in v: they carry the
// known beginning of a text, which can be that of a secret. An unknown is
// marked if what it is in is.
func Scrub(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	return scrub(v, nil)
}

func scrub(v cty.Value, around cty.ValueMarks) cty.Value {
	v, own := v.Unmark()
	marks := around
	if len(own) > 0 {
		marks = cty.NewValueMarks(Sensitive) // any will do: it is asked only whether there is one
	}
	again := func(v cty.Value) cty.Value { return v.WithMarks(own) }
	ty := v.Type()
	switch {
	case !v.IsKnown():
		if len(marks) > 0 {
			return again(cty.UnknownVal(ty))
		}
		return again(v)
	case v.IsNull() || !v.CanIterateElements() || v.LengthInt() == 0 || v.IsWhollyKnown():
		return again(v)
	case ty.IsObjectType() || ty.IsMapType():
		vals := make(map[string]cty.Value, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			vals[k.AsString()] = scrub(e, marks)
		}
		if ty.IsMapType() {
			return again(cty.MapVal(vals))
		}
		return again(cty.ObjectVal(vals))
	}
	vals := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		vals = append(vals, scrub(e, marks))
	}
	switch {
	case ty.IsTupleType():
		return again(cty.TupleVal(vals))
	case ty.IsSetType():
		return again(cty.SetVal(vals))
	}
	return again(cty.ListVal(vals))
}

// sensitive is the function of that name. It evaluates its argument with other
// functions for files, which note that what they read is a secret.
func (t *table) sensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Marks a value, and all that is made from it, as one that must not be shown.",
		Params:      []function.Parameter{{Name: "value", Type: customdecode.ExpressionClosureType}},
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			closure := customdecode.ExpressionClosureFromVal(args[0])
			ctx := closure.EvalContext.NewChild()
			ctx.Functions = t.secret
			v, diags := closure.Expression.Value(ctx)
			if diags.HasErrors() {
				return cty.NilVal, errors.New(reasons(diags))
			}
			if _, err := t.budget.Measure(v); err != nil {
				return cty.NilVal, err
			}
			return Scrub(v.Mark(Sensitive)), nil
		},
	})
}

var nonsensitiveFunc = function.New(&function.Spec{
	Description: "Takes from a value the mark that sensitive gave it: it can be shown from here on.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		delete(marks, Sensitive)
		return v.WithMarks(marks), nil
	},
})

var issensitiveFunc = function.New(&function.Spec{
	Description: "Reports whether a value is marked as sensitive, itself or in any part.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].HasMarkDeep(Sensitive) {
			return cty.True, nil
		}
		if v, _ := args[0].UnmarkDeep(); !v.IsWhollyKnown() {
			return cty.UnknownVal(cty.Bool), nil // it can be sensitive once it is known
		}
		return cty.False, nil
	},
})

// reasons is the details of all errors, as the end of a sentence.
func reasons(diags hcl.Diagnostics) string {
	var s string
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if s != "" {
			s += "; "
		}
		s += sentence(d)
	}
	return s
}
