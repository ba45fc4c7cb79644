package dsl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// context is the names that references stand for at f, on top of parent. The
// expressions are those that the references are of, where facts and objects of
// other hosts can be narrowed to what they ask for.
func (s *Spec) context(parent *hcl.EvalContext, refs []ref, exprs []*expr, f frame) (*hcl.EvalContext, hcl.Diagnostics) {
	b := builder{spec: s, frame: f, refs: refs, groups: map[string]map[string]cty.Value{}, vars: map[string]cty.Value{}}
	for _, r := range refs {
		b.ref(r, exprs)
	}
	for root, names := range b.groups {
		if strings.HasPrefix(root, allOf) {
			continue
		}
		b.vars[root] = cty.ObjectVal(names)
	}
	var ctx *hcl.EvalContext
	if parent != nil {
		ctx = parent.NewChild()
	} else {
		ctx = &hcl.EvalContext{Functions: f.in.node.mod.table}
	}
	ctx.Variables = b.vars
	return ctx, b.diags
}

// builder puts the root names of a context together.
type builder struct {
	spec   *Spec
	frame  frame
	refs   []ref
	groups map[string]map[string]cty.Value // var, local, each, types, …
	vars   map[string]cty.Value
	diags  hcl.Diagnostics
}

func (b *builder) has(root, name string) bool { _, ok := b.groups[root][name]; return ok }

func (b *builder) set(root, name string, v cty.Value) {
	g := b.groups[root]
	if g == nil {
		g = map[string]cty.Value{}
		b.groups[root] = g
	}
	g[name] = v
}

func (b *builder) ref(r ref, exprs []*expr) {
	f, s := b.frame, b.spec
	switch r.kind {
	case refVar:
		if !b.has("var", r.name) {
			b.set("var", r.name, b.value(f.in, valueID{f.in.node, kindVar, r.name}))
		}
	case refLocal:
		if !b.has("local", r.name) {
			b.set("local", r.name, b.value(f.in, valueID{f.in.node, kindLocal, r.name}))
		}
	case refModule:
		if !b.has("module", r.name) {
			b.set("module", r.name, b.module(r.name))
		}
	case refHosts:
		b.vars["hosts"] = s.values.all
	case refHost:
		b.vars["host"] = s.values.byName
	case refRole:
		b.vars["role"] = s.values.byRole
	case refEachHost:
		b.set("each", "host", s.values.each[f.host])
	case refOwnFacts:
		b.set("each", eachHostFacts, facts(f.eval, s.hosts[f.host].Name))
	case refFacts:
		if _, ok := b.vars["facts"]; !ok {
			b.vars["facts"] = b.facts(exprs)
		}
	case refEach:
		b.set("each", "key", keyValue(f.each.key))
		b.set("each", "value", f.each.value)
	case refCount:
		b.set("count", "index", keyValue(f.each.key))
	case refSelf:
		b.vars["self"] = f.self
	case refPath:
		b.set("path", r.name, cty.StringVal("."))
	case refKplan:
		b.set("kplan", "version", cty.StringVal(s.options.Version))
	case refResource:
		typ, name, _ := strings.Cut(r.name, ".")
		if !b.has(typ, name) {
			b.set(typ, name, s.here(f, f.in.res[r.name]))
		}
	case refAll:
		b.all(r, exprs)
	}
}

// value is a value of the module instance in.
func (b *builder) value(in *instance, id valueID) cty.Value {
	v, diags := b.spec.value(in, id, b.frame.eval)
	b.diags = append(b.diags, diags...)
	return v
}

// module is the outputs of a called module that are asked for, by key where it
// has keys.
func (b *builder) module(name string) cty.Value {
	in := b.frame.in
	child := in.node.children[name]
	var wanted []string
	for _, r := range b.refs {
		if r.kind == refModule && r.name == name {
			if r.attr == "" {
				wanted = slices.Sorted(maps.Keys(child.mod.outputs))
				break
			}
			wanted = append(wanted, r.attr)
		}
	}
	of := func(mi *instance) cty.Value {
		outs := map[string]cty.Value{}
		for _, o := range wanted {
			outs[o] = b.value(mi, valueID{child, kindOutput, o})
		}
		return cty.ObjectVal(outs)
	}
	kids, diags := b.spec.calls(in, name)
	b.diags = append(b.diags, diags...)
	call := child.call
	switch {
	case diags.HasErrors():
		return cty.DynamicVal
	case call.each.forEach != nil:
		m := map[string]cty.Value{}
		for _, k := range kids {
			key, _ := k.each.key.Str()
			m[key] = of(k)
		}
		return cty.ObjectVal(m)
	case call.each.count != nil:
		var vs []cty.Value
		for _, k := range kids {
			vs = append(vs, of(k))
		}
		return cty.TupleVal(vs)
	}
	return of(kids[0])
}
