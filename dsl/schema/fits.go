package schema

import (
	"math/big"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Unfit is why a value does not fit its attribute, although it is of its type.
type Unfit int

// The reasons.
const (
	NullElement   Unfit = iota // an element of a list or map is null
	NullAttribute              // an attribute of an object in it is null, and is not optional
	Fraction                   // a number is not whole
	TooSmall                   // a whole number is less than the field can hold
	TooLarge                   // or more
)

// UnfitError is a value that does not fit its attribute.
type UnfitError struct {
	Why Unfit
	// Path leads from the attribute to what does not fit. A key that is part of a
	// sensitive value is marked.
	Path cty.Path
}

func (e *UnfitError) Error() string {
	return [...]string{"an element is null", "an attribute is null", "not a whole number", "too small", "too large"}[e.Why]
}

// Fits refuses what ToGo could not put into the field: null inside a list or
// map, and numbers that an integer cannot hold. v is of the attribute's type,
// and may be null, sensitive or unknown, also in parts: what is not known yet
// fits.
func (a Attribute) Fits(v cty.Value) error {
	if bare, _ := v.Unmark(); bare.IsNull() {
		return nil
	}
	if err := fits(v, a.goType, true, a.Sensitive); err != nil {
		return err
	}
	return nil
}

// fits looks at a value for a Go type: at an optional place, where slices and
// maps may be null, or within a sensitive value.
func fits(v cty.Value, t reflect.Type, optional, secret bool) *UnfitError {
	v, marks := v.Unmark()
	secret = secret || len(marks) > 0
	kind := t.Kind()
	switch {
	case !v.IsKnown():
		return nil
	case v.IsNull():
		if kind == reflect.Pointer || optional && (kind == reflect.Slice || kind == reflect.Map) {
			return nil
		}
		return &UnfitError{Why: NullElement}
	}
	switch kind {
	case reflect.Pointer:
		return fits(v, t.Elem(), false, secret)
	case reflect.Slice, reflect.Map:
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			if err := fits(e, t.Elem(), false, secret); err != nil {
				if secret && kind == reflect.Map {
					k = k.Mark("sensitive")
				}
				return err.in(cty.IndexStep{Key: k})
			}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("cty")
			if name == "" {
				continue
			}
			if err := fits(v.GetAttr(name), t.Field(i).Type, true, secret); err != nil {
				if len(err.Path) == 0 && err.Why == NullElement {
					err.Why = NullAttribute
				}
				return err.in(cty.GetAttrStep{Name: name})
			}
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fitsInt(v.AsBigFloat(), t)
	}
	return nil
}

func fitsInt(f *big.Float, t reflect.Type) *UnfitError {
	n, exact := f.Int64()
	switch {
	case !f.IsInt() && !f.IsInf():
		return &UnfitError{Why: Fraction}
	case exact == big.Exact && !t.OverflowInt(n):
		return nil
	case f.Sign() < 0:
		return &UnfitError{Why: TooSmall}
	}
	return &UnfitError{Why: TooLarge}
}

// in is the error as one of what holds the value, at that step.
func (e *UnfitError) in(step cty.PathStep) *UnfitError {
	e.Path = slices.Insert(e.Path, 0, step)
	return e
}
