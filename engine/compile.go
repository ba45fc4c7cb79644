package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// compile decides what is to be done about every node and orders it as steps.
// hosts, drift and warnings are what the readings showed beside the objects.
func (d *derivation) compile(hosts []plans.Host, drift []plans.Drift, warnings []string) (*plans.Plan, hcl.Diagnostics) {
	d.choose()
	d.recall()
	for _, i := range d.graph.Order { // before anything is decided: an instance may ask for one that comes later
		if i < d.graph.Instances {
			d.held(i)
		}
	}
	for _, i := range d.graph.Order {
		switch {
		case i >= d.graph.Leftovers || d.nodes[i].typ == nil || !d.selected(i):
		case d.held(i) || i >= d.graph.Instances:
		default:
			undecided := d.nodes[i]
			d.decide(i)
			d.withholdPeerless(i, undecided)
		}
	}
	d.refusals()
	d.claims()
	for i := d.graph.Instances; i < d.graph.Leftovers; i++ {
		if d.nodes[i].withheld == "" && d.selected(i) {
			d.decideLeftover(i)
		}
	}
	d.withholdPeerlessLeftovers()
	d.keep()
	d.removals()
	warnings = append(slices.Clip(warnings), append(d.unseen(), d.preflight()...)...)
	if d.diags.HasErrors() {
		return nil, d.diags
	}
	c := plans.Content{Base: d.base, Mode: d.in.Mode, Hosts: hosts, Drift: drift, Warnings: warnings}
	if d.in.Mode != plans.RefreshOnly {
		d.assemble(&c)
	}
	c.Changes = make([]plans.Change, 0, len(d.nodes))
	for i := range d.nodes {
		ch := d.nodes[i].change
		if ch != nil && (d.in.Mode != plans.RefreshOnly || ch.Action == plans.NoOp) {
			c.Changes = append(c.Changes, *ch)
			continue
		}
		if reason := d.nodes[i].withheld; reason != "" && d.selected(i) {
			c.Withheld = append(c.Withheld, plans.Withheld{Addr: d.addr(i), Reason: reason})
		}
	}
	slices.SortFunc(c.Changes, func(a, b plans.Change) int { return compareAddr(a.Addr, b.Addr) })
	slices.SortFunc(c.Withheld, func(a, b plans.Withheld) int { return compareAddr(a.Addr, b.Addr) })
	d.outputs(&c)
	if d.diags.HasErrors() {
		return nil, d.diags
	}
	p, err := plans.New(c)
	if err != nil {
		return nil, append(d.diags, problem{summary: "Inconsistent plan", detail: sentence(err.Error()) + " This is a bug in kplan."}.diag())
	}
	changes := p.Changes()
	for k := range changes { // the plan's are the ones from now on: a large plan stands in memory once
		d.nodes[d.index[changes[k].Addr]].change = &changes[k]
	}
	return p, d.diags
}

// held reports whether node i is withheld, itself or through what it needs.
func (d *derivation) held(i int) bool {
	if d.nodes[i].withheld != "" {
		return true
	}
	for _, after := range d.graph.After[i] {
		if reason, ok := d.blocked(after); ok {
			d.nodes[i].withheld = reason
			return true
		}
	}
	return false
}

// blocked says which withheld instance stands behind node n, an instance or a
// group.
func (d *derivation) blocked(n int) (string, bool) {
	if n >= d.graph.Leftovers {
		for _, m := range d.graph.After[n] {
			if reason, ok := d.blocked(m); ok {
				return reason, true
			}
		}
		return "", false
	}
	if d.nodes[n].withheld == "" || d.letGo[d.addr(n).Host] {
		return "", false
	}
	return fmt.Sprintf("it needs %s, which is withheld", d.addr(n)), true
}

// claims finds resources that claim the same thing on a host.
func (d *derivation) claims() {
	d.owners = map[claim]int{}
	said := map[[2]*dsl.Resource]bool{} // once for two blocks, whatever they have in common on how many hosts
	for i, in := range d.insts {
		if d.nodes[i].want == cty.NilVal || d.nodes[i].typ == nil {
			continue
		}
		for _, what := range d.nodes[i].typ.Claims(d.nodes[i].plain) {
			k := claim{in.Addr.Host, what}
			j, taken := d.owners[k]
			if !taken {
				d.owners[k] = i
				continue
			}
			both := [2]*dsl.Resource{d.insts[j].Block, in.Block}
			if said[both] {
				continue
			}
			said[both] = true
			at := in.Block.DeclRange
			d.diags = append(d.diags, problem{
				summary: "Two resources claim one object",
				detail: fmt.Sprintf("On host %s, %s (%s) and %s both claim %s. Remove one of them.",
					in.Addr.Host, d.addr(j), d.insts[j].Block.DeclRange, in.Addr, what),
				at: &at,
			}.diag())
		}
	}
}

// claimant is the other instance that claims what node i is recorded as; of an
// object that is the same one on all hosts, one of its identity on any.
func (d *derivation) claimant(i int) (node int, ok bool) {
	rec, _ := d.recorded(i)
	if t := d.nodes[i].typ; t != nil && t.Shared && recordedObject(rec).Exists() {
		for j := range d.insts {
			if j != i && d.nodes[j].typ == t && d.nodes[j].want != cty.NilVal && sameIdentity(t, d.nodes[j].plain, rec.Attrs.Value) {
				return j, true
			}
		}
	}
	if d.nodes[i].typ == nil || rec.Attrs.Value == cty.NilVal || rec.Attrs.IsNull() {
		return 0, false
	}
	if d.owners == nil { // while instances are decided: their claims are known before
		d.owners = map[claim]int{}
		for j := range d.insts {
			if d.nodes[j].want == cty.NilVal || d.nodes[j].typ == nil {
				continue
			}
			for _, what := range d.nodes[j].typ.Claims(d.nodes[j].plain) {
				d.owners[claim{d.addr(j).Host, what}] = j
			}
		}
	}
	for _, what := range d.nodes[i].typ.Claims(rec.Attrs.Value) {
		if j, ok := d.owners[claim{d.addr(i).Host, what}]; ok && j != i {
			return j, true
		}
	}
	return 0, false
}

// keep turns deletes into forgets where something stays in the object that
// this plan does not delete before, until no more change.
func (d *derivation) keep() {
	for again := true; again; {
		again = false
		gone := map[claim]int{} // the node that deletes it
		for i := range d.nodes {
			if c := d.nodes[i].change; c != nil && (c.Action == plans.Delete || c.Moved) {
				for _, what := range d.nodes[i].typ.Claims(c.Before.Value) {
					gone[claim{c.Addr.Host, what}] = i
				}
			}
		}
		for i := d.graph.Instances; i < d.graph.Leftovers; i++ {
			c := d.nodes[i].change
			if c == nil || c.Action != plans.Delete {
				continue
			}
			reason := d.nodes[i].reading().kept
			if raw := d.nodes[i].reading().raw; raw != cty.NilVal {
				reason = d.nodes[i].typ.Keeps(raw, d.outlook(i, gone))
			}
			if reason != "" {
				c.Action, c.Reason, again = plans.Forget, reason, true
				d.nodes[i].via = resource.Via{}
			}
		}
	}
}

// outlook is what the plan does around what node i deletes; gone are the nodes
// that delete something. What another step deletes counts where it comes before:
// all of what is left over goes from the inside to the outside, by its needs.
func (d *derivation) outlook(i int, gone map[claim]int) resource.Outlook {
	host := d.addr(i).Host
	return resource.Outlook{
		Deleted: func(what string) bool {
			j, ok := gone[claim{host, what}]
			return ok && (j >= d.graph.Instances || d.waitsFor(i, j))
		},
		Claimed: func(prefix string) string {
			var found []string
			for c, j := range d.owners {
				if j != i && c.host == host && strings.HasPrefix(c.what, prefix) {
					found = append(found, c.what)
				}
			}
			if len(found) == 0 {
				return ""
			}
			return slices.Min(found)
		},
	}
}

// waitsFor reports whether node i waits for node j, itself or by a group.
func (d *derivation) waitsFor(i, j int) bool {
	return slices.ContainsFunc(d.graph.After[i], func(a int) bool {
		return a == j || a >= d.graph.Leftovers && slices.Contains(d.graph.After[a], j)
	})
}

// textOf is v where it is text.
func textOf(v cty.Value) string {
	if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

func (d *derivation) outputs(c *plans.Content) {
	if d.in.Mode == plans.Destroy {
		return
	}
	declared := map[string]bool{}
	for _, o := range d.plannedOutputs() {
		declared[o.Name] = true
		value := cty.ObjectVal(map[string]cty.Value{"value": unmarked(o.Value)})
		var secret []string
		if o.Sensitive || o.Value.ContainsMarked() {
			secret = []string{"value"}
		}
		out := plans.Output{Name: o.Name, After: redact(d.in.Key, value, secret)}
		if v, ok := d.in.State.Outputs[o.Name]; ok {
			out.Before = plans.Object{Value: cty.ObjectVal(map[string]cty.Value{"value": v.Value})}
			if secret != nil { // its digest is what is recorded
				out.Before = plans.Object{Value: out.After.Value, Secrets: map[string]string{"value": textOf(v.Value)}}
			}
		} else if o.left {
			continue
		}
		if o.left {
			out.After = out.Before
		}
		c.Outputs = append(c.Outputs, out)
	}
	for _, name := range slices.Sorted(maps.Keys(d.in.State.Outputs)) {
		if v := d.in.State.Outputs[name]; !declared[name] { // its block is gone
			c.Outputs = append(c.Outputs, plans.Output{Name: name, Before: plans.Object{Value: cty.ObjectVal(map[string]cty.Value{"value": v.Value})}})
		}
	}
}

// openID is the error of an identity that cannot be known while planning.
func (d *derivation) openID(in *dsl.Instance, name string) *hcl.Diagnostic {
	at := in.Block.AttrRange(name)
	return problem{
		summary: "Identity known after apply",
		detail: fmt.Sprintf("The argument %s is part of the identity of %s and must be known while planning: it may use variables, facts and other arguments, never what a step results in.",
			name, in.Addr),
		at: &at,
	}.diag()
}

// choose marks the nodes that targets and excludes leave in the plan.
func (d *derivation) choose() {
	if len(d.in.Targets) == 0 && len(d.in.Excludes) == 0 {
		return
	}
	d.chosen = make([]bool, d.graph.Len())
	for i := range d.graph.Leftovers {
		d.chosen[i] = len(d.in.Targets) == 0
		for _, t := range d.in.Targets {
			d.chosen[i] = d.chosen[i] || t.Matches(d.addr(i))
		}
	}
	d.whole(d.chosen)
	excluded := make([]bool, d.graph.Leftovers)
	for i := range excluded {
		excluded[i] = slices.ContainsFunc(d.in.Excludes, func(t target) bool { return t.Matches(d.addr(i)) })
	}
	d.whole(excluded)
	for k := len(d.graph.Order) - 1; k >= 0; k-- { // what a chosen one needs
		i := d.graph.Order[k]
		if d.chosen[i] {
			for _, a := range d.graph.After[i] {
				d.chosen[a] = true
			}
		}
	}
	for _, i := range d.graph.Order { // what needs an excluded one
		if i < d.graph.Leftovers && excluded[i] {
			d.chosen[i] = false
		}
		for _, a := range d.graph.After[i] {
			if !d.chosen[a] && d.excluded(a) {
				d.chosen[i] = false
			}
		}
	}
}

// excluded reports whether node a was left out by an exclude; a group is where
// one of its members was.
func (d *derivation) excluded(a int) bool { return len(d.in.Excludes) > 0 && !d.chosen[a] }

func (d *derivation) selected(i int) bool { return d.chosen == nil || d.chosen[i] }

func (d *derivation) forced(i int) bool {
	return slices.ContainsFunc(d.in.Replaces, func(t target) bool { return t.Matches(d.addr(i)) })
}
