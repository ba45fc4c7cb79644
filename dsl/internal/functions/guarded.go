package functions

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// errSensitive stands for every error that a sensitive argument had a part in.
var errSensitive = errors.New("(the argument is sensitive)")

// value is an argument without marks.
type value = cty.Value

// guarded is the function of d with limits around it, and with errors that
// show nothing of sensitive arguments. The parameters take values of any type:
// conversion happens inside, since its errors can show values too.
func (t *table) guarded(name string, d definition) function.Function {
	params, more := d.f.Params(), d.f.VarParam()
	types := make([]cty.Type, len(params))
	for i := range params {
		types[i] = params[i].Type
		params[i] = anything(params[i])
	}
	var moreType cty.Type
	if more != nil {
		moreType = more.Type
		p := anything(*more)
		more = &p
	}
	return function.New(&function.Spec{
		Description: d.f.Description(),
		Params:      params,
		VarParam:    more,
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			marked := false
			for _, arg := range args {
				marked = marked || arg.ContainsMarked()
			}
			v, err := t.call(d, args, func(i int) cty.Type {
				if i < len(types) {
					return types[i]
				}
				return moreType
			})
			if err != nil {
				return cty.NilVal, concise(name, err, marked)
			}
			if marked {
				v = Scrub(v)
			}
			return v, nil
		},
	})
}

// anything is p for values of all types, marked, unknown and null.
func anything(p function.Parameter) function.Parameter {
	return function.Parameter{
		Name: p.Name, Description: p.Description, Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}
}

func (t *table) call(d definition, given []cty.Value, typ func(int) cty.Type) (cty.Value, error) {
	args, plain := make([]cty.Value, len(given)), make([]value, len(given))
	known := true
	if n := int64(len(given)); n > 100 {
		if err := t.budget.Steps(n * n / 50); err != nil { // cty copies all arguments for each that is marked
			return cty.NilVal, err
		}
	}
	for i, arg := range given {
		size, err := t.budget.Measure(arg)
		if err == nil {
			err = t.budget.Steps(1 + int64(size.Bytes)/64)
		}
		if err != nil {
			return cty.NilVal, err
		}
		if args[i], err = t.convert(arg, typ(i)); err != nil {
			return cty.NilVal, function.NewArgError(i, err)
		}
		plain[i], _ = args[i].UnmarkDeep()
		known = known && plain[i].IsWhollyKnown() && !plain[i].IsNull()
	}
	if d.before != nil && known {
		if err := d.before(t.budget, plain); err != nil {
			return cty.NilVal, err
		}
	}
	v, err := d.f.Call(args)
	if err != nil {
		return cty.NilVal, err
	}
	size, err := t.budget.Measure(v)
	if err != nil {
		return cty.NilVal, err
	}
	if d.makes {
		if err := t.budget.Elements(int64(size.Elements)); err != nil {
			return cty.NilVal, err
		}
	}
	if d.makes || v.Type() == cty.String {
		err = t.budget.Bytes(int64(size.Bytes))
	}
	return v, err
}

// convert is v as a ty. cty compares the types of all elements of a tuple with
// each other to find the type of a list of them; where they are one type,
// convert does not.
func (t *table) convert(v cty.Value, ty cty.Type) (cty.Value, error) {
	if ty == cty.DynamicPseudoType {
		return v, nil
	}
	plain, marks := v.Unmark()
	if plain.IsNull() || !plain.IsKnown() {
		return convert.Convert(v, ty)
	}
	if ty == cty.Number && plain.Type() == cty.String && !guard.ShortNumber(plain.AsString()) {
		return cty.NilVal, errors.New("the number is out of range")
	}
	open := ty.IsCollectionType() && ty.ElementType() == cty.DynamicPseudoType
	if !open || !plain.CanIterateElements() || plain.LengthInt() < 2 {
		return convert.Convert(v, ty)
	}
	from := plain.Type()
	switch {
	case from.IsTupleType() && ty.IsListType() && uniform(plain):
		return cty.ListVal(plain.AsValueSlice()).WithMarks(marks), nil
	case from.IsTupleType() && ty.IsSetType() && uniform(plain):
		return cty.SetVal(plain.AsValueSlice()).WithMarks(marks), nil
	case from.IsObjectType() && ty.IsMapType() && uniform(plain):
		return cty.MapVal(plain.AsValueMap()).WithMarks(marks), nil
	case from.IsTupleType() || from.IsObjectType():
		n := int64(plain.LengthInt())
		if err := t.budget.Steps(n * n / 10); err != nil {
			return cty.NilVal, err
		}
	}
	return convert.Convert(v, ty)
}

// uniform reports whether all elements of v are of one type, which is known.
func uniform(v cty.Value) bool {
	one := cty.NilType
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		ty := e.Type()
		if one == cty.NilType {
			one = ty
		}
		if !ty.Equals(one) || ty.HasDynamicTypes() {
			return false
		}
	}
	return true
}

// concise is err as a spec's author may see it: nothing of a marked argument,
// and nothing of how kplan is built.
func concise(name string, err error, marked bool) error {
	var arg function.ArgError
	var panicked function.PanicError
	var limit *guard.LimitError
	switch {
	case errors.As(err, &limit):
		return limit
	case marked && errors.As(err, &arg):
		return function.NewArgError(arg.Index, errSensitive)
	case marked:
		return errSensitive
	case errors.As(err, &panicked):
		return fmt.Errorf("%s cannot do this (%v)", name, panicked.Value)
	}
	return err
}
