package engine

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// sameIdentity reports whether two objects of a type have the same ids.
func sameIdentity(t *resource.Type, a, b cty.Value) bool {
	for _, at := range t.Schema.Attributes {
		if at.Mode != schema.ID || !b.Type().HasAttribute(at.Name) {
			continue
		}
		if !a.GetAttr(at.Name).RawEquals(b.GetAttr(at.Name)) {
			return false
		}
	}
	return true
}

// drift lists what changed behind kplan's back.
func (d *derivation) drift() []plans.Drift {
	var out []plans.Drift
	for i := range d.nodes {
		r := d.nodes[i].reading()
		if r.drift == nil {
			continue
		}
		rec, _ := d.recorded(i)
		known := d.recordedAs(i, rec)
		dr := plans.Drift{Addr: d.addr(i), Recorded: known, Actual: *r.drift}
		if known.Exists() && r.drift.Exists() {
			dr.Differs = plans.Differ(*r.drift, known)
		}
		out = append(out, dr)
	}
	slices.SortFunc(out, func(a, b plans.Drift) int { return compareAddr(a.Addr, b.Addr) })
	return out
}

// assume takes what the state records as actual, for planning offline.
func (d *derivation) assume() {
	for i := range d.nodes {
		if rec, ok := d.recorded(i); ok {
			d.nodes[i].showed = &reading{before: d.recordedAs(i, rec)}
		}
	}
}

// planHosts is what the plan says of the machines: all that it looked at, or,
// offline, those of the spec.
func (d *derivation) planHosts(f *fleet) []plans.Host {
	used := d.factsUsed()
	out := d.goneHosts()
	if f == nil {
		for _, h := range d.in.Spec.Hosts() {
			out = append(out, plans.Host{Name: h.Name, Address: h.Address, Used: used[h.Name]})
		}
		return out
	}
	for _, name := range f.order {
		m := f.members[name]
		h := plans.Host{Name: name, Address: m.host.Address, Reachable: m.err == nil, Used: used[name]}
		if m.err != nil {
			h.Reason = d.hider.hide(m.err.Error()) + d.wayOut(name)
		} else {
			h.Facts, h.MachineID, h.HostKey = &m.contact.Facts, m.contact.MachineID, m.link.HostKey
		}
		out = append(out, h)
	}
	return out
}

// factsUsed are the names of the facts that expressions use, by host.
func (d *derivation) factsUsed() map[string][]string {
	sets := map[string]map[string]bool{}
	all := func(host string) map[string]bool {
		if sets[host] == nil {
			sets[host] = map[string]bool{}
		}
		return sets[host]
	}
	for _, in := range d.insts {
		for _, u := range in.FactsUsed() {
			all(u.Host)[u.Name] = true
		}
	}
	out := map[string][]string{}
	for _, h := range d.in.Spec.Hosts() {
		names := map[string]bool{}
		maps.Copy(names, sets[h.Name])
		maps.Copy(names, sets[""])
		if len(names) > 0 {
			out[h.Name] = slices.Sorted(maps.Keys(names))
		}
	}
	return out
}
