package engine

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// derive makes a saved plan ready: the same inputs must give the same steps.
// in.State is the recorded state inside the plan, in.Spec is loaded from the
// sources inside it.
func (e *Engine) derive(in PlanInput, saved *plans.Plan) (*Planned, hcl.Diagnostics) {
	in.Mode = saved.Mode()
	d, diags := e.newDerivation(in)
	if diags.HasErrors() {
		return nil, diags
	}
	d.base = saved.Base()
	d.reachable = func(name string) bool { h, ok := saved.Host(name); return ok && h.Reachable }
	for _, h := range saved.Hosts() {
		if h.Facts != nil {
			d.facts[h.Name] = factsValue(*h.Facts)
		}
	}
	for _, w := range saved.Withheld() {
		if i, ok := d.index[w.Addr]; ok {
			d.nodes[i].withheld = w.Reason
		}
	}
	d.preview()
	if d.diags.HasErrors() {
		return nil, append(diags, d.diags...)
	}
	for _, c := range saved.Changes() {
		if i, ok := d.index[c.Addr]; ok {
			d.nodes[i].showed = reread(c)
		}
	}
	p, more := d.compile(saved.Hosts(), saved.Drift(), saved.Warnings())
	diags = append(diags, more...)
	if p == nil {
		return nil, diags
	}
	if p.Digest() != saved.Digest() {
		return nil, append(diags, problem{
			summary: "Plan does not follow from its sources",
			detail:  firstDifference(saved, p) + " Nothing was changed; plan again.",
			code:    CodeStale,
		}.diag())
	}
	return &Planned{Plan: p, derivation: d}, diags
}

// reread is the reading that a change was planned from.
func reread(c plans.Change) *reading {
	r := &reading{before: c.Before, verdict: resource.Verdict(c.Verdict)}
	r.left, r.unseen = c.Left, c.Unseen
	if c.Moved {
		r.old, r.before = c.Before, c.Standing
	}
	if c.Action == plans.Forget {
		r.kept = c.Reason
	}
	if r.kept == goneAlready {
		r.before, r.kept = plans.None, ""
	}
	return r
}

func firstDifference(saved, again *plans.Plan) string {
	a, b := saved.Steps(), again.Steps()
	for i := range min(len(a), len(b)) {
		if a[i].Addr != b[i].Addr || a[i].Action != b[i].Action {
			return fmt.Sprintf("Step %d of the plan is %s of %s; its sources give %s of %s.", a[i].ID, a[i].Action, a[i].Addr, b[i].Action, b[i].Addr)
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("The plan has %s; its sources give %d.", plural(len(a), "step", "steps"), len(b))
	}
	for _, c := range saved.Changes() {
		if o, ok := again.Change(c.Addr); !ok || !o.After.Equal(c.After) && !o.After.Value.RawEquals(c.After.Value) {
			return fmt.Sprintf("What the plan says of %s is not what its sources give.", c.Addr)
		}
	}
	return "What the plan says is not what its sources give."
}

// CheckBase compares a saved plan with the state that it is to be applied to;
// nil where it may go on. A plan that the last run was cut off in may be
// applied again: what it did is found by the first reading.
func CheckBase(saved *plans.Plan, now *state.Snapshot) *hcl.Diagnostic {
	base := saved.Base()
	refuse := func(detail string) *hcl.Diagnostic {
		return problem{summary: "Plan is stale", detail: detail + " Nothing was changed; plan again.", code: CodeStale}.diag()
	}
	switch {
	case base.Lineage != now.Lineage:
		return refuse(fmt.Sprintf("The plan was made for the state with lineage %s; this is %s.", base.Lineage, now.Lineage))
	case now.Applied.Digest == saved.Digest() && now.Applied.Complete:
		return refuse(fmt.Sprintf("The plan was already applied, by run %s.", now.Applied.Run))
	case now.Applied.Digest == saved.Digest():
		return nil
	case base.Serial != now.Serial:
		return refuse(fmt.Sprintf("The plan was made from the state at serial %d, which is at serial %d now.", base.Serial, now.Serial))
	}
	return nil
}

func (e *Engine) validate(in PlanInput) hcl.Diagnostics {
	in.Offline = true
	d, diags := e.newDerivation(in)
	if diags.HasErrors() {
		return diags
	}
	d.preview()
	for i := range d.insts {
		if d.nodes[i].typ == nil || d.nodes[i].want == cty.NilVal {
			continue
		}
		if err := d.nodes[i].typ.Validate(d.nodes[i].plain); err != nil {
			d.diags = append(d.diags, d.unsuitable(i, err))
		}
	}
	d.claims()
	if d.diags.HasErrors() {
		return append(diags, d.diags...)
	}
	return append(append(diags, d.diags...), d.failing(scope{d, make([]cty.Value, len(d.values)), true})...)
}
