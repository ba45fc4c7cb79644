package dsl

import (
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

// resources is a resource block in one module instance, expanded.
type resources struct {
	of     *Resource
	groups []*group // by key, in order
	hosts  []int32  // of all groups, sorted, each once
	leaves []leaf   // what its expressions refer to, once linked
	facts  []factLeaf
}

// group is the instances of one key of a resource: one on each host.
type group struct {
	res    *resources
	rep    *repetition
	hosts  []int32 // in the order of on, each once
	sorted []int32 // the same, sorted

	once  sync.Once
	base  *hcl.EvalContext     // what expressions share on all hosts
	attrs map[string]cty.Value // what has the same value on all hosts
	whole cty.Value            // the object, where it is the same on all hosts
	diags hcl.Diagnostics
}

// Expand makes the instances of the spec's resources. It may be called again,
// and gives the same.
func (s *Spec) Expand() (*Expansion, hcl.Diagnostics) {
	s.expandOnce.Do(func() {
		x := &expander{spec: s, lists: map[whole][]int32{}, exp: &Expansion{byAddr: map[addr.Instance]*Instance{}}}
		x.run()
		s.expansion = x.exp
		if e := s.budget.Err(); e != nil {
			x.diags = append(x.diags, e)
		}
		s.expandDiags = inOrder(x.diags)
	})
	return s.expansion, s.expandDiags
}

// expander expands a spec, once.
type expander struct {
	spec  *Spec
	exp   *Expansion
	mods  []*instance // each before those it calls
	order []*resources
	lists map[whole][]int32
	total int
	diags hcl.Diagnostics
}

func (x *expander) add(d ...*hcl.Diagnostic) { x.diags = append(x.diags, d...) }

func (x *expander) run() {
	if x.spec.top == nil || x.spec.values.all == cty.NilVal {
		return // the spec was not loaded
	}
	x.module(x.spec.top)
	if x.diags.HasErrors() {
		return
	}
	x.spec.budget.Grant(x.total)
	x.values()
	if x.diags.HasErrors() {
		return
	}
	x.link()
	if x.diags.HasErrors() {
		return
	}
	for _, r := range x.order {
		x.exp.Resources = append(x.exp.Resources, r.of.Addr)
		for _, g := range r.groups {
			x.add(x.spec.prepare(g)...)
		}
	}
	for _, r := range x.spec.root.mod.removed {
		x.exp.Removed = append(x.exp.Removed, r.Removed)
	}
}

// module expands the resources and calls of a module instance, in source order.
func (x *expander) module(in *instance) {
	x.mods = append(x.mods, in)
	for _, o := range in.node.mod.ordered {
		switch {
		case o.resource != nil:
			x.resource(in, o.resource)
		case in.node.children[o.call.name] != nil:
			kids, diags := x.spec.calls(in, o.call.name)
			x.add(diags...)
			if len(x.mods)+len(kids) > maxInstances {
				x.add(errorAt(o.call.rng, "Too many modules", "A spec may have at most %d instances of modules.", maxInstances))
				return
			}
			for _, k := range kids {
				x.module(k)
			}
		}
		if x.total > maxInstances {
			return
		}
	}
}

// resource expands one block: its keys, and the hosts of each.
func (x *expander) resource(in *instance, b *resourceBlock) {
	s := x.spec
	r := &Resource{
		Addr:      addr.Resource{Module: in.addr, Type: b.typ, Name: b.name},
		DeclRange: b.rng, block: b, mod: in,
		Lifecycle: Lifecycle{
			PreventDestroy: b.lifecycle.preventDestroy, Destroy: b.lifecycle.destroy, IgnoreChanges: b.lifecycle.ignore,
			Preconditions: len(b.lifecycle.pre), Postconditions: len(b.lifecycle.post),
		},
	}
	res := &resources{of: r}
	in.res[b.typ+"."+b.name] = res
	x.order = append(x.order, res)
	x.add(s.meta(r)...)
	reps, diags := s.repetitions(b.each, in.frame(nil))
	x.add(diags...)
	same := !slices.ContainsFunc(b.on.refs, func(r ref) bool { return r.kind == refEach || r.kind == refCount })
	var hosts []int32
	for i, rep := range reps {
		if i == 0 || !same {
			f := in.frame(nil)
			f.each = rep
			hosts, diags = x.on(b.on, f)
			x.add(diags...)
		}
		if x.total += len(hosts); x.total > maxInstances {
			x.add(errorAt(b.rng, "Too many instances", "With this resource the spec has %d instances, and it may have at most %d.", x.total, maxInstances))
			return
		}
		g := &group{res: res, rep: rep, hosts: hosts}
		if i > 0 && same {
			g.sorted = res.groups[0].sorted
		} else {
			g.sorted = slices.Sorted(slices.Values(hosts))
		}
		res.groups = append(res.groups, g)
	}
	switch {
	case len(res.groups) == 0:
	case same:
		res.hosts = res.groups[0].sorted
	default:
		for _, g := range res.groups {
			res.hosts = append(res.hosts, g.sorted...)
		}
		slices.Sort(res.hosts)
		res.hosts = slices.Compact(res.hosts)
	}
}

// whole is a list of hosts that many resources are on.
type whole struct {
	in   *instance
	text string // such as var.nodes
}

// on is the hosts of an on argument. Those that are nothing but a reference,
// such as var.nodes, are looked at once.
func (x *expander) on(e *expr, f frame) ([]int32, hcl.Diagnostics) {
	t, none := hcl.AbsTraversalForExpr(e.Expression)
	if none.HasErrors() || len(t) > 2 || len(e.refs) != 1 || e.refs[0].kind == refEach {
		return x.spec.on(e, f)
	}
	k := whole{f.in, e.refs[0].String()}
	if hosts, ok := x.lists[k]; ok {
		return hosts, nil
	}
	hosts, diags := x.spec.on(e, f)
	if len(diags) == 0 {
		x.lists[k] = hosts
	}
	return hosts, diags
}

// on is the hosts of an on argument, in its order, each once.
func (s *Spec) on(e *expr, f frame) ([]int32, hcl.Diagnostics) {
	v, diags := s.eval(e, f)
	if diags.HasErrors() {
		return nil, diags
	}
	if d := refused(e, v); d != nil {
		if v.IsNull() && !v.IsMarked() {
			d.Detail = "on is null. Write [] for no hosts."
		}
		return nil, append(diags, d)
	}
	bad := func(got cty.Type) hcl.Diagnostics {
		hint := ""
		if got == cty.String {
			hint = " A host is written host.name, without quotes."
		}
		return append(diags, errorAt(e.rng, "Not a host", "on is a host or a list of hosts, such as host.web1, role.worker or hosts, and this is %s.%s", words(got), hint))
	}
	if v.Type().Equals(hostType) {
		return []int32{s.hostIndex[v.GetAttr("name").AsString()]}, diags
	}
	typ := v.Type()
	if !typ.IsListType() && !typ.IsSetType() && !typ.IsTupleType() {
		return nil, bad(typ)
	}
	hosts := make([]int32, 0, v.LengthInt())
	seen := make(map[int32]bool, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, h := it.Element()
		if h.IsNull() {
			return nil, append(diags, errorAt(e.rng, "Not a host", "An element of on is null. Leave it out."))
		}
		if !h.Type().Equals(hostType) {
			return nil, bad(h.Type())
		}
		i, ok := s.hostIndex[h.GetAttr("name").AsString()]
		if !ok {
			return nil, bad(h.Type())
		}
		if !seen[i] {
			seen[i] = true
			hosts = append(hosts, i)
		}
	}
	return hosts, diags
}

// values evaluates the static values of all module instances, so that their
// errors are found here, and once.
func (x *expander) values() {
	s := x.spec
	for _, in := range x.mods {
		n := in.node
		for name := range n.mod.locals {
			x.static(in, valueID{n, kindLocal, name})
		}
		for name := range n.mod.variables {
			x.static(in, valueID{n, kindVar, name})
		}
		for name := range n.mod.outputs {
			x.static(in, valueID{n, kindOutput, name})
		}
		if in != s.top {
			x.add(s.validateVariables(in, nil)...)
		}
	}
}

func (x *expander) static(in *instance, id valueID) {
	if x.spec.dynamic(id) == nil {
		_, diags := x.spec.value(in, id, nil)
		x.add(diags...)
	}
}
