package engine

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// inherited reports whether kplan created what instance i claims, under another
// address: that of a resource that was renamed, or has another identity now.
func (d *derivation) inherited(i int) bool {
	if d.created == nil {
		d.created = map[claim]bool{}
		for k := range d.nodes {
			rec, ok := d.recorded(k)
			t := d.nodes[k].typ
			if !ok || t == nil || rec.Origin != string(plans.Created) || !recordedObject(rec).Exists() {
				continue
			}
			for _, what := range t.Claims(rec.Attrs.Value) {
				d.created[claim{d.addr(k).Host, what}] = true
			}
			if t.Shared {
				d.created[shared(t, rec.Attrs.Value)] = true
			}
		}
	}
	if t := d.nodes[i].typ; t.Shared && d.created[shared(t, d.nodes[i].plain)] {
		return true
	}
	return slices.ContainsFunc(d.nodes[i].typ.Claims(d.nodes[i].plain), func(what string) bool {
		return d.created[claim{d.addr(i).Host, what}]
	})
}

// shared is the claim on an object that is the same one on all hosts, by its
// identity.
func shared(t *resource.Type, object cty.Value) claim {
	what := t.Name
	for _, a := range t.Schema.Attributes {
		if a.Mode == schema.ID {
			what += " " + object.GetAttr(a.Name).GoString()
		}
	}
	return claim{what: what}
}
