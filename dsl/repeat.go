package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/kplan/kplan/dsl/addr"
)

// maxInstances bounds how many instances a spec may have, hosts included.
const maxInstances = 100_000

// repetitions are the keys of a block, in order. Its for_each or count must be
// static.
func (s *Spec) repetitions(e each, f frame) ([]*repetition, hcl.Diagnostics) {
	switch {
	case e.forEach != nil:
		return s.forEach(e.forEach, f)
	case e.count != nil:
		return s.count(e.count, f)
	}
	return []*repetition{one}, nil
}

// refused says why v cannot decide which instances there are, nil where it can.
func refused(e *expr, v cty.Value) *hcl.Diagnostic {
	switch {
	case v.ContainsMarked():
		return errorAt(e.rng, "Sensitive value", "%s decides the addresses of instances, which are shown, so that it cannot be sensitive.", e.name)
	case v.IsNull():
		return errorAt(e.rng, "Invalid value", "%s is null. Write an empty value for no instances.", e.name)
	case !v.IsWhollyKnown():
		return errorAt(e.rng, "Invalid value", "%s is not known.", e.name)
	}
	return nil
}

func (s *Spec) forEach(e *expr, f frame) ([]*repetition, hcl.Diagnostics) {
	v, diags := s.eval(e, f)
	if diags.HasErrors() {
		return nil, diags
	}
	keysOnly := v
	if u, _ := v.Unmark(); u.IsKnown() && !u.IsNull() && (u.Type().IsMapType() || u.Type().IsObjectType()) && !v.IsMarked() {
		keysOnly = cty.True // values may be sensitive or null; keys are known
	}
	if d := refused(e, keysOnly); d != nil {
		return nil, append(diags, d)
	}
	typ := v.Type()
	set := typ.IsSetType() && typ.ElementType() == cty.String
	if !set && !typ.IsMapType() && !typ.IsObjectType() && (!typ.IsSetType() || v.LengthInt() > 0) {
		return nil, append(diags, errorAt(e.rng, "Invalid value", "for_each is a map or a set of strings, and this is %s", noKeys(typ)))
	}
	if n := v.LengthInt(); n > maxInstances {
		return nil, append(diags, errorAt(e.rng, "Too many instances", "for_each has %d keys; a spec may have at most %d instances.", n, maxInstances))
	}
	var all []*repetition
	for it := v.ElementIterator(); it.Next(); {
		k, value := it.Element()
		if k.IsNull() {
			return nil, append(diags, errorAt(e.rng, "Invalid value", "A key of for_each is null. Leave it out."))
		}
		all = append(all, &repetition{addr.StringKey(k.AsString()), value})
	}
	return all, diags
}

// noKeys says what typ is, that is neither a map nor a set of strings, and what
// to write in its place.
func noKeys(typ cty.Type) string {
	kind, of := "list", typ
	switch {
	case typ.IsTupleType():
		of, _ = convert.UnifyUnsafe(typ.TupleElementTypes())
	case typ.IsListType():
		of = typ.ElementType()
	case typ.IsSetType():
		kind, of = "set", typ.ElementType()
	case typ == cty.Number:
		return "a number. Write count for so many instances."
	default:
		return words(typ) + ". Write a map, or toset([…]) with a text for each instance."
	}
	switch {
	case of == cty.String || typ.IsTupleType() && typ.Length() == 0:
		return "a list. Write toset(…) around it."
	case of == cty.Number || of == cty.Bool:
		return "a " + kind + " of " + of.FriendlyName() + "s. Make them text: toset([for x in … : tostring(x)])."
	case of == cty.NilType || !of.Equals(hostType):
		return "a " + kind + ". Make it a map, with a key for each element that tells it from the others: { for x in … : x.name => x }."
	}
	return "a " + kind + " of hosts. A resource is on each of its hosts without for_each: on = hosts is enough. For a key for each host write { for h in hosts : h.name => h }."
}

func (s *Spec) count(e *expr, f frame) ([]*repetition, hcl.Diagnostics) {
	v, diags := s.eval(e, f)
	if diags.HasErrors() {
		return nil, diags
	}
	if d := refused(e, v); d != nil {
		return nil, append(diags, d)
	}
	n, err := convert.Convert(v, cty.Number)
	if err != nil || n.IsNull() || !n.AsBigFloat().IsInt() || n.AsBigFloat().Sign() < 0 {
		return nil, append(diags, errorAt(e.rng, "Invalid value", "count is a whole number, and at least 0."))
	}
	many, _ := n.AsBigFloat().Int64()
	if many > maxInstances {
		return nil, append(diags, errorAt(e.rng, "Too many instances", "count is %s; a spec may have at most %d instances.", n.AsBigFloat().Text('g', 10), maxInstances))
	}
	var all []*repetition
	for i := range many {
		all = append(all, &repetition{key: addr.IntKey(int(i))})
	}
	return all, diags
}

// calls are the instances of the module that in calls by name, made once.
func (s *Spec) calls(in *instance, name string) ([]*instance, hcl.Diagnostics) {
	in.mu.Lock()
	c := in.calls[name]
	if c == nil {
		c = &called{}
		in.calls[name] = c
	}
	in.mu.Unlock()
	c.once.Do(func() {
		child := in.node.children[name]
		reps, diags := s.repetitions(child.call.each, in.frame(nil))
		c.diags = diags
		for _, r := range reps {
			c.instances = append(c.instances, newInstance(s, child, in, r.key, name, r))
		}
	})
	return c.instances, c.diags
}
