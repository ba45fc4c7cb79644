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
	waits []wait     // of each; none in drift
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
		g.waits = []wait{order.wait(order.steps[c.Step])}
		groups = join(groups, known, g, c.Addr, string(c.Action), verbOf(c.Action))
	}
	var apart []*group
	for _, g := range groups {
		apart = append(apart, g.split()...)
	}
	slices.SortStableFunc(apart, func(a, b *group) int { return cmp.Compare(a.first, b.first) })
	return apart
}

// split parts the members of a group that wait for different things, and adds
// what they wait for to the notes.
func (g *group) split() []*group {
	for _, form := range []func(wait) string{wait.seenFromHost, wait.inFull} {
		if !slices.ContainsFunc(g.waits, func(w wait) bool { return form(w) != form(g.waits[0]) }) {
			if after := form(g.waits[0]); after != "" {
				g.notes = append(g.notes, "after "+after)
			}
			return []*group{g}
		}
	}
	var out []*group
	known := map[string]*group{}
	for i, w := range g.waits {
		part, ok := known[w.local]
		if !ok {
			part = &group{notes: slices.Clone(g.notes), body: g.body, first: w.step}
			if w.local != "" {
				part.notes = append(part.notes, "after "+w.local)
			}
			known[w.local] = part
			out = append(out, part)
		}
		part.heads = append(part.heads, g.heads[i])
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
		old.waits = append(old.waits, g.waits...)
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
