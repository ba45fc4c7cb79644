package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// blockArgs evaluates the arguments of one block, each of its own type.
type blockArgs struct {
	spec  *Spec
	frame frame
	args  map[string]*expr
	diags hcl.Diagnostics
}

func (a *blockArgs) add(d *hcl.Diagnostic) { a.diags = append(a.diags, d) }

// value is the argument called name as a value of the type; null where it is
// not set or not usable. It may be sensitive where secret says so.
func (a *blockArgs) value(name string, typ cty.Type, secret bool) cty.Value {
	e := a.args[name]
	if e == nil {
		return cty.NullVal(typ)
	}
	v, diags := a.spec.eval(e, a.frame)
	a.diags = append(a.diags, diags...)
	if diags.HasErrors() {
		return cty.NullVal(typ)
	}
	if v.ContainsMarked() {
		if !secret {
			a.add(errorAt(e.rng, "Sensitive value", "The argument %q is shown, so that it cannot be sensitive.", name))
			return cty.NullVal(typ)
		}
		v, _ = v.UnmarkDeep()
	}
	out, err := convert.Convert(v, typ)
	if err != nil {
		a.add(errorAt(e.rng, "Invalid value", "%s", a.spec.wrongType(e, name, words(typ), v, typ, secret, err)))
		return cty.NullVal(typ)
	}
	if !out.IsWhollyKnown() {
		a.add(errorAt(e.rng, "Invalid value", "The argument %q is not known.", name))
		return cty.NullVal(typ)
	}
	return out
}

func (a *blockArgs) text(name string) string {
	v := a.value(name, cty.String, secretArgs[name])
	if v.IsNull() {
		return ""
	}
	return v.AsString()
}

func (a *blockArgs) texts(name string) []string {
	v := a.value(name, cty.List(cty.String), false)
	if v.IsNull() {
		return nil
	}
	out, ok := stringList(v)
	if !ok {
		a.add(errorAt(a.args[name].rng, "Invalid value", "An element of the argument %q is null.", name))
	}
	return out
}

func (a *blockArgs) pairs(name string) map[string]string {
	v := a.value(name, cty.Map(cty.String), false)
	if v.IsNull() {
		return nil
	}
	out := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if !e.IsNull() {
			out[k.AsString()] = e.AsString()
		}
	}
	return out
}

// whole is a whole number between low and high; otherwise where it is not set.
func (a *blockArgs) whole(name string, low, high, otherwise int) int {
	v := a.value(name, cty.Number, false)
	if v.IsNull() {
		return otherwise
	}
	n, exact := v.AsBigFloat().Int64()
	if exact != 0 || n < int64(low) || n > int64(high) {
		a.add(errorAt(a.args[name].rng, "Invalid value", "The argument %q is a whole number from %d to %d.", name, low, high))
		return otherwise
	}
	return int(n)
}
