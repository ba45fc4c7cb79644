package functions

import (
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// list is a parameter for a list, set or tuple of anything.
var list = function.Parameter{Name: "list", Type: cty.DynamicPseudoType}

// toFunc is a conversion to a collection of whatever type the elements have in
// common. The parameter has that type, so that the conversion is guarded's.
func toFunc(ty cty.Type) function.Function {
	return function.New(&function.Spec{
		Description: "Converts a value to a " + ty.FriendlyNameForConstraint() + ".",
		Params:      []function.Parameter{{Name: "v", Type: ty, AllowNull: true}},
		Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:        func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], nil },
	})
}

var oneFunc = function.New(&function.Spec{
	Description: "The element of a list of one, null for an empty list.",
	Params:      []function.Parameter{list},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch ty := args[0].Type(); {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && ty.Length() == 0:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && ty.Length() == 1:
			return ty.TupleElementType(0), nil
		case ty.IsTupleType():
			return cty.NilType, function.NewArgErrorf(0, "there is more than one element")
		}
		return cty.NilType, function.NewArgErrorf(0, "a list, set or tuple is required")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		vals := args[0].AsValueSlice()
		switch len(vals) {
		case 0:
			return cty.NullVal(ty), nil
		case 1:
			return vals[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "there is more than one element")
	},
})

// logical is alltrue and anytrue: until an element is end the answer is not.
func logical(description string, end bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result := cty.BoolVal(!end)
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					result = cty.UnknownVal(cty.Bool)
				case !v.IsNull() && v.True() == end, v.IsNull() && !end:
					return cty.BoolVal(end), nil
				}
			}
			return result, nil
		},
	})
}

var (
	allFunc = logical("Reports whether all elements are true; an empty list is.", false)
	anyFunc = logical("Reports whether any element is true.", true)
)

var coalesceFunc = function.New(&function.Spec{
	Description: "The first of its arguments that is neither null nor an empty text.",
	VarParam:    &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, arg := range args {
			types[i] = arg.Type()
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return ty, errors.New("the arguments must be of one type")
		}
		return ty, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, arg := range args {
			v, err := convert.Convert(arg, ty)
			switch {
			case err != nil:
				return cty.NilVal, errors.New("the arguments must be of one type")
			case !v.IsKnown():
				return cty.UnknownVal(ty), nil
			case v.IsNull() || v.Type() == cty.String && v.AsString() == "":
			default:
				return v, nil
			}
		}
		return cty.NilVal, errors.New("there is no argument that is neither null nor an empty text")
	},
})

var lengthFunc = function.New(&function.Spec{
	Description: "The number of elements of a collection, or of characters of a text.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowMarked: true}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.StrlenFunc.Call(args)
		}
		v, marks := args[0].Unmark() // those of elements say nothing of their number
		switch ty := v.Type(); {
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))).WithMarks(marks), nil
		case ty.IsTupleType():
			return cty.NumberIntVal(int64(ty.Length())).WithMarks(marks), nil
		case ty.IsCollectionType():
			return v.Length().WithMarks(marks), nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "a collection or a text is required")
	},
})

// valueSet finds equal values by their hashes.
type valueSet map[int][]int

// find is the position of v among vals, if it was added.
func (s valueSet) find(v cty.Value, vals []cty.Value) (int, bool) {
	for _, i := range s[v.Hash()] {
		if vals[i].RawEquals(v) {
			return i, true
		}
	}
	return 0, false
}

func (s valueSet) add(v cty.Value, i int) { h := v.Hash(); s[h] = append(s[h], i) }

var distinctFunc = function.New(&function.Spec{
	Description: "A list without the elements that are there before.",
	Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		vals, kept, seen := args[0].AsValueSlice(), []cty.Value{}, valueSet{}
		for i, v := range vals {
			if _, ok := seen.find(v, vals); !ok {
				seen.add(v, i)
				kept = append(kept, v)
			}
		}
		if len(kept) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(kept), nil
	},
})

var indexFunc = function.New(&function.Spec{
	Description: "The index of the first element of a list that equals a value.",
	Params:      []function.Parameter{list, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "a list or tuple is required")
		}
		for i, v := range args[0].AsValueSlice() {
			eq, err := stdlib.Equal(v, args[1])
			switch {
			case err != nil:
				return cty.NilVal, err
			case !eq.IsKnown():
				return cty.UnknownVal(cty.Number), nil
			case eq.True():
				return cty.NumberIntVal(int64(i)), nil
			}
		}
		return cty.NilVal, errors.New("no element equals the value")
	},
})

var matchkeysFunc = function.New(&function.Spec{
	Description: "The elements of a list whose keys, at the same places in a second list, are in a third.",
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		vals, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
		if len(vals) != len(keys) {
			return cty.NilVal, errors.New("there must be as many keys as values")
		}
		search, err := convert.Convert(args[2], cty.List(args[1].Type().ElementType()))
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(2, "the elements must have the type of the keys")
		}
		wanted, in := search.AsValueSlice(), valueSet{}
		for i, v := range wanted {
			in.add(v, i)
		}
		var kept []cty.Value
		for i, k := range keys {
			if _, ok := in.find(k, wanted); ok {
				kept = append(kept, vals[i])
			}
		}
		if len(kept) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(kept), nil
	},
})

func beforeSetProduct(b *guard.Budget, args []value) error {
	product := int64(1)
	for _, arg := range args {
		if !arg.CanIterateElements() {
			return nil
		}
		n := int64(arg.LengthInt())
		if product *= n; product > guard.MaxElements {
			break
		}
		if arg.Type().IsTupleType() {
			if err := b.Steps(n * n / 10); err != nil { // cty compares the types of all elements
				return err
			}
		}
	}
	return charged(b.Elements, product*int64(len(args)))
}

var transposeFunc = function.New(&function.Spec{
	Description: "A map of lists of text with keys and elements exchanged.",
	Params:      []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:        function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		out := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, l := it.Element()
			if l.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "a list must not be null")
			}
			for _, v := range l.AsValueSlice() {
				if v.IsNull() || !utf8.ValidString(v.AsString()) {
					return cty.NilVal, function.NewArgErrorf(0, "an element must not be null")
				}
				out[v.AsString()] = append(out[v.AsString()], key)
			}
		}
		if len(out) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		vals := make(map[string]cty.Value, len(out))
		for k, keys := range out {
			slices.SortFunc(keys, func(a, b cty.Value) int { return compareText(a, b) })
			vals[k] = cty.ListVal(keys)
		}
		return cty.MapVal(vals), nil
	},
})
