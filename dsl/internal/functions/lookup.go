package functions

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// lookupFunc leaves marks where they are: those of the element, the map and the
// key go to the result, those of other elements do not.
var lookupFunc = function.New(&function.Spec{
	Description: "The element of a map or object with a key, or else the third argument.",
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowUnknown: true, AllowMarked: true},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type:     function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if len(args) > 3 {
			return cty.NilVal, function.NewArgErrorf(3, "there is only one default")
		}
		m, mapMarks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		v, err := lookup(m, key, args[2:])
		if err != nil {
			return cty.NilVal, err
		}
		return v.WithMarks(mapMarks, keyMarks), nil
	},
})

func lookup(m, key cty.Value, fallback []cty.Value) (cty.Value, error) {
	ty := m.Type()
	if ty != cty.DynamicPseudoType && !ty.IsMapType() && !ty.IsObjectType() {
		return cty.NilVal, function.NewArgErrorf(0, "a map or object is required")
	}
	if len(fallback) == 1 && ty.IsMapType() {
		v, err := convert.Convert(fallback[0], ty.ElementType())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(2, "the default must have the type of the elements")
		}
		fallback = []cty.Value{v}
	}
	switch {
	case ty == cty.DynamicPseudoType || !key.IsKnown() && ty.IsObjectType():
		return cty.DynamicVal.WithMarks(deepMarks(m, fallback)), nil
	case !key.IsKnown() || !m.IsKnown() && ty.IsMapType():
		return cty.UnknownVal(ty.ElementType()).WithMarks(deepMarks(m, fallback)), nil
	case ty.IsObjectType() && ty.HasAttribute(key.AsString()):
		return m.GetAttr(key.AsString()), nil
	case ty.IsMapType() && m.HasIndex(key).True():
		return m.Index(key), nil
	case len(fallback) == 1:
		return fallback[0], nil
	}
	return cty.NilVal, function.NewArgErrorf(1, "the map has no element %q, and there is no default", key.AsString())
}

// deepMarks is the marks of what an unknown key can find.
func deepMarks(m cty.Value, fallback []cty.Value) cty.ValueMarks {
	_, all := m.UnmarkDeep()
	for _, v := range fallback {
		_, marks := v.UnmarkDeep()
		for mark := range marks {
			if all == nil {
				all = cty.ValueMarks{}
			}
			all[mark] = struct{}{}
		}
	}
	return all
}

func compareText(a, b cty.Value) int { return strings.Compare(a.AsString(), b.AsString()) }

func beforeTranspose(b *guard.Budget, args []value) error {
	size, err := b.Measure(args[0])
	if err != nil {
		return err
	}
	return b.Elements(int64(size.Elements))
}
