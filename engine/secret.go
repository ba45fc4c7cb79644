package engine

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Between the evaluator and everything that is printed, saved or recorded
// stands this file: an object with secrets in it becomes a plans.Object, which
// holds their keyed digests only.

// secretNames are the attributes of want that must not be shown: those that
// the type marks, and those whose value carries a mark.
func secretNames(t *resource.Type, want cty.Value) []string {
	var names []string
	for _, a := range t.Schema.Attributes {
		if a.Sensitive || want != cty.NilVal && want.GetAttr(a.Name).ContainsMarked() {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return names
}

// redact makes the object of v, which must be unmarked; the attributes called
// names become keyed digests.
func redact(key []byte, v cty.Value, names []string) plans.Object {
	if v == cty.NilVal || v.IsNull() {
		return plans.None
	}
	if !slices.ContainsFunc(names, func(name string) bool { return v.Type().HasAttribute(name) && !v.GetAttr(name).IsNull() }) {
		return plans.Object{Value: v}
	}
	attrs := v.AsValueMap()
	secrets := map[string]string{}
	for _, name := range names {
		a, ok := attrs[name]
		if !ok || a.IsNull() {
			continue
		}
		if a.IsWhollyKnown() {
			secrets[name] = plans.Keyed(key, a)
		} else {
			secrets[name] = ""
		}
		attrs[name] = cty.NullVal(a.Type())
	}
	return plans.Object{Value: cty.ObjectVal(attrs), Secrets: secrets}
}

// object is what v, of node i, looks like to plans: without secrets, and
// without what the type only judges by while it reads.
func (d *derivation) object(i int, v cty.Value, secret []string) plans.Object {
	if v == cty.NilVal {
		return plans.None
	}
	return redact(d.in.Key, d.nodes[i].typ.Schema.Recorded(v), secret)
}

// recordedObject is the object that the state holds.
func recordedObject(o state.Object) plans.Object {
	if o.Attrs.Value == cty.NilVal || o.Attrs.IsNull() {
		return plans.None
	}
	return plans.Object{Value: o.Attrs.Value, Secrets: o.Secrets}
}

// recordedAs is the object that the state holds of node i, without what has
// become a secret since.
func (d *derivation) recordedAs(i int, rec state.Object) plans.Object {
	known := recordedObject(rec)
	if !known.Exists() {
		return known
	}
	o := redact(d.in.Key, known.Value, d.nodes[i].secrets)
	if len(known.Secrets) > 0 {
		all := maps.Clone(known.Secrets)
		maps.Copy(all, o.Secrets)
		o.Secrets = all
	}
	return o
}

// union is the names of both, sorted, once each.
func union(names []string, secrets map[string]string) []string {
	if len(secrets) == 0 {
		return names
	}
	all := slices.AppendSeq(slices.Clone(names), maps.Keys(secrets))
	slices.Sort(all)
	return slices.Compact(all)
}

// unmarked is v without marks, at no cost where there are none.
func unmarked(v cty.Value) cty.Value {
	if v == cty.NilVal || !v.ContainsMarked() {
		return v
	}
	v, _ = v.UnmarkDeep()
	return v
}

// inputDigest is the keyed digest of what an act is done for; "" where it is
// not all known yet.
func inputDigest(key []byte, t *resource.Type, want cty.Value) string {
	attrs := map[string]cty.Value{}
	for _, name := range t.Inputs() {
		v := want.GetAttr(name)
		if !v.IsWhollyKnown() {
			return ""
		}
		attrs[name] = v
	}
	return plans.Keyed(key, cty.ObjectVal(attrs))
}

// objectDigest is the keyed digest of an object as it was read.
func objectDigest(key []byte, o plans.Object) string {
	if !o.Exists() {
		return ""
	}
	return plans.Keyed(key, cty.ObjectVal(map[string]cty.Value{
		"value":   o.Value,
		"secrets": secretsValue(o.Secrets),
	}))
}

func secretsValue(secrets map[string]string) cty.Value {
	attrs := map[string]cty.Value{}
	for name, d := range secrets {
		attrs[name] = cty.StringVal(d)
	}
	return cty.ObjectVal(attrs)
}
