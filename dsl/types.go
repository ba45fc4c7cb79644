package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// osType is a declared operating system.
var osType = cty.Object(map[string]cty.Type{"family": cty.String, "version": cty.String})

// hostType is the type of a host's value. It is the same for all hosts.
var hostType = cty.Object(map[string]cty.Type{
	"name": cty.String, "address": cty.String, "roles": cty.List(cty.String),
	"labels": cty.Map(cty.String), "os": osType,
})

// hostTypeSource is hostType in the syntax of type constraints.
const hostTypeSource = `object({name=string, address=string, roles=list(string), labels=map(string), os=object({family=string, version=string})})`

// typeConstraint is what the type argument of a variable says.
type typeConstraint struct {
	typ      cty.Type
	defaults *typeexpr.Defaults
	rng      hcl.Range
	any      bool // not said: a value on the command line is a string
}

// apply makes a value one of the type, with the defaults of optional
// attributes filled in.
func (t *typeConstraint) apply(v cty.Value) (cty.Value, error) {
	if t.defaults != nil && !v.IsNull() {
		v = t.defaults.Apply(v)
	}
	return convert.Convert(v, t.typ)
}

// typeOf reads a type argument; without one every type is right.
func (c *collector) typeOf(a *hclsyntax.Attribute) *typeConstraint {
	if a == nil {
		return &typeConstraint{typ: cty.DynamicPseudoType, any: true}
	}
	typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(withHosts(a.Expr))
	c.diags = append(c.diags, guard.Plain(diags)...)
	if diags.HasErrors() {
		typ, defaults = cty.DynamicPseudoType, nil
	}
	return &typeConstraint{typ: typ, defaults: defaults, rng: a.Expr.Range()}
}

// withHosts spells out the keyword host in a type, which typeexpr does not
// know.
func withHosts(e hclsyntax.Expression) hclsyntax.Expression {
	if hcl.ExprAsKeyword(e) == "host" {
		spelled, diags := hclsyntax.ParseExpression([]byte(hostTypeSource), "host", e.Range().Start)
		if diags.HasErrors() {
			panic("dsl: the type of hosts does not parse: " + diags.Error())
		}
		return spelled
	}
	switch e := hcl.UnwrapExpression(e).(type) {
	case *hclsyntax.FunctionCallExpr:
		for i, a := range e.Args {
			e.Args[i] = withHosts(a)
		}
	case *hclsyntax.TupleConsExpr:
		for i, x := range e.Exprs {
			e.Exprs[i] = withHosts(x)
		}
	case *hclsyntax.ObjectConsExpr:
		for i, item := range e.Items {
			e.Items[i].ValueExpr = withHosts(item.ValueExpr)
		}
	}
	return e
}

// stringList is the strings in a list, set or tuple of known strings.
func stringList(v cty.Value) ([]string, bool) {
	if v == cty.NilVal || v.IsNull() || !v.IsWhollyKnown() || !v.CanIterateElements() {
		return nil, false
	}
	out := make([]string, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() || !e.Type().Equals(cty.String) {
			return nil, false
		}
		out = append(out, e.AsString())
	}
	return out, true
}
