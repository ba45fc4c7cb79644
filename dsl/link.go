package dsl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl/addr"
)

// leafMode is how a reference to a resource finds its hosts.
type leafMode byte

const (
	onHere   leafMode = iota // type.name in a resource
	onBefore                 // type.name in depends_on: where it is not here, all
	onSingle                 // type.name where there is no here
	onAll                    // all.type.name
	onOne                    // all.type.name["host"]
)

// leaf is a reference to a resource, of an expression or of what it is made of.
type leaf struct {
	res  *resources
	key  *addr.Key
	mode leafMode
	host string // of onOne
	rng  hcl.Range
}

// factLeaf is a reference to facts; own is that of each.host.facts.
type factLeaf struct {
	host, name string
	own        bool
}

// link finds what each instance needs, and makes the instances.
func (x *expander) link() {
	l := &linker{spec: x.spec, memo: map[memoID]*found{}}
	for _, in := range x.mods {
		l.module(in)
	}
	x.exp.Instances = make([]*Instance, 0, x.total)
	for _, res := range x.order {
		l.resource(res, x.exp)
	}
	x.add(l.diags...)
}

// found is what a value is made of.
type found struct {
	leaves []leaf
	facts  []factLeaf
}

func (f *found) add(o *found) {
	for _, l := range o.leaves {
		if !slices.ContainsFunc(f.leaves, func(p leaf) bool {
			return p.res == l.res && sameKey(p.key, l.key) && p.mode == l.mode && p.host == l.host
		}) {
			f.leaves = append(f.leaves, l)
		}
	}
	for _, u := range o.facts {
		if !slices.Contains(f.facts, u) {
			f.facts = append(f.facts, u)
		}
	}
}

func sameKey(a, b *addr.Key) bool { return a == b || a != nil && b != nil && *a == *b }

// linker finds what expressions refer to.
type linker struct {
	spec  *Spec
	memo  map[memoID]*found
	diags hcl.Diagnostics
}

func (l *linker) add(d ...*hcl.Diagnostic) { l.diags = append(l.diags, d...) }

// refs is what references in the module instance in lead to.
func (l *linker) refs(in *instance, refs []ref, here bool) *found {
	f := &found{}
	for _, r := range refs {
		switch r.kind {
		case refResource, refAll:
			mode := onSingle
			switch {
			case r.kind == refAll && r.host != "":
				mode = onOne
			case r.kind == refAll:
				mode = onAll
			case here:
				mode = onHere
			}
			f.add(&found{leaves: []leaf{{in.res[r.name], r.key, mode, r.host, r.rng}}})
		case refOwnFacts:
			f.add(&found{facts: []factLeaf{{name: r.attr, own: true}}})
		case refFacts:
			f.add(&found{facts: []factLeaf{{host: r.host, name: r.attr}}})
		case refVar:
			f.add(l.value(in, valueID{in.node, kindVar, r.name}))
		case refLocal:
			f.add(l.value(in, valueID{in.node, kindLocal, r.name}))
		case refModule:
			f.add(l.outputs(in, r))
		}
	}
	return f
}

// outputs is what a reference to a module's outputs leads to.
func (l *linker) outputs(in *instance, r ref) *found {
	f := &found{}
	kids, _ := l.spec.calls(in, r.name)
	child := in.node.children[r.name]
	names := []string{r.attr}
	if r.attr == "" {
		names = slices.Sorted(maps.Keys(child.mod.outputs))
	}
	for _, k := range kids {
		if r.key != nil && *r.key != k.each.key {
			continue
		}
		for _, o := range names {
			f.add(l.value(k, valueID{child, kindOutput, o}))
			f.add(&found{leaves: l.waits(k, child.mod.outputs[o].dependsOn, onAll)})
		}
	}
	return f
}

// value is what a value is made of. There are no cycles.
func (l *linker) value(in *instance, id valueID) *found {
	if l.spec.dynamic(id) == nil && id.kind != kindOutput {
		return &found{}
	}
	k := memoID{in, id}
	if f, ok := l.memo[k]; ok {
		return f
	}
	f := &found{}
	_, exprs := l.spec.within(id)
	from := in
	if id.kind == kindVar {
		from = in.parent
	}
	for _, e := range exprs {
		f.add(l.refs(from, e.refs, false))
	}
	l.memo[k] = f
	l.single(f)
	return f
}

// single refuses type.name where there is no here and it is on many hosts.
func (l *linker) single(f *found) {
	for _, x := range f.leaves {
		if x.mode == onSingle && len(x.res.hosts) > 1 {
			l.add(errorAt(x.rng, "Several hosts", "%s is on %d hosts, and there is no host here: %s. Write all.%s[\"host\"] for one of them, or all.%s for a map of all.",
				x.res.of.Addr, len(x.res.hosts), list(l.names(x.res.hosts)), bare(x.res), bare(x.res)))
		}
	}
}

// bare is type.name of a resource.
func bare(r *resources) string { return r.of.block.typ + "." + r.of.block.name }

func (l *linker) names(hosts []int32) []string {
	var names []string
	for _, h := range hosts {
		names = append(names, l.spec.hosts[h].Name)
	}
	return names
}

// waits is what a list of addresses in the module instance in leads to. mode is
// how type.name in it finds its hosts.
func (l *linker) waits(in *instance, refs []ref, mode leafMode) []leaf {
	var all []leaf
	for _, r := range refs {
		switch r.kind {
		case refResource:
			all = append(all, leaf{in.res[r.name], r.key, mode, "", r.rng})
		case refAll:
			m := onAll
			if r.host != "" {
				m = onOne
			}
			all = append(all, leaf{in.res[r.name], r.key, m, r.host, r.rng})
		case refModule:
			kids, _ := l.spec.calls(in, r.name)
			for _, k := range kids {
				if r.key == nil || *r.key == k.each.key {
					all = append(all, l.inside(k, r.rng)...)
				}
			}
		}
	}
	return all
}

// inside is all resources of a module instance and of those it calls.
func (l *linker) inside(in *instance, rng hcl.Range) []leaf {
	var all []leaf
	for _, o := range in.node.mod.ordered {
		if o.resource != nil {
			if res := in.res[o.resource.typ+"."+o.resource.name]; len(res.hosts) > 0 {
				all = append(all, leaf{res, nil, onAll, "", rng})
			}
			continue
		}
		if in.node.children[o.call.name] == nil {
			continue
		}
		kids, _ := l.spec.calls(in, o.call.name)
		for _, k := range kids {
			all = append(all, l.inside(k, rng)...)
		}
	}
	return all
}

// module notes what all resources of a module instance wait for, and looks at
// the values that nothing else may refer to.
func (l *linker) module(in *instance) {
	if in.parent != nil {
		in.waits = slices.Clone(in.parent.waits)
		for _, x := range l.waits(in.parent, in.node.call.dependsOn, onAll) {
			in.waits = append(in.waits, Need{Resource: x.res.of.Addr, Key: x.key, Host: x.host, Range: x.rng})
		}
		in.waits = distinct(in.waits)
	}
	m := in.node.mod
	for _, name := range slices.Sorted(maps.Keys(m.locals)) {
		l.value(in, valueID{in.node, kindLocal, name})
	}
	for _, name := range slices.Sorted(maps.Keys(m.outputs)) {
		l.value(in, valueID{in.node, kindOutput, name})
	}
	for _, name := range slices.Sorted(maps.Keys(m.variables)) {
		if in.parent != nil {
			l.value(in, valueID{in.node, kindVar, name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.checks)) {
		for _, c := range m.checks[name].asserts {
			l.single(l.refs(in, c.cond.refs, false))
			l.single(l.refs(in, c.message.refs, false))
		}
	}
}

// distinct leaves out needs that stand there before.
func distinct(needs []Need) []Need {
	type id struct {
		res  addr.Resource
		key  addr.Key
		all  bool
		host string
	}
	if len(needs) < 2 {
		return needs
	}
	seen := make(map[id]bool, len(needs))
	return slices.DeleteFunc(needs, func(n Need) bool {
		k := id{res: n.Resource, all: n.Key == nil, host: n.Host}
		if n.Key != nil {
			k.key = *n.Key
		}
		was := seen[k]
		seen[k] = true
		return was
	})
}

// String is the need as an address.
func (n Need) String() string {
	s := n.Resource.String()
	if n.Key != nil {
		s += n.Key.String()
	}
	if n.Host == "" {
		return s + " on all hosts"
	}
	return fmt.Sprintf("%s@%s", s, n.Host)
}
