package view

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
)

// group is equal changes on several hosts: a heading for each, one body. It
// holds no text: what is large in a plan with many changes is written anew when
// it is shown.
type group struct {
	members []int // places in the list of steps or of drift
	after   string
}

// fold gathers the changes that have steps, in the order of these. Changes of
// one resource are one group where they say the same of different hosts.
func fold(pl *plans.Plan) []*group {
	steps := pl.Steps()
	groups := alike(len(steps), func(p *page, i int) { describe(p, pl, steps[i]) })
	order := newOrder(pl)
	var apart []*group
	for _, g := range groups {
		apart = append(apart, g.split(order)...)
	}
	slices.SortStableFunc(apart, func(a, b *group) int { return cmp.Compare(a.members[0], b.members[0]) })
	return apart
}

// alike gathers the things of which the same is said, in their order.
func alike(n int, say func(p *page, i int)) []*group {
	var groups []*group
	known := map[[sha256.Size]byte]*group{}
	for i := range n {
		p := newPage(look{unicode: true})
		say(p, i)
		key := sha256.Sum256([]byte(p.String()))
		g, ok := known[key]
		if !ok {
			g = &group{}
			known[key] = g
			groups = append(groups, g)
		}
		g.members = append(g.members, i)
	}
	return groups
}

// describe writes all that makes steps on several hosts the same.
func describe(p *page, pl *plans.Plan, s plans.Step) {
	c, _ := pl.Change(s.Addr)
	p.say(plain, here(s.Addr)+" "+verbOf(s.Action))
	for _, n := range notes(s, c) {
		p.say(plain, n)
	}
	body(p, signOf(c.Action), c.Addr.Resource, c.Before, c.After, c.Differs, c.Sensitive)
}

// show writes the steps of a group.
func (g *group) show(p *page, pl *plans.Plan) {
	steps := pl.Steps()
	for _, i := range g.members {
		heading(p, steps[i].Addr, verbOf(steps[i].Action))
	}
	first := steps[g.members[0]]
	c, _ := pl.Change(first.Addr)
	said := notes(first, c)
	if g.after != "" {
		said = append(said, "after "+g.after)
	}
	for _, n := range said {
		p.say(plain, "  # ("+n+")")
	}
	body(p, signOf(c.Action), c.Addr.Resource, c.Before, c.After, c.Differs, c.Sensitive)
	p.end()
}

func heading(p *page, a addr.Instance, verb string) {
	p.put(bold, "  # ")
	p.say(bold, a.String()+" "+verb)
}

// split parts the members of a group that wait for different things, and says
// of each part what it waits for.
func (g *group) split(o *order) []*group {
	for _, full := range []bool{false, true} {
		g.after = o.wait(g.members[0], full)
		if !slices.ContainsFunc(g.members[1:], func(i int) bool { return o.wait(i, full) != g.after }) {
			return []*group{g}
		}
	}
	var out []*group
	known := map[string]*group{}
	for _, i := range g.members {
		after := o.wait(i, false)
		part, ok := known[after]
		if !ok {
			part = &group{after: after}
			known[after] = part
			out = append(out, part)
		}
		part.members = append(part.members, i)
	}
	return out
}

// showDrift gathers drift as fold does changes, and writes it.
func showDrift(p *page, drift []plans.Drift) {
	parts := func(d plans.Drift) (sign, verb string) {
		if !d.Actual.Exists() {
			return signDelete, "has been deleted"
		}
		return signUpdate, "has changed"
	}
	describe := func(p *page, i int) {
		d := drift[i]
		sign, verb := parts(d)
		p.say(plain, here(d.Addr)+" "+verb)
		body(p, sign, d.Addr.Resource, d.Recorded, d.Actual, d.Differs, nil)
	}
	for _, g := range alike(len(drift), describe) {
		for _, i := range g.members {
			_, verb := parts(drift[i])
			heading(p, drift[i].Addr, verb)
		}
		d := drift[g.members[0]]
		sign, _ := parts(d)
		body(p, sign, d.Addr.Resource, d.Recorded, d.Actual, d.Differs, nil)
		p.end()
	}
}

// notes say of a change what its attributes do not show.
func notes(s plans.Step, c plans.Change) []string {
	var out []string
	if c.Reason != "" {
		out = append(out, c.Reason)
	}
	if s.Via != "" {
		out = append(out, "via "+s.Via)
	}
	if c.Left != "" {
		out = append(out, "what stood at its old identity stays: "+c.Left)
	}
	if s.Condition != "" {
		out = append(out, "only if "+strings.TrimPrefix(strings.TrimPrefix(s.Condition, "only "), "if "))
	}
	if s.At != "" {
		out = append(out, "acts on "+s.At)
	}
	if len(s.Peers) > 0 {
		out = append(out, "acts on "+strings.Join(s.Peers, ", ")+" too")
	}
	if len(s.Disrupts) > 0 {
		out = append(out, "interrupts: "+strings.Join(s.Disrupts, ", "))
	}
	return out
}
