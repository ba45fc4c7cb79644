package functions

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

var errRange = errors.New("the number is out of range")

func beforeToNumber(_ *guard.Budget, args []value) error {
	if args[0].Type() == cty.String && !guard.ShortNumber(args[0].AsString()) {
		return function.NewArgError(0, errRange)
	}
	return nil
}

func beforeParseInt(_ *guard.Budget, args []value) error {
	if args[0].Type() == cty.String && len(args[0].AsString()) > 1000 {
		return function.NewArgError(0, errRange)
	}
	return nil
}

var sumFunc = function.New(&function.Spec{
	Description: "The sum of all numbers in a list or set, which must not be empty.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].Type().IsMapType() || args[0].Type().IsObjectType() {
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of numbers is required")
		}
		if args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "there is no number to add")
		}
		sum := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.Type() == cty.String && e.IsKnown() && !e.IsNull() && !guard.ShortNumber(e.AsString()) {
				return cty.NilVal, function.NewArgError(0, errRange)
			}
			n, err := convert.Convert(e, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "every element must be a number")
			}
			if n.IsKnown() {
				if err := guard.CheckNumber(n); err != nil {
					return cty.NilVal, function.NewArgError(0, errRange)
				}
			}
			sum = sum.Add(n)
		}
		return sum, nil
	},
})
