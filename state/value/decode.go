package value

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// DecodeType reads what EncodeType wrote.
func DecodeType(data []byte) (t cty.Type, err error) {
	defer func() { // cty panics on some types that it cannot have written
		if r := recover(); r != nil {
			t, err = cty.NilType, fmt.Errorf("not a type: %v", r)
		}
	}()
	if t, err = ctyjson.UnmarshalType(data); err != nil {
		return cty.NilType, fmt.Errorf("not a type: %w", err)
	}
	return t, nil
}

// Decode reads what Encode wrote of a value of type t. Numbers within a path
// may be ints or, as JSON gives them, float64.
func Decode(data []byte, t cty.Type, unknown []Path) (v cty.Value, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		return cty.NilVal, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return cty.NilVal, fmt.Errorf("more than one JSON value")
	}
	var root *node
	for _, p := range unknown {
		if root, err = root.add(p); err != nil {
			return cty.NilVal, err
		}
	}
	defer func() { // cty's constructors panic where a type cannot have a value
		if r := recover(); r != nil {
			v, err = cty.NilVal, fmt.Errorf("not a value of type %s: %v", t.FriendlyName(), r)
		}
	}()
	return decode(raw, t, root)
}

// node is the tree of unknown paths.
type node struct {
	here bool
	sub  map[any]*node
}

func (n *node) add(p Path) (*node, error) {
	if n == nil {
		n = &node{}
	}
	if len(p) == 0 {
		if n.here || n.sub != nil {
			return nil, fmt.Errorf("an unknown path is named twice")
		}
		n.here = true
		return n, nil
	}
	step := p[0]
	switch s := step.(type) {
	case float64:
		step = int(s)
		if float64(int(s)) != s {
			return nil, fmt.Errorf("the step %v of a path is not a position", s)
		}
	case int, string:
	default:
		return nil, fmt.Errorf("the step %v of a path is neither a name nor a position", s)
	}
	if n.here {
		return nil, fmt.Errorf("an unknown path leads through another")
	}
	if n.sub == nil {
		n.sub = map[any]*node{}
	}
	sub, err := n.sub[step].add(p[1:])
	n.sub[step] = sub
	return n, err
}

// at is the tree below a step, and counts it as used.
func (n *node) at(step any) *node {
	if n == nil {
		return nil
	}
	return n.sub[step]
}

func decode(raw any, t cty.Type, n *node) (cty.Value, error) {
	if n != nil && n.here {
		if raw != nil {
			return cty.NilVal, fmt.Errorf("an unknown value that has a value")
		}
		return cty.UnknownVal(t), nil
	}
	if raw == nil {
		if n != nil {
			return cty.NilVal, fmt.Errorf("an unknown path leads into null")
		}
		return cty.NullVal(t), nil
	}
	switch {
	case t == cty.String, t == cty.Bool, t == cty.Number:
		if n != nil {
			return cty.NilVal, fmt.Errorf("an unknown path leads into a %s", t.FriendlyName())
		}
		return decodePrimitive(raw, t)
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		if elems, ok := raw.([]any); ok {
			return decodeSequence(elems, t, n)
		}
	case t.IsMapType(), t.IsObjectType():
		if fields, ok := raw.(map[string]any); ok {
			return decodeMapping(fields, t, n)
		}
	}
	return cty.NilVal, fmt.Errorf("not a value of type %s", t.FriendlyName())
}

func decodePrimitive(raw any, t cty.Type) (cty.Value, error) {
	switch r := raw.(type) {
	case bool:
		if t == cty.Bool {
			return cty.BoolVal(r), nil
		}
	case json.Number:
		if t == cty.Number {
			v, err := cty.ParseNumberVal(r.String())
			if err == nil && (v.AsBigFloat().IsInf() || outside(v.AsBigFloat())) {
				err = fmt.Errorf("the number %s is too large or too small", r)
			}
			return v, err
		}
	case string:
		switch {
		case t == cty.String:
			return cty.StringVal(r), nil
		case t == cty.Number && r == "Infinity":
			return cty.PositiveInfinity, nil
		case t == cty.Number && r == "-Infinity":
			return cty.NegativeInfinity, nil
		}
	case map[string]any:
		text, ok := r["base64"].(string)
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if t == cty.String && ok && len(r) == 1 && err == nil && !utf8.Valid(b) {
			return cty.StringVal(string(b)), nil
		}
	}
	return cty.NilVal, fmt.Errorf("not a value of type %s", t.FriendlyName())
}

func decodeSequence(raw []any, t cty.Type, n *node) (cty.Value, error) {
	var of func(i int) cty.Type
	if t.IsTupleType() {
		types := t.TupleElementTypes()
		if len(types) != len(raw) {
			return cty.NilVal, fmt.Errorf("a tuple of %d has %d elements", len(types), len(raw))
		}
		of = func(i int) cty.Type { return types[i] }
	} else {
		elem := t.ElementType()
		of = func(int) cty.Type { return elem }
	}
	vals := make([]cty.Value, len(raw))
	used := 0
	for i := range raw {
		sub := n.at(i)
		if sub != nil {
			used++
		}
		v, err := decode(raw[i], of(i), sub)
		if err != nil {
			return cty.NilVal, fmt.Errorf("[%d]: %w", i, err)
		}
		vals[i] = v
	}
	if n != nil && used != len(n.sub) {
		return cty.NilVal, fmt.Errorf("an unknown path leads nowhere")
	}
	switch {
	case t.IsTupleType():
		return cty.TupleVal(vals), nil
	case len(vals) == 0 && t.IsListType():
		return cty.ListValEmpty(t.ElementType()), nil
	case len(vals) == 0:
		return cty.SetValEmpty(t.ElementType()), nil
	case t.IsListType():
		return cty.ListVal(vals), nil
	}
	s := cty.SetVal(vals)
	if s.IsKnown() && s.LengthInt() != len(vals) {
		return cty.NilVal, fmt.Errorf("a set with an element twice")
	}
	return s, nil
}

func decodeMapping(raw map[string]any, t cty.Type, n *node) (cty.Value, error) {
	of := func(string) (cty.Type, bool) { return t.ElementType(), true }
	if t.IsObjectType() {
		types := t.AttributeTypes()
		if len(types) != len(raw) {
			return cty.NilVal, fmt.Errorf("an object of %d attributes has %d", len(types), len(raw))
		}
		of = func(name string) (cty.Type, bool) { ty, ok := types[name]; return ty, ok }
	}
	vals := make(map[string]cty.Value, len(raw))
	used := 0
	for name, r := range raw {
		ty, ok := of(name)
		if !ok {
			return cty.NilVal, fmt.Errorf("an object has no attribute %q", name)
		}
		sub := n.at(name)
		if sub != nil {
			used++
		}
		v, err := decode(r, ty, sub)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
		vals[name] = v
	}
	if n != nil && used != len(n.sub) {
		return cty.NilVal, fmt.Errorf("an unknown path leads nowhere")
	}
	switch {
	case t.IsObjectType():
		return cty.ObjectVal(vals), nil
	case len(vals) == 0:
		return cty.MapValEmpty(t.ElementType()), nil
	}
	return cty.MapVal(vals), nil
}
