package dsl

import (
	"fmt"
	"slices"

	"github.com/kplan/kplan/dsl/addr"
)

// resource makes the instances of a resource, with what each needs.
func (l *linker) resource(res *resources, exp *Expansion) {
	b, in := res.of.block, res.of.mod
	f := &found{}
	for _, e := range b.expressions() {
		f.add(l.refs(in, e.refs, true))
	}
	res.leaves, res.facts = f.leaves, f.facts
	l.single(f)
	onChange := l.waits(in, b.onChange, onBefore)
	needs := slices.Concat(f.leaves, l.waits(in, b.dependsOn, onBefore), onChange)
	triggers := l.waits(in, b.triggers, onBefore)
	for _, x := range slices.Concat(needs, triggers) {
		l.key(x)
	}
	w := map[*[]leaf]*perHost{}
	for _, list := range []*[]leaf{&needs, &onChange, &triggers} {
		w[list] = newPerHost(l, res, *list)
	}
	w[&needs].shared = append(w[&needs].shared, in.waits...)
	w[&needs].shared = distinct(w[&needs].shared)
	watched := map[int32][]Need{}
	if len(onChange) > 0 {
		for _, h := range res.hosts {
			watched[h] = l.watched(onChange, w[&onChange].on(h), h)
		}
	}
	made := make([]Instance, 0, len(res.groups)*len(res.hosts))
	for _, g := range res.groups {
		for _, h := range g.hosts {
			made = append(made, Instance{
				Addr: addr.Instance{Resource: res.of.Addr, Key: g.rep.key, Host: l.spec.hosts[h].Name}, Block: res.of,
				Needs: w[&needs].on(h), OnChange: watched[h], Triggers: w[&triggers].on(h), group: g, host: h,
			})
		}
	}
	for i := range made {
		exp.Instances = append(exp.Instances, &made[i])
		exp.byAddr[made[i].Addr] = &made[i]
	}
}

// watched is needs, those of on_change on a host, and what leaves name that is
// not there: it may have been, and that it is removed is a change.
func (l *linker) watched(leaves []leaf, needs []Need, h int32) []Need {
	var gone []Need
	for _, x := range leaves {
		n := Need{Resource: x.res.of.Addr, Key: x.key, Range: x.rng}
		switch {
		case x.mode == onAll && len(x.res.hosts) == 0:
			gone = append(gone, n)
		case x.mode == onBefore && !on(x, h):
			n.Host = l.spec.hosts[h].Name
			gone = append(gone, n)
		}
	}
	if len(gone) == 0 {
		return needs
	}
	return distinct(slices.Concat(needs, gone))
}

// expressions is all expressions of a resource that may refer to results and
// facts, in a fixed order.
func (b *resourceBlock) expressions() []*expr {
	var all []*expr
	for _, a := range b.schema.Attributes {
		if e := b.attrs[a.Name]; e != nil {
			all = append(all, e.expr)
		}
	}
	for _, c := range slices.Concat(b.lifecycle.pre, b.lifecycle.post) {
		all = append(all, c.cond, c.message)
	}
	return all
}

// key refuses a literal key that a resource does not have.
func (l *linker) key(x leaf) {
	if x.key == nil || slices.ContainsFunc(x.res.groups, func(g *group) bool { return g.rep.key == *x.key }) {
		return
	}
	var keys []string
	for _, g := range x.res.groups {
		keys = append(keys, keyText(g.rep.key))
	}
	l.add(errorAt(x.rng, "Unknown key", "%s has no key %s; its keys are %s.%s", x.res.of.Addr, x.key, list(keys), suggest(keyText(*x.key), keys)))
}

// perHost is the needs of a resource on each host: those that all hosts share,
// and those that differ.
type perHost struct {
	linker *linker
	shared []Need
	differ []leaf
	of     map[int32][]Need // made so far: the keys of a resource share them
	many   bool             // whether there is more than one key
}

func newPerHost(l *linker, res *resources, leaves []leaf) *perHost {
	w := &perHost{linker: l, of: map[int32][]Need{}, many: len(res.groups) > 1}
	for _, x := range leaves {
		n := Need{Resource: x.res.of.Addr, Key: x.key, Range: x.rng}
		switch {
		case x.mode == onHere || x.mode == onBefore:
			if len(x.res.hosts) == 1 { // that one, also where it is not here
				n.Host = l.spec.hosts[x.res.hosts[0]].Name
				w.shared = append(w.shared, n)
				continue
			}
			w.differ = append(w.differ, x)
		case x.mode == onOne:
			n.Host = x.host
			w.shared = append(w.shared, n)
		case len(x.res.hosts) > 0:
			w.shared = append(w.shared, n)
		}
	}
	w.shared = distinct(w.shared)
	return w
}

// on is the needs on a host.
func (w *perHost) on(h int32) []Need {
	if len(w.differ) == 0 {
		return w.shared
	}
	if n, ok := w.of[h]; ok {
		return n
	}
	needs := make([]Need, 0, len(w.shared)+len(w.differ))
	for _, x := range w.differ {
		n := Need{Resource: x.res.of.Addr, Key: x.key, Range: x.rng}
		switch {
		case on(x, h):
			n.Host = w.linker.spec.hosts[h].Name
		case x.mode == onBefore && len(x.res.hosts) > 0:
			// not here: all
		case x.mode == onBefore:
			continue
		default:
			w.nowhere(x, h)
		}
		needs = append(needs, n)
	}
	needs = distinct(append(needs, w.shared...))
	if w.many {
		w.of[h] = needs
	}
	return needs
}

// on reports whether what a reference names is on a host.
func on(x leaf, h int32) bool {
	hosts := x.res.hosts
	if x.key != nil {
		if i := slices.IndexFunc(x.res.groups, func(g *group) bool { return g.rep.key == *x.key }); i >= 0 {
			hosts = x.res.groups[i].sorted
		}
	}
	_, ok := slices.BinarySearch(hosts, h)
	return ok
}

// nowhere refuses type.name on a host that has none. It is said once for each
// reference, for the first host.
func (w *perHost) nowhere(x leaf, h int32) {
	l := w.linker
	for _, d := range l.diags {
		if d.Summary == notHere && *d.Subject == x.rng {
			return
		}
	}
	l.add(errorAt(x.rng, notHere, "There is no %s on %s; it is on %s. Write all.%s[\"host\"] for that of another host.",
		fmt.Sprint(x.res.of.Addr), l.spec.hosts[h].Name, list(l.names(x.res.hosts)), bare(x.res)))
}

const notHere = "Not on this host"
