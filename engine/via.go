package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// The objects of some types are members of one thing, and how the step of one
// goes about it depends on which others there are. The plan decides that, from
// what it read of all of them, and says it.

// oneByOne reports whether the hosts of a resource come one after the other.
func (d *derivation) oneByOne(r addr.Resource) bool {
	t := d.typeOf(r)
	return t != nil && t.Routed()
}

// route finds how the step of node i goes about its change. It reports whether
// there is a way; where there is none, it has said so or withheld the node.
func (d *derivation) route(i int, c *plans.Change) bool {
	t := d.nodes[i].typ
	if !t.Routed() || d.in.Mode == plans.RefreshOnly {
		return true
	}
	object := c.Before.Value
	if i < d.graph.Instances {
		object = d.nodes[i].plain
	}
	via, err := t.Via(object, c.Addr.Host, d.fellows(i, c))
	var unseen *resource.UnseenError
	switch {
	case errors.As(err, &unseen):
		d.nodes[i].withheld = fmt.Sprintf("it depends on what stands on host %s, and %s", unseen.Host, unseen.Reason)
	case err != nil:
		d.disagree(i, err)
	default:
		d.nodes[i].via = via
	}
	return err == nil
}

// disagree says once what is wrong between the members of one thing.
func (d *derivation) disagree(i int, err error) {
	p := problem{summary: "Hosts do not go together", detail: sentence(err.Error()), at: blame(d.inst(i), err)}.diag()
	for _, said := range d.diags {
		if said.Summary == p.Summary && said.Detail == p.Detail {
			return
		}
	}
	d.diags = append(d.diags, p)
}

// whole makes what is chosen of a resource whose hosts are members of one thing
// all of it: what is done on one depends on the others.
func (d *derivation) whole(chosen []bool) {
	some := map[addr.Instance]bool{} // by address without the host
	for _, extend := range []bool{false, true} {
		for i := range d.nodes {
			a := d.addr(i)
			if t := d.nodes[i].typ; t == nil || !t.Routed() {
				continue
			}
			a.Host = ""
			if extend {
				chosen[i] = some[a]
			} else if chosen[i] {
				some[a] = true
			}
		}
	}
}

// fellows are what was read of the resource of node i on all its hosts, in the
// order of their steps. What is to be made has none yet.
func (d *derivation) fellows(i int, c *plans.Change) []resource.Fellow[cty.Value] {
	a := d.addr(i)
	nodes := slices.Clone(d.match(dsl.Need{Resource: a.Resource, Key: &a.Key}))
	for k, l := range slices.Backward(d.left) {
		if l.Addr.Resource == a.Resource && l.Addr.Key == a.Key {
			nodes = append(nodes, len(d.insts)+k)
		}
	}
	nodes = slices.DeleteFunc(nodes, func(j int) bool { return d.letGo[d.addr(j).Host] })
	if d.letGo[a.Host] {
		nodes = slices.Insert(nodes, 0, i)
	}
	var out []resource.Fellow[cty.Value]
	for _, j := range nodes {
		r := d.nodes[j].reading()
		f := resource.Fellow[cty.Value]{Host: d.addr(j).Host, Unseen: d.nodes[j].withheld, LetGo: d.letGo[d.addr(j).Host]}
		if toBeMade := j == i && (c.Action == plans.Create || c.Action == plans.Replace); r.before.Exists() && !toBeMade {
			f.Object = &r.before.Value
		}
		switch {
		case r.err != nil:
			f.Unseen = "it could not be read: " + d.hider.hide(explain(r.err))
		case r.unseen != "":
			f.Unseen = "it cannot be seen: " + r.unseen
		}
		if j >= d.graph.Instances {
			rec, _ := d.recorded(j)
			f.Leaves = rec.Origin == string(plans.Created) && !rec.KeepOnDestroy && !d.leftAlone(j)
		}
		out = append(out, f)
	}
	return out
}

// likeFellows is what is made of a new member, with what it has in common with
// those that are there.
func (d *derivation) likeFellows(i int, c *plans.Change) plans.Object {
	after := c.After
	if !d.nodes[i].typ.Routed() || c.Action != plans.Create {
		return after
	}
	attrs := after.Value.AsValueMap()
	for _, f := range d.fellows(i, c) {
		a := c.Addr
		a.Host = f.Host
		if of := d.nodes[d.index[a]].change; of != nil && of.Action == plans.Replace { // it will be another
			continue
		}
		for _, a := range d.nodes[i].typ.Schema.Attributes {
			if a.Common && after.Open(a.Name) && f.Object != nil && f.Unseen == "" && f.Object.Type().HasAttribute(a.Name) {
				attrs[a.Name] = f.Object.GetAttr(a.Name)
			}
		}
	}
	after.Value = cty.ObjectVal(attrs)
	return after
}

// inCommon is what others see of an object that is made, with what is known of it
// from its fellows.
func inCommon(t *resource.Type, visible cty.Value, c *plans.Change) cty.Value {
	if !t.Routed() || c.Action != plans.Create {
		return visible
	}
	attrs := visible.AsValueMap()
	for _, a := range t.Schema.Attributes {
		if _, marks := attrs[a.Name].Unmark(); a.Common && !c.After.Open(a.Name) {
			attrs[a.Name] = c.After.Value.GetAttr(a.Name).WithMarks(marks)
		}
	}
	return cty.ObjectVal(attrs)
}
