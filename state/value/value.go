// Package value writes cty values as canonical JSON and reads them back
// exactly: equal values of equal types give equal bytes, and what is read
// equals what was written. It knows cty and JSON, also the JSON of the files
// around the values, and nothing of what the values are of.
//
// The JSON is cty's own (object and map as object; list, set and tuple as
// array), with three additions for what plain JSON cannot hold: an unknown
// value is null and its path is named beside; a string that is not UTF-8 is
// {"base64": "…"}; an infinite number is "Infinity" or "-Infinity". As the
// type is known when a value is read, none of them can be taken for anything
// else.
package value

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Path leads to a part of a value: names of attributes and keys of maps as
// strings, positions in lists, tuples and sets (in the order of iteration) as
// ints.
type Path []any

// Encode writes v and the paths of its unknown parts, in order. Refinements of
// unknown values are not kept. It fails for a value with marks, with a
// capsule, or with a map key that is not UTF-8.
func Encode(v cty.Value) (data []byte, unknown []Path, err error) {
	e := encoder{}
	if err := e.value(v); err != nil {
		return nil, nil, err
	}
	return e.buf.Bytes(), e.unknown, nil
}

// EncodeKnown is Encode of a value that has no unknown part.
func EncodeKnown(v cty.Value) ([]byte, error) {
	data, unknown, err := Encode(v)
	if err == nil && len(unknown) > 0 {
		return nil, fmt.Errorf("the value is not wholly known: %v", unknown[0])
	}
	return data, err
}

// EncodeType writes a type as cty does, such as ["list","string"].
func EncodeType(t cty.Type) ([]byte, error) {
	if t == cty.NilType {
		return nil, fmt.Errorf("a value without a type")
	}
	return ctyjson.MarshalType(t)
}

// String writes s as JSON, without the escapes that only HTML needs.
func String(s string) []byte {
	data, err := JSON(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return data
}

type encoder struct {
	buf     bytes.Buffer
	path    Path
	unknown []Path
}

func (e *encoder) at(step any, v cty.Value) error {
	e.path = append(e.path, step)
	err := e.value(v)
	e.path = e.path[:len(e.path)-1]
	return err
}

func (e *encoder) value(v cty.Value) error {
	switch {
	case v == cty.NilVal:
		return fmt.Errorf("a value without a type at %v", e.path)
	case v.IsMarked():
		return fmt.Errorf("a marked value at %v", e.path)
	case !v.IsKnown():
		e.unknown = append(e.unknown, slices.Clone(e.path))
		if e.unknown[len(e.unknown)-1] == nil {
			e.unknown[len(e.unknown)-1] = Path{}
		}
		e.buf.WriteString("null")
		return nil
	case v.IsNull():
		e.buf.WriteString("null")
		return nil
	}
	t := v.Type()
	switch {
	case t == cty.String:
		e.string(v.AsString())
		return nil
	case t == cty.Bool:
		e.buf.WriteString(strconv.FormatBool(v.True()))
		return nil
	case t == cty.Number:
		s, err := number(v.AsBigFloat())
		e.buf.WriteString(s)
		return err
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		return e.sequence(v)
	case t.IsMapType(), t.IsObjectType():
		return e.mapping(v)
	}
	return fmt.Errorf("a value of type %s at %v cannot be written", t.FriendlyName(), e.path)
}

func (e *encoder) string(s string) {
	if utf8.ValidString(s) {
		e.buf.Write(String(s))
		return
	}
	e.buf.WriteString(`{"base64":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`)
}

func (e *encoder) sequence(v cty.Value) error {
	e.buf.WriteByte('[')
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		if i > 0 {
			e.buf.WriteByte(',')
		}
		_, ev := it.Element()
		if err := e.at(i, ev); err != nil {
			return err
		}
	}
	e.buf.WriteByte(']')
	return nil
}

// mapping writes keys in the order of iteration, which cty sorts.
func (e *encoder) mapping(v cty.Value) error {
	e.buf.WriteByte('{')
	first := true
	for it := v.ElementIterator(); it.Next(); first = false {
		if !first {
			e.buf.WriteByte(',')
		}
		k, ev := it.Element()
		name := k.AsString()
		if !utf8.ValidString(name) {
			return fmt.Errorf("the key %q at %v is not UTF-8", name, e.path)
		}
		e.buf.Write(String(name))
		e.buf.WriteByte(':')
		if err := e.at(name, ev); err != nil {
			return err
		}
	}
	e.buf.WriteByte('}')
	return nil
}

// maxExponent bounds the binary exponent of numbers: beyond it a few
// characters would stand for megabytes of digits.
const maxExponent = 1 << 16

// number writes f so that reading it gives a number that is equal to f in the
// sense of cty: integers with all their digits, others with as few as tell
// them from their neighbours.
func number(f *big.Float) (string, error) {
	if f.IsInf() {
		if f.Sign() > 0 {
			return `"Infinity"`, nil
		}
		return `"-Infinity"`, nil
	}
	if n, acc := f.Int64(); acc == big.Exact {
		return strconv.FormatInt(n, 10), nil
	}
	if outside(f) {
		return "", fmt.Errorf("the number %s is too large or too small", f.Text('g', 6))
	}
	if f.IsInt() {
		return f.Text('f', 0), nil
	}
	return f.Text('f', -1), nil
}

func outside(f *big.Float) bool {
	exp := f.MantExp(nil)
	return exp > maxExponent || exp < -maxExponent
}
