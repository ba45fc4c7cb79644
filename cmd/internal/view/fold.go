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
	heads []string
	notes []string
	body  string
	first plans.Node // step, of the first of them
}

func (g *group) show(p *page) {
	for _, h := range g.heads {
		p.put(bold, "  # ")
		p.say(bold, h)
	}
	for _, n := range g.notes {
		p.say(plain, "  # ("+n+")")
	}
	p.out.WriteString(g.body)
	p.end()
}

// fold gathers the changes that have steps, in the order of these. Changes of
// one resource are one group where they say the same of different hosts.
func fold(l look, pl *plans.Plan) []*group {
	order := newOrder(pl)
	changes := slices.Clone(pl.Changes())
	changes = slices.DeleteFunc(changes, func(c plans.Change) bool { return c.Step == 0 })
	slices.SortStableFunc(changes, func(a, b plans.Change) int { return cmp.Compare(a.Step, b.Step) })

	var groups []*group
	known := map[string]*group{}
	for _, c := range changes {
		p := newPage(l)
		body(p, signOf(c.Action), c.Addr.Resource, c.Before, c.After, c.Differs, c.Sensitive)
		g := &group{notes: notes(order, c), body: p.String(), first: c.Step}
		groups = join(groups, known, g, c.Addr, string(c.Action), verbOf(c.Action))
	}
	return groups
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
		groups = join(groups, known, &group{body: p.String()}, d.Addr, sign, verb)
	}
	return groups
}

// join adds g to the group that says the same, or as one of its own.
func join(groups []*group, known map[string]*group, g *group, a addr.Instance, action, verb string) []*group {
	key := strings.Join(append([]string{a.Resource.String(), a.Key.String(), action, g.body}, g.notes...), "\x00")
	head := a.String() + " " + verb
	if old, ok := known[key]; ok {
		old.heads = append(old.heads, head)
		return groups
	}
	known[key] = g
	g.heads = []string{head}
	return append(groups, g)
}

// notes say of a change what its attributes do not show.
func notes(o *order, c plans.Change) []string {
	var out []string
	if c.Reason != "" {
		out = append(out, c.Reason)
	}
	s, ok := o.steps[c.Step]
	if !ok {
		return out
	}
	if s.Condition != "" {
		out = append(out, "only if "+strings.TrimPrefix(s.Condition, "only if "))
	}
	if s.Via != "" {
		out = append(out, "via "+s.Via)
	}
	if len(s.Disrupts) > 0 {
		out = append(out, "interrupts: "+strings.Join(s.Disrupts, ", "))
	}
	if after := o.after(s); after != "" {
		out = append(out, "after "+after)
	}
	return out
}
