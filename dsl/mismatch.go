package dsl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/kplan/kplan/dsl/schema"
)

// words is a type as messages call it: "a map of strings". Tuples, which the
// language has no word for, are lists.
func words(t cty.Type) string {
	return strings.Replace(noun(t, "a ", ""), "a o", "an o", 1)
}

func noun(t cty.Type, article, plural string) string {
	switch {
	case t.Equals(hostType):
		return article + "host" + plural
	case t == cty.DynamicPseudoType:
		return "anything"
	case t.IsTupleType():
		return article + "list" + plural
	case t.IsObjectType():
		return article + "object" + plural
	case t.IsPrimitiveType():
		return article + t.FriendlyName() + plural
	}
	kind := "set"
	if t.IsListType() {
		kind = "list"
	} else if t.IsMapType() {
		kind = "map"
	}
	of := ""
	if t.ElementType() != cty.DynamicPseudoType {
		of = " of " + noun(t.ElementType(), "", "s")
	}
	return article + kind + plural + of
}

// misfit is where in a value the first thing stands that is not of its type.
type misfit struct {
	path    cty.Path // a key that is part of a sensitive value is marked
	got     string   // what it is, in words
	want    cty.Type
	missing string // the attribute that it lacks
	whole   bool   // got says what is wanted too
}

// clause says it of the value called name, in a clause: with want, also what it
// should be.
func (m *misfit) clause(name, root string, want bool) string {
	subject := root
	if len(m.path) > 0 {
		subject = spelled(name, m.path)
	}
	if m.missing != "" {
		return fmt.Sprintf("%s has no attribute %q", subject, m.missing)
	}
	if want && !m.whole {
		return fmt.Sprintf("%s is %s and not %s", subject, m.got, words(m.want))
	}
	return subject + " is " + m.got
}

// mismatch finds the first thing in v that cannot be converted; nil where that
// is not to be found by types and texts alone.
func mismatch(v cty.Value, want cty.Type, secret bool) *misfit {
	v, marks := v.Unmark()
	secret = secret || len(marks) > 0
	got := v.Type()
	if _, err := convert.Convert(v, want); err == nil || v.IsKnown() && v.IsNull() {
		return nil
	}
	switch {
	case (want.IsListType() || want.IsSetType()) && (got.IsListType() || got.IsSetType() || got.IsTupleType()),
		want.IsMapType() && (got.IsMapType() || got.IsObjectType()) && !single(got, want.ElementType()):
		for k, e := range elementsOf(v) {
			if m := mismatch(e, want.ElementType(), secret); m != nil {
				if secret && k.Type() == cty.String {
					k = k.Mark("sensitive")
				}
				return m.in(cty.IndexStep{Key: k})
			}
		}
		return nil
	case want.IsTupleType() && got.IsTupleType():
		has, types := v.Type().TupleElementTypes(), want.TupleElementTypes()
		if len(has) != len(types) {
			return &misfit{got: fmt.Sprintf("a list of length %d and not %d", len(has), len(types)), want: want, whole: true}
		}
		i := 0
		for k, e := range elementsOf(v) {
			if m := mismatch(e, types[i], secret); m != nil {
				return m.in(cty.IndexStep{Key: k})
			}
			i++
		}
		return nil
	case want.IsObjectType() && (got.IsObjectType() || got.IsMapType()):
		has := map[string]cty.Value{}
		for k, e := range elementsOf(v) {
			if k.IsKnown() {
				has[k.AsString()] = e
			}
		}
		types := want.AttributeTypes()
		for _, name := range slices.Sorted(maps.Keys(types)) {
			e, ok := has[name]
			if !ok && !want.AttributeOptional(name) && v.IsKnown() {
				return &misfit{missing: name}
			}
			if !ok {
				continue
			}
			if m := mismatch(e, types[name], secret); m != nil {
				return m.in(cty.GetAttrStep{Name: name})
			}
		}
		return nil
	}
	m := &misfit{got: words(got), want: want}
	switch {
	case want == cty.Number && got == cty.String:
		m.got, m.whole = "a string that is no number", true
	case want == cty.Bool && got == cty.String:
		m.got, m.whole = `a string that is neither "true" nor "false"`, true
	case want.IsMapType() && got.IsObjectType() && !got.Equals(hostType):
		m.got = "one object"
	}
	return m
}

// single reports whether got is one of what is wanted to be a map of objects.
func single(got, element cty.Type) bool {
	return element.IsObjectType() && got.IsObjectType() && len(got.AttributeTypes()) > 0 &&
		(got.Equals(hostType) || convertible(got, element))
}

// elementsOf is the elements of v, in order, with their keys: of one that is not
// known yet what its type tells.
func elementsOf(v cty.Value) func(func(cty.Value, cty.Value) bool) {
	t := v.Type()
	if !v.IsKnown() {
		switch {
		case t.IsObjectType():
			of := map[string]cty.Value{}
			for name, t := range t.AttributeTypes() {
				of[name] = cty.UnknownVal(t)
			}
			v = cty.ObjectVal(of)
		case t.IsTupleType():
			var of []cty.Value
			for _, t := range t.TupleElementTypes() {
				of = append(of, cty.UnknownVal(t))
			}
			v = cty.TupleVal(of)
		default:
			return func(yield func(cty.Value, cty.Value) bool) {
				yield(cty.UnknownVal(cty.String), cty.UnknownVal(t.ElementType()))
			}
		}
	}
	return v.Elements()
}

func (m *misfit) in(step cty.PathStep) *misfit {
	m.path = slices.Insert(m.path, 0, step)
	return m
}

// spelled is how an expression would write what the path leads to in the value
// called name.
func spelled(name string, path cty.Path) string {
	var b strings.Builder
	b.WriteString(name)
	for _, st := range path {
		switch st := st.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + st.Name)
		case cty.IndexStep:
			switch k := st.Key; {
			case k.IsMarked() || !k.IsKnown() || k.IsNull():
				b.WriteString("[…]")
			case k.Type() == cty.String:
				fmt.Fprintf(&b, "[%q]", k.AsString())
			case k.Type() == cty.Number:
				b.WriteString("[" + k.AsBigFloat().Text('f', -1) + "]")
			default: // an element of a set
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}

// wrongType says that the value v of an argument is not of the type want, which
// messages call called, and what to write instead where that is to be guessed.
// err is what converting it gave.
func (s *Spec) wrongType(e *expr, name, called string, v cty.Value, want cty.Type, secret bool, err error) string {
	m := mismatch(v, want, secret)
	why, hint := describe(err), ""
	if m == nil || len(m.path) < 2 {
		hint = s.instead(e, v, want)
	}
	if m != nil {
		inObject := slices.ContainsFunc(m.path, func(st cty.PathStep) bool { _, ok := st.(cty.GetAttrStep); return ok })
		why = m.clause(name, "this", inObject)
	}
	return fmt.Sprintf("The argument %q is %s, and %s.%s", name, called, why, hint)
}

// instead guesses what was meant: a resource on all its hosts where a map of
// such objects is wanted, and a list where one host was written.
func (s *Spec) instead(e *expr, v cty.Value, want cty.Type) string {
	var r ref
	t, diags := hcl.AbsTraversalForExpr(e.Expression)
	if !diags.HasErrors() {
		r, _ = parseRef(t)
	}
	switch {
	case want.IsMapType() && want.ElementType().IsObjectType():
		types := s.typesWith(want.ElementType())
		typ, name, _ := strings.Cut(r.name, ".")
		switch {
		case slices.Contains(types, typ) && r.kind == refResource && r.key != nil && v.Type().IsObjectType():
			return fmt.Sprintf(" Write { for h, of in all.%s.%s : h => of%s }, a map of what it is on each of its hosts.", typ, name, r.key)
		case slices.Contains(types, typ) && r.kind == refResource:
			return fmt.Sprintf(" Write all.%s.%s, a map of what it is on each of its hosts.", typ, name)
		case len(types) == 1:
			return fmt.Sprintf(" Write all.%s.NAME, a map of what that resource is on each of its hosts.", types[0])
		}
	case want.IsListType() && want.ElementType().IsObjectType() && convertible(hostType, want.ElementType()):
		if u, _ := v.Unmark(); u.Type().Equals(hostType) && len(t) == 2 {
			return fmt.Sprintf(" Write [%s].", dotted(t.RootName(), step(t, 1)))
		}
		return " Write a list of hosts, such as [host.NAME], role.NAME or hosts."
	}
	return ""
}

// typesWith is the resource types whose objects have all attributes of the
// object type of.
func (s *Spec) typesWith(of cty.Type) []string {
	var names []string
	for _, name := range s.options.Types.Names() {
		if sch, ok := s.options.Types.Schema(name); ok && convertible(sch.Object(), of) {
			names = append(names, name)
		}
	}
	return names
}

func convertible(from, to cty.Type) bool {
	_, err := convert.Convert(cty.UnknownVal(from), to)
	return err == nil
}

// unfit says why the argument does not fit its attribute, and what to write
// instead. err is of schema.Attribute.Fits.
func (a *attrExpr) unfit(err error) string {
	var u *schema.UnfitError
	if !errors.As(err, &u) {
		return fmt.Sprintf("The argument %q cannot be used: %s.", a.name, err)
	}
	at := spelled(a.name, u.Path)
	is := fmt.Sprintf("The argument %q is %s, and %s ", a.name, typeName(a.attr), at)
	if len(u.Path) == 0 {
		is = fmt.Sprintf("The argument %q ", a.name)
	}
	switch u.Why {
	case schema.NullElement:
		if s, ok := u.Path[len(u.Path)-1].(cty.IndexStep); ok && s.Key.Type() == cty.String {
			return is + "is null. Leave it out: { for k, v in … : k => v if v != null } does that."
		}
		return is + "is null. Leave it out: [for v in … : v if v != null] does that."
	case schema.NullAttribute:
		return is + "is null. Give it a value."
	case schema.TooLarge:
		return is + "is a whole number, and this one is too large."
	case schema.TooSmall:
		return is + "is a whole number, and this one is too small."
	}
	return is + "is a whole number."
}
