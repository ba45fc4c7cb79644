package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// A removed block lets a host go whose machine is dead or out of reach: it is not
// contacted, and what is recorded of it is forgotten. What it was to others, such
// as a member of a cluster, is taken away all the same, on the machine of one of
// these: that step is done there, in that machine's turn.

// Why what is recorded of a host that is let go goes.
const (
	letGoOnly      = "its machine is let go"
	letGoElsewhere = "its machine is let go: nothing is done there"
	letGoTogether  = "its machine is let go, and nobody is left to whom it was something"
)

// removed fills letGo and leaves from the removed blocks, and refuses those of
// what the spec still has.
func (d *derivation) removed() (diags hcl.Diagnostics) {
	d.letGo = map[string]bool{}
	refuse := func(r dsl.Removed, still, at string) {
		diags = append(diags, problem{
			summary: "Removed and still there",
			detail:  fmt.Sprintf("This block says that %s is removed, and %s is in the spec (%s). Take one of the two out.", r.From, still, at),
			at:      &r.Range,
		}.diag())
	}
	for _, r := range d.expanded.Removed {
		if r.From.Host != "" {
			for _, h := range d.in.Spec.Hosts() {
				if h.Name == r.From.Host {
					refuse(r, "the host", h.Range.String())
				}
			}
			if !r.Destroy {
				d.letGo[r.From.Host] = true
			}
			continue
		}
		from, err := addr.ParseTarget(r.From.String())
		if err != nil {
			diags = append(diags, problem{summary: "Invalid address", detail: sentence(err.Error()), at: &r.Range}.diag())
			continue
		}
		if i := slices.IndexFunc(d.expanded.Instances, func(in *dsl.Instance) bool { return from.Matches(in.Addr) }); i >= 0 {
			in := d.expanded.Instances[i]
			refuse(r, in.Addr.String(), in.Block.DeclRange.String())
		}
		if !r.Destroy {
			d.leaves = append(d.leaves, from)
		}
	}
	return diags
}

// leftAlone reports whether a removed block says of node i to leave it as it is.
func (d *derivation) leftAlone(i int) bool {
	return slices.ContainsFunc(d.leaves, func(t target) bool { return t.Matches(d.addr(i)) })
}

// recall takes what is recorded of hosts that are let go as what is there.
func (d *derivation) recall() {
	for i := d.graph.Instances; i < d.graph.Leftovers; i++ {
		if rec, ok := d.recorded(i); ok && d.letGo[d.addr(i).Host] {
			d.nodes[i].showed = &reading{before: d.recordedAs(i, rec)}
		}
	}
}

// at is the host on whose machine the step of node i is done, where its own
// machine is let go; "" where that is not, and where there is none.
func (d *derivation) at(i int) string {
	if d.letGo[d.addr(i).Host] {
		for _, name := range d.actsOn(i) {
			if !d.letGo[name] {
				return name
			}
		}
	}
	return ""
}

// machineOf is the host whose machine node i needs; "" where it needs none.
func (d *derivation) machineOf(i int) string {
	switch {
	case i >= d.graph.Leftovers:
		return ""
	case d.letGo[d.addr(i).Host]:
		return d.at(i)
	}
	return d.addr(i).Host
}

// recordedGone are the hosts that are let go and recorded, and that the plan is
// about, by name.
func (d *derivation) recordedGone() []string {
	names := map[string]bool{}
	for i := d.graph.Instances; i < d.graph.Leftovers; i++ {
		if name := d.addr(i).Host; d.letGo[name] && d.selected(i) {
			names[name] = true
		}
	}
	for name := range d.letGo {
		if d.bare(name) && d.picked(name) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// bare reports whether a host is recorded, and no object of it.
func (d *derivation) bare(name string) bool {
	_, known := d.in.State.Hosts[name]
	for a := range d.in.State.Objects {
		known = known && a.Host != name
	}
	return known
}

// picked reports whether the plan is about a host as such: whether its targets
// and excludes, where it has any, are about all that is on it.
func (d *derivation) picked(name string) bool {
	named := func(t target) bool { return t.Matches(addr.Instance{Host: name}) }
	return (len(d.in.Targets) == 0 || slices.ContainsFunc(d.in.Targets, named)) && !slices.ContainsFunc(d.in.Excludes, named)
}

// drops reports whether the plan takes a host out of the state that is let go and
// of which no object is recorded. One that only refreshes forgets nothing.
func (d *derivation) drops(name string) bool {
	return d.in.Mode != plans.RefreshOnly && d.bare(name) && d.picked(name)
}

// goneHosts is what the plan says of them as machines.
func (d *derivation) goneHosts() (out []plans.Host) {
	for _, name := range d.recordedGone() {
		out = append(out, plans.Host{Name: name, Address: d.in.State.Hosts[name].Address})
	}
	return out
}

// farewells warn of what may become of them.
func (d *derivation) farewells() (warnings []string) {
	if d.in.Mode == plans.RefreshOnly {
		return nil
	}
	for _, name := range d.recordedGone() {
		if d.bare(name) {
			warnings = append(warnings, fmt.Sprintf("host %s is let go: no object of it is recorded, and apply takes it out of the state", name))
			continue
		}
		warnings = append(warnings, fmt.Sprintf("host %s is let go: its machine is not contacted, and what stands on it stays. Keep it off, or wipe it before it is used again: what runs on it does not know that it is out", name))
	}
	return warnings
}

// stranded refuses to let a host go through which another one is reached that
// the plan has to reach. None of the spec is: its bastion is in the spec, too.
func (d *derivation) stranded() (diags hcl.Diagnostics) {
	for _, h := range d.machines() {
		way := h.Connection.Bastion
		for _, r := range d.expanded.Removed {
			if d.letGo[way] && r.From.Host == way && !r.Destroy {
				diags = append(diags, problem{
					summary: "Bastion is let go",
					detail: fmt.Sprintf("Host %s is reached through %s, and what is recorded of host %s is not deleted yet. Let host %s go as well, by the block removed { from = %s }, or take this block out until nothing of it is recorded any more.",
						h.Name, r.From, h.Name, h.Name, hostRef(h.Name)),
					at: &r.Range,
				}.diag())
			}
		}
	}
	return diags
}

// goneByID are the hosts that are let go, by the machine-id that is recorded: one
// of them under another name is not gone.
func (d *derivation) goneByID() map[string]*dsl.Host {
	byID := map[string]*dsl.Host{}
	for _, name := range slices.Sorted(maps.Keys(d.letGo)) {
		if rec, ok := d.in.State.Hosts[name]; ok && rec.MachineID != "" {
			byID[rec.MachineID] = recordedHost(name, rec)
		}
	}
	return byID
}

// wayOut is what to write where a host that the spec does not name any more
// cannot be reached; "" for one that it does.
func (d *derivation) wayOut(name string) string {
	if slices.ContainsFunc(d.in.Spec.Hosts(), func(h *dsl.Host) bool { return h.Name == name }) {
		return ""
	}
	return fmt.Sprintf("; the spec does not name it any more: if it is gone for good, let it go by the block removed { from = %s }", hostRef(name))
}

// hostRef is a host as a spec refers to it.
func hostRef(name string) string {
	if !hclsyntax.ValidIdentifier(name) {
		return fmt.Sprintf("host[%q]", name)
	}
	return "host." + name
}

// machineGone is the machine of the step, which is let go.
func (s *stepRun) machineGone() resource.LetGo {
	name := s.step.Addr.Host
	return resource.LetGo{Host: name, MachineID: s.now.Hosts[name].MachineID}
}

// forgetHosts takes the hosts that are let go out of the state, once nothing is
// recorded of them: those whose last objects this run forgot, and those that the
// plan drops.
func (r *run) forgetHosts(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(r.letGo)) {
		if _, known := r.now.Hosts[name]; !known || r.recordsOf(name) || r.bare(name) && !r.drops(name) {
			continue
		}
		if err := r.journal.Host(ctx, state.Host{Name: name, Forgotten: true}); err != nil {
			return err
		}
	}
	return nil
}

// recordsOf reports whether something of a host is recorded after the steps.
func (r *run) recordsOf(name string) bool {
	for a := range r.now.Objects {
		if a.Host != name {
			continue
		}
		if i, ok := r.index[a]; !ok || !r.carriedOut(i) {
			return true
		}
	}
	return false
}

// carriedOut reports whether the plan has a step for node i, and that ended as
// the plan promised. What a plan leaves out may be decided, and has none.
func (r *run) carriedOut(i int) bool {
	c := r.nodes[i].change
	if c == nil {
		return false
	}
	at, ok := r.place[c.Step]
	return ok && fulfilled(r.outcome[at])
}
