package engine

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/plans"
)

// refusals finds what a type refuses to make of what is there. Of a type that binds
// the whole plan it is asked too where the plan leaves the object alone, as it is
// withheld or not selected. A saved plan was looked at when it was made, and a look at what changed
// changes nothing.
func (d *derivation) refusals() {
	if d.in.Mode == plans.RefreshOnly || d.met == nil && !d.in.Offline {
		return
	}
	for i, in := range d.insts {
		n := &d.nodes[i]
		if n.typ == nil || n.typ.IsAct || n.want == cty.NilVal {
			continue
		}
		failed := n.change == nil && n.withheld == "" && d.selected(i) // which has been said
		if failed || n.change != nil && n.change.Action != plans.Update {
			continue
		}
		prior := n.reading().raw
		want := d.asFound(i, n.plain, plans.Object{Value: prior})
		if n.change == nil || prior == cty.NilVal {
			if want, prior = d.asLeft(i, prior); prior == cty.NilVal || !n.typ.Binding {
				continue
			}
		}
		if reason := n.typ.Refuses(want, prior); reason != "" {
			d.diags = append(d.diags, problem{summary: "Change not possible", detail: fmt.Sprintf("On host %s: %s", in.Addr.Host, reason), at: blame(in, nil)}.diag())
		}
	}
}

// asLeft is what is wanted of instance i, which was not decided by a reading, and
// what is there, by its record where it was not read. What is open of the one is as
// in the other. There is nothing to compare, NilVal, where nothing is recorded, or
// another object.
func (d *derivation) asLeft(i int, read cty.Value) (want, prior cty.Value) {
	rec, _ := d.recorded(i)
	known := recordedObject(rec)
	asked := d.nodes[i].asked
	if !known.Exists() || !sameIdentity(d.nodes[i].typ, asked, known.Value) {
		return cty.NilVal, cty.NilVal
	}
	if read == cty.NilVal {
		read = known.Value
	}
	if read.IsNull() {
		return cty.NilVal, cty.NilVal
	}
	attrs := d.asFound(i, asked, plans.Object{Value: read}).AsValueMap()
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if !d.nodes[i].plain.GetAttr(a.Name).IsWhollyKnown() && read.Type().HasAttribute(a.Name) {
			attrs[a.Name] = read.GetAttr(a.Name)
		}
	}
	return cty.ObjectVal(attrs), read
}
