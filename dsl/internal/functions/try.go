package functions

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// try evaluates its arguments until one succeeds. Its result has the marks of
// all of them: that one failed says something of the values in it. An argument
// whose value is not wholly known can still fail, and makes the result unknown.
func (t *table) try() function.Function {
	return function.New(&function.Spec{
		Description: "Gives the first of its arguments that can be evaluated without an error.",
		VarParam:    &function.Parameter{Name: "expressions", Type: customdecode.ExpressionClosureType},
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) == 0 {
				return cty.NilVal, errors.New("at least one argument is required")
			}
			var failures []string
			for i, arg := range args {
				closure := customdecode.ExpressionClosureFromVal(arg)
				v, diags := closure.Value()
				if err := t.budget.Failed(); err != nil {
					return cty.NilVal, err
				}
				if diags.HasErrors() {
					failures = append(failures, failure(closure, diags))
					continue
				}
				if _, err := t.budget.Measure(v); err != nil {
					return cty.NilVal, err
				}
				marks := marksAround(args, i)
				if !v.IsWhollyKnown() {
					_, own := v.UnmarkDeep()
					return cty.DynamicVal.WithMarks(marks, own), nil
				}
				return v.WithMarks(marks), nil
			}
			return cty.NilVal, errors.New("no expression succeeded:\n" + strings.Join(failures, "\n") + "\nAt least one must")
		},
	})
}

// can reports whether its argument can be evaluated, with the marks of all that
// the argument refers to.
func (t *table) can() function.Function {
	return function.New(&function.Spec{
		Description: "Reports whether its argument can be evaluated without an error.",
		Params:      []function.Parameter{{Name: "expression", Type: customdecode.ExpressionClosureType}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			closure := customdecode.ExpressionClosureFromVal(args[0])
			v, diags := closure.Value()
			if err := t.budget.Failed(); err != nil {
				return cty.NilVal, err
			}
			marks := closureMarks(closure)
			if diags.HasErrors() {
				return cty.False.WithMarks(marks), nil
			}
			_, own := v.UnmarkDeep()
			if !v.IsWhollyKnown() {
				return cty.UnknownVal(cty.Bool).WithMarks(marks, own), nil
			}
			return cty.True.WithMarks(marks, own), nil
		},
	})
}

// marksAround is the marks of all arguments but the i-th, whose value carries
// its own.
func marksAround(args []cty.Value, i int) cty.ValueMarks {
	all := make(cty.ValueMarks)
	for j, arg := range args {
		if j != i {
			for m := range closureMarks(customdecode.ExpressionClosureFromVal(arg)) {
				all[m] = struct{}{}
			}
		}
	}
	return all
}

// closureMarks is the marks of everything that an expression refers to, and
// Sensitive if it calls the function of that name. It does not evaluate the
// expression, which can fail.
func closureMarks(closure *customdecode.ExpressionClosure) cty.ValueMarks {
	all := make(cty.ValueMarks)
	for _, traversal := range closure.Expression.Variables() {
		for m := range traversalMarks(traversal, closure.EvalContext) {
			all[m] = struct{}{}
		}
	}
	if calls(closure.Expression, "sensitive") {
		all[Sensitive] = struct{}{}
	}
	return all
}

// traversalMarks is the marks on the way to what is traversed, and those inside
// it.
func traversalMarks(traversal hcl.Traversal, ctx *hcl.EvalContext) cty.ValueMarks {
	v, diags := traversal[:1].TraverseAbs(ctx)
	if diags.HasErrors() {
		return nil
	}
	all := make(cty.ValueMarks)
	for _, step := range traversal[1:] {
		for m := range v.Marks() {
			all[m] = struct{}{}
		}
		next, diags := hcl.Traversal{step}.TraverseRel(v)
		if diags.HasErrors() {
			return all // the step fails whatever is inside
		}
		v = next
	}
	_, inside := v.UnmarkDeep()
	for m := range inside {
		all[m] = struct{}{}
	}
	return all
}

// calls reports whether the function name is called anywhere in e.
func calls(e hcl.Expression, name string) bool {
	found := false
	if node, ok := e.(hclsyntax.Node); ok {
		_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
			call, ok := n.(*hclsyntax.FunctionCallExpr)
			found = found || ok && call.Name == name
			return nil
		})
	}
	return found
}

// failure is why an argument of try failed; nothing but that if it can show
// something sensitive.
func failure(closure *customdecode.ExpressionClosure, diags hcl.Diagnostics) string {
	if len(closureMarks(closure)) > 0 {
		return "- " + errSensitive.Error()
	}
	return "- " + reasons(diags)
}

// sentence is what a diagnostic says, where it says it, without the full stop.
func sentence(d *hcl.Diagnostic) string {
	s := strings.TrimSuffix(d.Detail, ".")
	if s == "" {
		s = d.Summary
	}
	if d.Subject != nil {
		s += " (at " + d.Subject.String() + ")"
	}
	return s
}
