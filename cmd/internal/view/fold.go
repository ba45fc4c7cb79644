package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
)

// group is equal changes on several hosts: a heading for each, one body.
type group struct {
	verb  string
	addrs []string
	notes []string
	body  string
	steps []plans.Node // of each; none in drift
}

func (g *group) show(p *page) {
	for _, a := range g.addrs {
		p.put(bold, "  # ")
		p.say(bold, a+" "+g.verb)
	}
	for _, n := range g.notes {
		p.say(plain, "  # ("+n+")")
	}
	p.raw(g.body)
	p.end()
}

// fold gathers the changes that have steps, in the order of these. Changes of
// one resource are one group where they say the same of different hosts.
func fold(l look, pl *plans.Plan) []*group {
	var groups []*group
	known := map[string]*group{}
	for _, s := range pl.Steps() {
		c, _ := pl.Change(s.Addr)
		p := newPage(l)
		body(p, signOf(c.Action), c.Addr.Resource, c.Before, c.After, c.Differs, c.Sensitive)
		g := &group{verb: verbOf(c.Action), notes: notes(s, c), body: p.String(), steps: []plans.Node{s.ID}}
		groups = join(groups, known, g, c.Addr)
	}
	order := newOrder(pl)
	var apart []*group
	for _, g := range groups {
		apart = append(apart, g.split(order)...)
	}
	slices.SortStableFunc(apart, func(a, b *group) int { return cmp.Compare(a.steps[0], b.steps[0]) })
	return apart
}

// split parts the members of a group that wait for different things, and adds
// what they wait for to the notes.
func (g *group) split(o *order) []*group {
	for _, f := range []form{fromHost, inFull} {
		after := f(o, g.steps[0])
		if !slices.ContainsFunc(g.steps[1:], func(n plans.Node) bool { return f(o, n) != after }) {
			if after != "" {
				g.notes = append(g.notes, "after "+after)
			}
			return []*group{g}
		}
	}
	var out []*group
	known := map[string]*group{}
	for i, n := range g.steps {
		after := fromHost(o, n)
		part, ok := known[after]
		if !ok {
			part = &group{verb: g.verb, notes: slices.Clone(g.notes), body: g.body}
			if after != "" {
				part.notes = append(part.notes, "after "+after)
			}
			known[after] = part
			out = append(out, part)
		}
		part.addrs, part.steps = append(part.addrs, g.addrs[i]), append(part.steps, n)
	}
	return out
}

// foldDrift gathers drift as fold does changes.
func foldDrift(l look, drift []plans.Drift) []*group {
	var groups []*group
	known := map[string]*group{}
	for _, d := range drift {
		p := newPage(l)
		sign, verb := signUpdate, "has changed"
		if !d.Actual.Exists() {
			sign, verb = signDelete, "has been deleted"
		}
		body(p, sign, d.Addr.Resource, d.Recorded, d.Actual, d.Differs, nil)
		groups = join(groups, known, &group{verb: verb, body: p.String()}, d.Addr)
	}
	return groups
}

// join adds g to the group that says the same, or as one of its own.
func join(groups []*group, known map[string]*group, g *group, a addr.Instance) []*group {
	key := strings.Join(append([]string{a.Resource.String(), a.Key.String(), g.verb, g.body}, g.notes...), "\x00")
	if old, ok := known[key]; ok {
		old.addrs = append(old.addrs, a.String())
		old.steps = append(old.steps, g.steps...)
		return groups
	}
	known[key] = g
	g.addrs = []string{a.String()}
	return append(groups, g)
}

// notes say of a change what its attributes do not show.
func notes(s plans.Step, c plans.Change) []string {
	var out []string
	if c.Reason != "" {
		out = append(out, c.Reason)
	}
	if s.Condition != "" {
		out = append(out, "only if "+strings.TrimPrefix(strings.TrimPrefix(s.Condition, "only "), "if "))
	}
	if s.Via != "" {
		out = append(out, "via "+s.Via)
	}
	if len(s.Disrupts) > 0 {
		out = append(out, "interrupts: "+strings.Join(s.Disrupts, ", "))
	}
	return out
}
