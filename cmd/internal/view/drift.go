package view

import (
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Drift writes what changed behind kplan's back to standard output; with all,
// also what did not.
func (v *View) Drift(pl *plans.Plan, s *state.Snapshot, all bool) {
	p := newPage(v.out)
	driftSection(p, pl.Drift())
	withheldSection(p, pl, "Note: Not all could be read", "Whether these changed is not known:")
	asRecorded := unchanged(pl, s)
	if all {
		for _, a := range asRecorded {
			p.say(plain, "  # "+a.String()+" is as recorded")
		}
		if len(asRecorded) > 0 {
			p.end()
		}
	}
	warningSection(p, pl.Warnings())
	changed := len(pl.Drift())
	switch {
	case changed == 0 && len(s.Objects) == 0:
		p.sayf("No drift: the state records no objects.")
	case changed == 0:
		p.put(green, "No drift.")
		p.sayf(" %s as recorded.", areIs(len(asRecorded), "object"))
	default:
		p.put(bold, "Drift:")
		p.sayf(" %s changed outside of kplan, %d as recorded.", count(changed, "object"), len(asRecorded))
	}
	v.print(p)
}

func areIs(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return count(n, noun) + " are"
}

// unchanged are the recorded objects that were read and are as recorded.
func unchanged(pl *plans.Plan, s *state.Snapshot) []addr.Instance {
	not := map[addr.Instance]bool{}
	for _, d := range pl.Drift() {
		not[d.Addr] = true
	}
	for _, w := range pl.Withheld() {
		not[w.Addr] = true
	}
	unread := map[string]bool{}
	for _, h := range pl.Hosts() {
		unread[h.Name] = !h.Reachable
	}
	var out []addr.Instance
	for _, a := range Addresses(s) {
		if !not[a] && !unread[a.Host] {
			out = append(out, a)
		}
	}
	return out
}

// DriftJSON writes drift as JSON, each object as in the JSON plan.
func (v *View) DriftJSON(pl *plans.Plan, s *state.Snapshot, all bool, version string) {
	drift := []message{}
	for _, d := range pl.Drift() {
		m := resource(d.Addr)
		action := "update"
		if !d.Actual.Exists() {
			action = "delete"
		}
		drift = append(drift, message{
			"address": d.Addr.String(), "type": d.Addr.Type, "name": d.Addr.Name, "host": d.Addr.Host, "index": m["resource_key"],
			"action": action, "recorded": objectValues(d.Recorded), "actual": objectValues(d.Actual), "differs": d.Differs,
		})
	}
	withheld := []string{}
	for _, w := range pl.Withheld() {
		withheld = append(withheld, w.Addr.String())
	}
	unreachable := []message{}
	for _, h := range pl.Hosts() {
		if h.Unreached() {
			unreachable = append(unreachable, message{"name": h.Name, "reason": h.Reason})
		}
	}
	doc := message{
		"format_version": "1.0", "kplan_version": version, "drift": drift, "withheld": withheld, "unreachable": unreachable,
		"warnings": append([]string{}, pl.Warnings()...),
		"state":    message{"lineage": s.Lineage, "serial": s.Serial},
	}
	if all {
		same := []string{}
		for _, a := range unchanged(pl, s) {
			same = append(same, a.String())
		}
		doc["as_recorded"] = same
	}
	v.JSON(marshal(doc))
}
