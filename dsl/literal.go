package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A value of an object type loses, where it is converted, the attributes that the
// type does not have. That lets a whole object of a resource be given for one
// with fewer attributes. Where the object is written out, what would be lost is a
// mistake.

// strangers finds the attributes in an expression, as far as it is written out,
// that a variable's type does not have. from says in words where the expression
// comes from that stands in no file; "" for one that does.
func (v *variableBlock) strangers(e hcl.Expression, from string) (diags hcl.Diagnostics) {
	var look func(e hclsyntax.Expression, typ cty.Type)
	look = func(e hclsyntax.Expression, typ cty.Type) {
		switch e := constructor(e).(type) {
		case *hclsyntax.ConditionalExpr:
			look(e.TrueResult, typ)
			look(e.FalseResult, typ)
		case *hclsyntax.TupleConsExpr:
			for i, element := range e.Exprs {
				switch {
				case typ.IsListType() || typ.IsSetType():
					look(element, typ.ElementType())
				case typ.IsTupleType() && i < typ.Length():
					look(element, typ.TupleElementType(i))
				}
			}
		case *hclsyntax.ObjectConsExpr:
			for _, item := range e.Items {
				if typ.IsMapType() {
					look(item.ValueExpr, typ.ElementType())
				}
				name, known := constantKey(item.KeyExpr)
				if !typ.IsObjectType() || !known {
					continue
				}
				if typ.HasAttribute(name) {
					look(item.ValueExpr, typ.AttributeType(name))
					continue
				}
				names := slices.Sorted(maps.Keys(typ.AttributeTypes()))
				rng, source := item.KeyExpr.Range(), ""
				switch {
				case from != "":
					rng, source = v.rng, " The value is from "+from+"."
				case v.sensitive: // so that no snippet shows the value
					rng, source = v.rng, " It stands at "+at(rng)+"."
				}
				diags = append(diags, errorAt(rng, "Unknown attribute", "The type of the variable %q has no attribute %q there. It has %s.%s%s", v.name, name, list(names), suggest(name, names), source))
			}
		}
	}
	if e, ok := e.(hclsyntax.Expression); ok {
		look(e, v.typ.typ)
	}
	return diags
}
