package engine

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/plans"
)

// Outputs and checks are about what is. Of what a plan leaves alone, and of what
// a run did not bring about, nothing is known in them: a recorded output that is
// made of it stays as it is.

// leavesAlone reports whether the plan does nothing about instance i although
// it may not be as wanted.
func (d *derivation) leavesAlone(i int) bool {
	c := d.nodes[i].change
	return c == nil || c.Action != plans.NoOp && c.Action != plans.Refresh && d.in.Mode == plans.RefreshOnly
}

// without is values, of all nodes, in which nothing is known of the instances
// that out names.
func (d *derivation) without(values []cty.Value, out func(i int) bool) []cty.Value {
	shared := true
	for i := range d.insts {
		if want := d.nodes[i].want; want != cty.NilVal && out(i) {
			if shared {
				values, shared = slices.Clone(values), false
			}
			values[i] = unknownObject(want)
		}
	}
	return values
}

// unknownObject is an object like v of which nothing is known but what is
// sensitive.
func unknownObject(v cty.Value) cty.Value {
	attrs := v.AsValueMap()
	for name, a := range attrs {
		_, marks := a.UnmarkDeep()
		attrs[name] = cty.UnknownVal(a.Type()).WithMarks(marks)
	}
	return cty.ObjectVal(attrs)
}

// plannedOutput is an output as the plan says that it will be; left says that
// it is not known for what the plan leaves alone.
type plannedOutput struct {
	dsl.Output
	left bool
}

// plannedOutputs are the outputs once the plan is applied.
func (d *derivation) plannedOutputs() []plannedOutput {
	outs, diags := d.in.Spec.Outputs(scope{d, d.without(d.values, d.leavesAlone), true})
	d.diags = append(d.diags, diags...)
	wanted := map[string]bool{} // known, if nothing were left alone
	if slices.ContainsFunc(outs, func(o dsl.Output) bool { return !o.Value.IsWhollyKnown() }) {
		all, _ := d.in.Spec.Outputs(scope{d, d.values, true})
		for _, o := range all {
			wanted[o.Name] = o.Value.IsWhollyKnown()
		}
	}
	planned := make([]plannedOutput, len(outs))
	for k, o := range outs {
		planned[k] = plannedOutput{o, wanted[o.Name] && !o.Value.IsWhollyKnown()}
	}
	return planned
}

// expected tells which check blocks will not hold once the plan is applied, as
// far as that is known already.
func (d *derivation) expected() hcl.Diagnostics {
	diags := d.failing(scope{d, d.without(d.values, d.leavesAlone), true})
	for _, diag := range diags { // one that cannot be evaluated yet keeps nobody from the apply that mends it
		diag.Severity = hcl.DiagWarning
	}
	return diags
}

// failing tells which check blocks do not hold at sc, which is nobody else's.
func (d *derivation) failing(sc scope) (warnings hcl.Diagnostics) {
	if d.in.Mode == plans.Destroy {
		return nil
	}
	checks, diags := d.in.Spec.Checks(sc)
	for _, c := range checks {
		for _, f := range c.Failures {
			at := f.Range
			warnings = append(warnings, problem{summary: "Check does not hold: " + c.Name, detail: f.Message, at: &at, warning: true}.diag())
		}
	}
	return append(warnings, diags...)
}

// results are the values of all nodes as this run leaves them.
func (r *run) results() []cty.Value {
	return r.without(r.final, func(i int) bool {
		c := r.nodes[i].change
		if r.leavesAlone(i) || r.withheld[i] != "" {
			return true
		}
		return c.Step != 0 && !fulfilled(r.outcome[r.place[c.Step]])
	})
}

// standing is results, with what the spec leaves open of what needed no step as the
// run itself read it: a plan may have been saved long before.
func (r *run) standing() []cty.Value {
	values := slices.Clone(r.results())
	for i := range r.insts {
		n := &r.nodes[i]
		if c := n.change; c == nil || c.Action != plans.NoOp || n.typ.IsAct || r.leavesAlone(i) || r.withheld[i] != "" {
			continue
		}
		if is := n.reading().before; is.Exists() {
			values[i] = visible(n.typ, r.ignored(i, n.want, is), is.Value, plans.NoOp)
		}
	}
	return values
}
