// Package schema turns the struct of a resource type into the schema of its
// block: struct tags become cty types, requirements and defaults, and values
// cross between cty and Go at this one border.
//
// It knows struct tags and cty values. It knows nothing of HCL bodies, hosts
// or plans.
//
//	type Sysctl struct {
//		Key     string  `cty:"key" kplan:"id"`
//		Value   *string `cty:"value"`
//		Persist bool    `cty:"persist" kplan:"default=true"`
//	}
package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"
)

// Mode is how an attribute gets its value.
type Mode int

// The modes of attributes.
const (
	Optional Mode = iota // null where the block does not set it: not managed
	Required
	ID       // required, and part of the identity: a change is a replacement
	Default  // has a default where the block does not set it
	Computed // set by the machine, never by the block
)

// Attribute is one attribute of a resource type.
type Attribute struct {
	Name      string
	Type      cty.Type
	Mode      Mode
	Default   cty.Value // of Mode Default, or of an ID that has one
	Sensitive bool      // always shown as (sensitive value), recorded as a keyed digest
	For       string    // sensitive: the attribute of which it is the other name, for content that is a secret
	Passing   bool      // computed, for judging at the moment of reading only: see Recorded
	Stable    bool      // computed once, when the object is created: an update leaves it
	Common    bool      // computed, and alike on all hosts of a resource whose objects are members of one thing
	Asked     bool      // the machine does not tell it: a reading gives back what was asked for
	Shell     bool      // a list of strings that a block may also write as one string, for /bin/sh
	Field     string    // name of the struct field: where its documentation stands
	index     int
	goType    reflect.Type
}

// Schema is the attributes of one resource type, in the order of the struct.
type Schema struct {
	Attributes []Attribute
	byName     map[string]int
	object     cty.Type
	goType     reflect.Type
}

// Of reads the schema of the struct type t. It panics on a field that is not
// tagged or whose type has no cty type: a bug in the resource type, which its
// laws find.
//
// The tag kplan holds, comma-separated: one of id, required, computed or
// default=VALUE (VALUE a bool, number or string, last in the tag),
// sensitive, for=NAME (of a sensitive attribute: another name for what NAME is,
// and only one of them is set), passing, stable and common (of a computed
// attribute), asked, and shell (of a list of strings). With none of the first four the attribute is
// optional and its field a pointer, slice or map. An id may have a default too:
// `kplan:"id,default=/etc/hosts"`.
func Of(t reflect.Type) *Schema {
	s := &Schema{byName: map[string]int{}, goType: t}
	types := map[string]cty.Type{}
	for i := range t.NumField() {
		a := attribute(t, t.Field(i))
		a.index = i
		s.byName[a.Name] = len(s.Attributes)
		s.Attributes = append(s.Attributes, a)
		types[a.Name] = a.Type
	}
	s.object = cty.Object(types)
	for _, a := range s.Attributes {
		of, ok := s.Lookup(a.For)
		if a.For != "" && (!ok || !a.Sensitive || !of.Type.Equals(a.Type) || a.Mode != Optional || of.Mode != Optional) {
			panic(fmt.Sprintf("schema: field %s of %s: is for %q, which is no optional attribute of its type, or is not sensitive itself", a.Field, t, a.For))
		}
	}
	return s
}

func attribute(t reflect.Type, f reflect.StructField) Attribute {
	bug := func(format string, args ...any) {
		panic(fmt.Sprintf("schema: field %s of %s: ", f.Name, t) + fmt.Sprintf(format, args...))
	}
	name := f.Tag.Get("cty")
	if name == "" {
		bug("has no cty tag")
	}
	typ, err := gocty.ImpliedType(reflect.Zero(f.Type).Interface())
	if err != nil {
		bug("%v", err)
	}
	a := Attribute{Name: name, Type: typ, Field: f.Name, Default: cty.NilVal, goType: f.Type}
	rest := f.Tag.Get("kplan")
	for rest != "" {
		var word string
		if strings.HasPrefix(rest, "default=") {
			word, rest = rest, ""
		} else {
			word, rest, _ = strings.Cut(rest, ",")
		}
		switch {
		case word == "id":
			a.Mode = ID
		case word == "required":
			a.Mode = Required
		case word == "computed":
			a.Mode = Computed
		case word == "sensitive":
			a.Sensitive = true
		case word == "passing":
			a.Passing = true
		case word == "stable":
			a.Stable = true
		case word == "common":
			a.Common = true
		case word == "asked":
			a.Asked = true
		case word == "shell":
			if !typ.Equals(cty.List(cty.String)) {
				bug("is no list of strings, and has shell in its kplan tag")
			}
			a.Shell = true
		case strings.HasPrefix(word, "for="):
			a.For = strings.TrimPrefix(word, "for=")
		case strings.HasPrefix(word, "default="):
			if a.Mode != ID {
				a.Mode = Default
			}
			v, err := convert.Convert(cty.StringVal(strings.TrimPrefix(word, "default=")), typ)
			if err != nil {
				bug("default: %v", err)
			}
			a.Default = v
		default:
			bug("unknown word %q in its kplan tag", word)
		}
	}
	nullable := f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map
	if a.Mode == Optional && !nullable {
		bug("is optional and cannot be null")
	}
	if (a.Passing || a.Stable || a.Common) && a.Mode != Computed {
		bug("is passing, stable or common and not computed")
	}
	return a
}

// Accepts is the type that a block may give the attribute: anything that
// Convert takes.
func (a Attribute) Accepts() cty.Type {
	if a.Shell {
		return cty.DynamicPseudoType
	}
	return a.Type
}

// Convert turns a value that a block gives the attribute into one of its type.
// Null, unknown values and marks stay. The string of a shell attribute becomes
// the list ["/bin/sh", "-c", string].
func (a Attribute) Convert(v cty.Value) (cty.Value, error) {
	if !a.Shell || v.Type() != cty.String {
		return convert.Convert(v, a.Type)
	}
	v, marks := v.Unmark()
	switch {
	case v.IsNull():
		v = cty.NullVal(a.Type)
	case !v.IsKnown():
		v = cty.UnknownVal(a.Type)
	default:
		v = cty.ListVal([]cty.Value{cty.StringVal("/bin/sh"), cty.StringVal("-c"), v})
	}
	return v.WithMarks(marks), nil
}

// Object is the cty type of an object of this schema.
func (s *Schema) Object() cty.Type { return s.object }

// GoName is the name of the struct type: where its documentation stands.
func (s *Schema) GoName() string { return s.goType.Name() }

// Lookup finds an attribute by name.
func (s *Schema) Lookup(name string) (Attribute, bool) {
	i, ok := s.byName[name]
	if !ok {
		return Attribute{}, false
	}
	return s.Attributes[i], true
}

// Recorded is the object v without what passes: attributes that change by
// themselves, such as the names in a directory, which are neither compared nor
// recorded.
func (s *Schema) Recorded(v cty.Value) cty.Value {
	passing := slices.ContainsFunc(s.Attributes, func(a Attribute) bool { return a.Passing })
	if !passing || v.IsNull() || !v.IsKnown() {
		return v
	}
	attrs := v.AsValueMap()
	for _, a := range s.Attributes {
		if a.Passing {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	return cty.ObjectVal(attrs)
}

// ToGo fills the struct that dst points to from the object v, which must be
// unmarked. Null and unknown attributes leave the zero value, as do those that an
// earlier version did not record; of a map of
// objects, which may hold what others result in, what is known is filled in.
func (s *Schema) ToGo(v cty.Value, dst any) error {
	out := reflect.ValueOf(dst).Elem()
	for _, a := range s.Attributes {
		if !v.Type().HasAttribute(a.Name) {
			continue
		}
		av := v.GetAttr(a.Name)
		if av = a.known(av); av.IsNull() {
			continue
		}
		if err := gocty.FromCtyValue(av, out.Field(a.index).Addr().Interface()); err != nil {
			return fmt.Errorf("attribute %s: %w", a.Name, err)
		}
	}
	return nil
}

// known is v or, where it is not all known, null; of a map of objects, such as
// what a resource is on each of its hosts, the keys and what is known of each.
func (a *Attribute) known(v cty.Value) cty.Value {
	switch {
	case v.IsWhollyKnown():
		return v
	case !v.IsKnown() || !a.Type.IsMapType() || !a.Type.ElementType().IsObjectType():
		return cty.NullVal(a.Type)
	}
	elements := v.AsValueMap()
	for key, e := range elements { // those of an unknown object are unknown
		attrs := map[string]cty.Value{}
		for name, t := range a.Type.ElementType().AttributeTypes() {
			attrs[name] = cty.NullVal(t)
			if got := e.GetAttr(name); got.IsWhollyKnown() {
				attrs[name] = got
			}
		}
		elements[key] = cty.ObjectVal(attrs)
	}
	return cty.MapVal(elements)
}

// FromGo makes the object of the struct v. Nil pointers, slices and maps are
// null.
func (s *Schema) FromGo(v any) (cty.Value, error) {
	in := reflect.ValueOf(v)
	attrs := make(map[string]cty.Value, len(s.Attributes))
	for _, a := range s.Attributes {
		av, err := gocty.ToCtyValue(in.Field(a.index).Interface(), a.Type)
		if err != nil {
			return cty.NilVal, fmt.Errorf("attribute %s: %w", a.Name, err)
		}
		attrs[a.Name] = av
	}
	return cty.ObjectVal(attrs), nil
}
