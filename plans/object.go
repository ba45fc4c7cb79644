package plans

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Object is what a resource instance is or will be. A sensitive attribute is
// null in Value; Secrets holds its keyed digest, so that objects compare and
// nothing shows.
type Object struct {
	Value   cty.Value         // an object value without marks; unknown attributes are known after apply
	Secrets map[string]string // attribute name → keyed digest; "" stands for a secret that is not known yet
}

// None is the absence of an object.
var None = Object{}

// Exists reports whether there is an object.
func (o Object) Exists() bool { return o.Value != cty.NilVal && !o.Value.IsNull() }

// Equal reports whether two objects are the same in every attribute. An
// unknown attribute is equal to nothing.
func (o Object) Equal(p Object) bool {
	if !o.Exists() || !p.Exists() {
		return o.Exists() == p.Exists()
	}
	return len(Differ(p, o)) == 0 && len(Differ(o, p)) == 0
}

// Holds reports whether what is actual is as the planned object says: equal in
// every attribute that the plan manages and knows.
func (o Object) Holds(actual Object) bool {
	if !o.Exists() || !actual.Exists() {
		return o.Exists() == actual.Exists()
	}
	for _, name := range Differ(actual, o) {
		if !o.Open(name) {
			return false
		}
	}
	return true
}

// Open reports whether the attribute called name is not known yet.
func (o Object) Open(name string) bool {
	if d, secret := o.Secrets[name]; secret {
		return d == ""
	}
	v := attr(o, name)
	return v != cty.NilVal && !v.IsWhollyKnown()
}

// Filled is o with what is open in it as it is in now, an object with the same
// attributes.
func (o Object) Filled(now Object) Object {
	if !o.Exists() {
		return o
	}
	f := Object{Secrets: map[string]string{}}
	maps.Copy(f.Secrets, o.Secrets)
	attrs := o.Value.AsValueMap()
	for name := range attrs {
		if !o.Open(name) {
			continue
		}
		attrs[name] = now.Value.GetAttr(name)
		delete(f.Secrets, name)
		if d, secret := now.Secrets[name]; secret {
			f.Secrets[name] = d
		}
	}
	f.Value = cty.ObjectVal(attrs)
	return f
}

// Differ names, sorted, the attributes in which want asks for something else
// than actual is. Null attributes of want are not managed. A want that is not
// known yet differs.
func Differ(actual, want Object) []string {
	var names []string
	it := want.Value.ElementIterator()
	for it.Next() {
		k, w := it.Element()
		name := k.AsString()
		if w.IsNull() {
			continue
		}
		a := attr(actual, name)
		if !w.IsWhollyKnown() || a == cty.NilVal || a.IsNull() || !a.IsWhollyKnown() || !a.Type().Equals(w.Type()) || !a.RawEquals(w) {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.Secrets)) {
		if d := want.Secrets[name]; d == "" || actual.Secrets[name] != d {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func attr(o Object, name string) cty.Value {
	if !o.Exists() || !o.Value.Type().HasAttribute(name) {
		return cty.NilVal
	}
	return o.Value.GetAttr(name)
}
