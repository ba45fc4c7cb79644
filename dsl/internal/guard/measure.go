package guard

import (
	"math/big"

	"github.com/zclconf/go-cty/cty"
)

// Size is what a value holds, the shared parts counted as often as they are
// reached.
type Size struct {
	Elements int // values, itself included
	Types    int // types below those of its elements, as of unknown values
	Bytes    int // of strings and keys
	Depth    int // levels of nesting
}

// measure walks v and stops where a limit of values is passed.
func measure(v cty.Value) (Size, error) {
	var s Size
	err := s.value(v, 0)
	return s, err
}

func (s *Size) value(v cty.Value, level int) error {
	s.Elements++
	s.Depth = max(s.Depth, level)
	switch {
	case s.Elements > MaxElements:
		return &LimitError{"this value makes more than 1,000,000 elements"}
	case s.Bytes > MaxBytes:
		return &LimitError{"this value needs more than 64 MiB"}
	case level > MaxLevels:
		return &LimitError{"this value gives one that is nested too deep"}
	}
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	ty := v.Type()
	if v.IsNull() || !v.IsKnown() {
		if ty.IsPrimitiveType() || ty == cty.DynamicPseudoType {
			return nil
		}
		return s.typ(ty, level)
	}
	switch {
	case ty == cty.String:
		s.Bytes += len(v.AsString())
		return nil
	case ty == cty.Number:
		return CheckNumber(v)
	case !v.CanIterateElements():
		return nil
	}
	if ty.IsCollectionType() && !ty.ElementType().IsPrimitiveType() {
		if err := s.typ(ty.ElementType(), level); err != nil {
			return err
		}
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsMapType() || ty.IsObjectType() {
			s.Bytes += len(k.AsString())
		}
		if err := s.value(e, level+1); err != nil {
			return err
		}
	}
	return nil
}

// typ counts a type: that of many unknown values can be as large as any value.
func (s *Size) typ(ty cty.Type, level int) error {
	s.Types++
	if s.Types > MaxElements {
		return &LimitError{"this value has a type of more than 1,000,000 elements"}
	}
	if level > MaxLevels {
		return &LimitError{"this value gives one that is nested too deep"}
	}
	switch {
	case ty.IsCollectionType():
		return s.typ(ty.ElementType(), level+1)
	case ty.IsTupleType():
		for _, e := range ty.TupleElementTypes() {
			if err := s.typ(e, level+1); err != nil {
				return err
			}
		}
	case ty.IsObjectType():
		for _, e := range ty.AttributeTypes() {
			if err := s.typ(e, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckNumber refuses a known number that has no reasonable decimal form: that
// of 1e999999999 is a gigabyte long.
func CheckNumber(v cty.Value) error {
	return checkFloat(v.AsBigFloat())
}

func checkFloat(f *big.Float) error {
	if e := f.MantExp(nil); f.IsInf() || e > maxExponent || e < -maxExponent {
		return &LimitError{"this value gives a number that is out of range, as a division by zero does"}
	}
	return nil
}
