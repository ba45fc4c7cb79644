package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// found is a finding, with where it was found.
type found struct {
	host string
	in   *dsl.Instance // nil where it is of the machine alone
	resource.Finding
}

// inspected reports whether the machine of node i is looked at for it.
func (d *derivation) inspected(i int) bool {
	return d.inst(i) != nil && d.nodes[i].typ.Inspects() && d.selected(i)
}

// inspector fills what the machine of node i is found to be like. A look that
// failed is a finding too, but where the reading fails beside it.
func (d *derivation) inspector(m *member, i int) reader {
	return func(ctx context.Context, h host.Host) error {
		_, recorded := d.recorded(i)
		s := resource.Situation{Address: m.host.Address, Now: d.engine.Now(), Recorded: recorded}
		list, err := d.nodes[i].typ.Inspect(ctx, h, d.nodes[i].asked, s)
		if err != nil && !errors.Is(err, host.ErrLost) && ctx.Err() == nil {
			list = []resource.Finding{{
				Name: "inspection", Msg: fmt.Sprintf("what %s needs could not be looked at: %v", d.addr(i).Resource, err),
				Advice: "What may stand against it is seen by the apply only.",
			}}
		}
		d.nodes[i].found = list
		return err
	}
}

// off is how far a clock may be off, beyond which certificates and leases
// suffer by it.
const off = 5 * time.Second

// clocks are the machines whose clock is not that of the one here.
func (f *fleet) clocks() (list []found) {
	for _, name := range f.order {
		m := f.members[name]
		if m.err != nil || m.contact.Ahead.Abs() <= off {
			continue
		}
		way := "ahead of"
		if m.contact.Ahead < 0 {
			way = "behind"
		}
		list = append(list, found{name, nil, resource.Finding{
			Name:   "clock",
			Msg:    fmt.Sprintf("the clock is about %s %s the one of kplan's own machine", roughly(m.contact.Ahead.Abs()), way),
			Advice: "Set the clocks by NTP: certificates are refused and leases run out where they differ.",
		}})
	}
	return list
}

// roughly is a duration that reads the same when it is measured again.
func roughly(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%d %s", d.Round(unit.length)/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", max(d.Round(5*time.Second), 5*time.Second)/time.Second)
}

// findings are what stands against the plan, by host and name, each once: not
// what it changes itself, and of values that are to be unique those that are
// not. Of the nodes that harmless names, nothing is an error.
func (d *derivation) findings(harmless func(i int) bool) []found {
	var all []found
	sharing := map[[2]string]map[string]bool{} // name and value → hosts
	for _, i := range d.graph.Order {
		if i >= d.graph.Instances || d.nodes[i].withheld != "" || d.nodes[i].reading().err != nil {
			continue
		}
		for _, f := range d.nodes[i].found {
			at := d.addr(i).Host
			f.Error = f.Error && !harmless(i)
			if f.Unique != "" {
				k := [2]string{f.Name, f.Unique}
				if sharing[k] == nil {
					sharing[k] = map[string]bool{}
				}
				sharing[k][at] = true
			}
			if !d.resolves(i, f.Resolved) && !d.takesAway(i, f.Leaves) {
				all = append(all, found{at, d.inst(i), f})
			}
		}
	}
	// A value counts where at least one of those that share it has something to
	// say, which then goes for all of them.
	said := map[[2]string]resource.Finding{}
	for _, f := range all {
		if f.Unique != "" && f.Msg != "" {
			said[[2]string{f.Name, f.Unique}] = f.Finding
		}
	}
	kept := all[:0]
	for _, f := range all {
		if k := [2]string{f.Name, f.Unique}; f.Unique != "" {
			if len(sharing[k]) < 2 || said[k].Msg == "" {
				continue
			}
			f.Finding = said[k]
		}
		kept = append(kept, f)
	}
	slices.SortStableFunc(kept, func(a, b found) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.host, b.host), byError(a, b))
	})
	return slices.CompactFunc(kept, func(a, b found) bool { return a.host == b.host && a.Name == b.Name })
}

// byError puts errors first.
func byError(a, b found) int {
	switch {
	case a.Error == b.Error:
		return 0
	case a.Error:
		return -1
	}
	return 1
}

// resolves reports whether, before node i, the plan changes what claims
// something on its host.
func (d *derivation) resolves(i int, what string) bool {
	j, ok := d.owners[claim{d.addr(i).Host, what}]
	if !ok || !d.nodes[j].acts() {
		return false
	}
	for n := range d.graph.Before(i) {
		if n == j {
			return true
		}
	}
	return false
}

// takesAway reports whether the plan takes an object of the resource of node i
// away, as it is recorded; where its host was not read, a later plan does.
func (d *derivation) takesAway(i int, which resource.Match) bool {
	a := d.addr(i)
	for j := d.graph.Instances; which.Value != "" && j < d.graph.Leftovers; j++ {
		at := d.addr(j)
		if at.Resource != a.Resource || at.Key != a.Key {
			continue
		}
		leaves := d.nodes[j].withheld != "" || d.nodes[j].change != nil && d.nodes[j].change.Action == plans.Delete
		rec, _ := d.recorded(j)
		if v := rec.Attrs.Value; leaves && v.Type().HasAttribute(which.Attr) && textOf(v.GetAttr(which.Attr)) == which.Value {
			return true
		}
	}
	return false
}

// warns reports whether nothing that is found of node i refuses: a look at what
// changed does nothing about it, and a step that now says was cut off may have
// brought it about itself.
func (d *derivation) warns(now *state.Snapshot, i int) bool {
	_, cut := now.Interrupted[d.addr(i)]
	return cut || d.in.Mode == plans.RefreshOnly
}

// preflight says what was found: as warnings of the plan, and where it is an
// error, as diagnostics.
func (d *derivation) preflight() (warnings []string) {
	all := d.findings(func(i int) bool { return d.warns(d.in.State, i) })
	if d.met != nil {
		all = append(all, d.met.clocks()...)
	}
	type kind struct {
		name, advice string
		refuses      bool
	}
	groups := map[kind][]found{}
	for _, f := range all {
		f.Msg = d.hider.hide(f.Msg)
		k := kind{f.Name, f.Advice, f.Error}
		groups[k] = append(groups[k], f)
	}
	order := slices.SortedFunc(maps.Keys(groups), func(a, b kind) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.advice, b.advice))
	})
	for _, k := range order {
		text := onHosts(groups[k]) + " " + k.advice
		if !k.refuses {
			warnings = append(warnings, text)
			continue
		}
		d.diags = append(d.diags, problem{summary: "Preflight check failed", detail: text, at: blame(groups[k][0].in, nil)}.diag())
	}
	return warnings
}

// onHosts says what was found on which hosts, once for those that it is the
// same on.
func onHosts(list []found) string {
	var order []string
	hosts := map[string][]string{}
	for _, f := range list {
		if hosts[f.Msg] == nil {
			order = append(order, f.Msg)
		}
		hosts[f.Msg] = append(hosts[f.Msg], f.host)
	}
	for i, msg := range order {
		order[i] = fmt.Sprintf("On %s, %s.", hostNames(hosts[msg]), msg)
	}
	return strings.Join(order, " ")
}

func hostNames(names []string) string {
	if len(names) == 1 {
		return "host " + names[0]
	}
	last := len(names) - 1
	return "hosts " + strings.Join(names[:last], ", ") + " and " + names[last]
}

// unfit finds what speaks against the plan now, by host. The plan has no such
// error, or it would not be there: each is new. What the run that is resumed
// has brought to its end is not to come any more.
func (r *run) unfit() map[string]hcl.Diagnostics {
	diags := map[string]hcl.Diagnostics{}
	for _, f := range r.findings(func(i int) bool { return r.warns(r.now, i) || r.concluded(i) }) {
		if !f.Error {
			continue
		}
		diags[f.host] = append(diags[f.host], problem{
			summary: "Plan is stale",
			detail: fmt.Sprintf("On host %s, %s, which was not so when the plan was made (%s). %s Nothing was changed; plan again.",
				f.host, r.hider.hide(f.Msg), f.Name, f.Advice),
			at: blame(f.in, nil), code: CodeStale,
		}.diag())
	}
	return diags
}
