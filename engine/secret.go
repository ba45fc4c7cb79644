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
	o := d.renamed(i, plans.Object{Value: d.nodes[i].typ.Schema.Recorded(v)})
	return redact(d.in.Key, o.Value, secret)
}

// shown is v, as it was read of node i, as plans see it. What was a secret when
// it was recorded stays one, but where it is what want says in clear. What it
// holds back is not shown in texts of machines either.
func (d *derivation) shown(i int, v, want cty.Value) plans.Object {
	secret := d.nodes[i].secrets
	rec, _ := d.recorded(i)
	if v != cty.NilVal && !v.IsNull() {
		was := maps.Clone(d.renamed(i, recordedObject(rec)).Secrets)
		maps.DeleteFunc(was, func(name, _ string) bool {
			return v.Type().HasAttribute(name) && want != cty.NilVal && want.GetAttr(name).RawEquals(v.GetAttr(name))
		})
		secret = union(secret, was)
		for _, name := range secret {
			if v.Type().HasAttribute(name) {
				d.hider.add(v.GetAttr(name))
			}
		}
	}
	return d.object(i, v, secret)
}

// renamed is o, an object of node i, with what has two names under the one that
// is asked for.
func (d *derivation) renamed(i int, o plans.Object) plans.Object {
	asked := d.nodes[i].asked
	if !o.Exists() || asked == cty.NilVal {
		return o
	}
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		switch {
		case a.For == "":
		case !asked.GetAttr(a.Name).IsNull():
			o = moved(o, a.For, a.Name)
		case !asked.GetAttr(a.For).IsNull():
			o = moved(o, a.Name, a.For)
		}
	}
	return o
}

// moved is o with what it holds under one name under another.
func moved(o plans.Object, from, to string) plans.Object {
	if digest, secret := o.Secrets[from]; secret {
		secrets := maps.Clone(o.Secrets)
		delete(secrets, from)
		secrets[to] = digest
		return plans.Object{Value: o.Value, Secrets: secrets}
	}
	if t := o.Value.Type(); !t.HasAttribute(from) || !t.HasAttribute(to) || o.Value.GetAttr(from).IsNull() {
		return o
	}
	attrs := o.Value.AsValueMap()
	attrs[to], attrs[from] = attrs[from], attrs[to]
	return plans.Object{Value: cty.ObjectVal(attrs), Secrets: o.Secrets}
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
	known := d.renamed(i, recordedObject(rec))
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
