package dsl

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/schema"
)

// facts is what was read of a host.
func facts(ev *evaluation, host string) cty.Value {
	if ev == nil {
		return cty.DynamicVal
	}
	if v := ev.scope.Facts(host); v != cty.NilVal {
		return v
	}
	return cty.DynamicVal
}

// facts is the facts of the hosts that the expressions ask for, by host.
func (b *builder) facts(exprs []*expr) cty.Value {
	names, all := b.asked(exprs, func(r ref) bool { return r.kind == refFacts })
	s := b.spec
	of := map[string]cty.Value{}
	for _, h := range s.hosts {
		if all || names[h.Name] {
			of[h.Name] = facts(b.frame.eval, h.Name)
		}
	}
	return cty.ObjectVal(of)
}

// allOf begins the names of the groups in which all.type is collected.
const allOf = "all "

// all sets all.type.name for the hosts that the expressions ask for.
func (b *builder) all(r ref, exprs []*expr) {
	typ, name, _ := strings.Cut(r.name, ".")
	root := allOf + typ
	if b.has(root, name) {
		return
	}
	res := b.frame.in.res[r.name]
	if res == nil {
		b.set(root, name, cty.DynamicVal)
	} else {
		names, all := b.asked(exprs, func(x ref) bool { return x.kind == refAll && x.name == r.name })
		of := map[string]cty.Value{}
		for _, h := range res.hosts {
			if host := b.spec.hosts[h].Name; all || names[host] {
				of[host] = b.spec.objects(res, h, b.frame.eval)
			}
		}
		b.set(root, name, uniform(of))
	}
	types := map[string]cty.Value{}
	for root, names := range b.groups {
		if t, ok := strings.CutPrefix(root, allOf); ok {
			types[t] = cty.ObjectVal(names)
		}
	}
	b.vars["all"] = cty.ObjectVal(types)
}

// asked is the hosts that the references of a kind are to, as far as literal
// indexes and indexes that can be evaluated alone say it; all is set where they
// do not.
func (b *builder) asked(exprs []*expr, kind func(ref) bool) (names map[string]bool, all bool) {
	names = map[string]bool{}
	open := 0 // references without a literal index
	for _, e := range exprs {
		for _, r := range e.refs {
			if !kind(r) {
				continue
			}
			if r.host == "" {
				open++
			}
			names[r.host] = true
		}
	}
	if open == 0 {
		return names, false
	}
	for _, e := range exprs {
		for _, key := range indexes(e.Expression, kind) {
			if host, ok := b.alone(key, e); ok {
				names[host] = true
				open--
			}
		}
	}
	return names, open > 0
}

// alone evaluates an index if it is made of what is static or of this host.
func (b *builder) alone(key hclsyntax.Expression, of *expr) (string, bool) {
	x := &expr{Expression: key, name: of.name, rng: of.rng}
	for _, t := range key.Variables() {
		r, d := parseRef(t)
		if d != nil || b.spec.check(b.frame.in.node, r) != nil {
			return "", false
		}
		x.refs = append(x.refs, r)
	}
	v, diags := b.spec.eval(x, b.frame)
	if diags.HasErrors() || v.IsMarked() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

// check says whether a reference is neither static nor to this host.
func (s *Spec) check(n *node, r ref) *reasonWhy {
	if why := s.dynamicRef(n, r); why != nil && !why.host {
		return why
	}
	return nil
}

// indexes is the computed indexes of references of a kind, outside of for
// expressions and splats, whose names an index could use.
func indexes(e hcl.Expression, kind func(ref) bool) []hclsyntax.Expression {
	w := &indexWalker{kind: kind}
	if n, ok := e.(hclsyntax.Node); ok {
		hclsyntax.Walk(n, w) //nolint:errcheck // it reports nothing
	}
	return w.keys
}

type indexWalker struct {
	kind   func(ref) bool
	scopes int
	keys   []hclsyntax.Expression
}

// Enter notes the key of an index of a reference.
func (w *indexWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.scopes++
	case *hclsyntax.IndexExpr:
		if w.scopes > 0 {
			break
		}
		if t, diags := hcl.AbsTraversalForExpr(n.Collection); !diags.HasErrors() {
			if r, d := parseRef(t); d == nil && r.host == "" && w.kind(r) {
				w.keys = append(w.keys, n.Key)
			}
		}
	}
	return nil
}

// Exit leaves a for expression or splat.
func (w *indexWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		w.scopes--
	}
	return nil
}

// uniform is a map of the values where they are of one type, else an object.
func uniform(of map[string]cty.Value) cty.Value {
	var typ cty.Type
	for _, v := range of {
		if typ == cty.NilType {
			typ = v.Type()
		}
		if !v.Type().Equals(typ) || typ.HasDynamicTypes() {
			return cty.ObjectVal(of)
		}
	}
	if len(of) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.MapVal(of)
}

// here is what type.name stands for at f.
func (s *Spec) here(f frame, res *resources) cty.Value {
	if res == nil {
		return cty.DynamicVal
	}
	host := f.host
	if _, on := slices.BinarySearch(res.hosts, host); !on || host < 0 {
		if len(res.hosts) != 1 {
			return cty.DynamicVal // refused when needs are linked
		}
		host = res.hosts[0]
	}
	return s.objects(res, host, f.eval)
}

// objects is the object of a resource on a host; its objects by key where it
// has keys.
func (s *Spec) objects(res *resources, host int32, ev *evaluation) cty.Value {
	each := res.of.block.each
	if each.expr() == nil {
		return s.object(res, addr.Key{}, host, ev)
	}
	byKey := map[string]cty.Value{}
	var inOrder []cty.Value
	for _, g := range res.groups {
		if _, on := slices.BinarySearch(g.sorted, host); !on {
			continue
		}
		v := s.object(res, g.rep.key, host, ev)
		if n, ok := g.rep.key.Int(); ok && n == len(inOrder) {
			inOrder = append(inOrder, v)
		}
		byKey[keyText(g.rep.key)] = v
	}
	if each.count != nil && len(inOrder) == len(byKey) {
		return cty.TupleVal(inOrder)
	}
	return uniform(byKey)
}

// keyText is a key as the key of a map.
func keyText(k addr.Key) string {
	if s, ok := k.Str(); ok {
		return s
	}
	return keyValue(k).AsBigFloat().Text('f', 0)
}

// object is what one instance is or will be.
func (s *Spec) object(res *resources, key addr.Key, host int32, ev *evaluation) cty.Value {
	sch := res.of.block.schema
	if ev == nil {
		return unknownObject(sch)
	}
	v, ok := ev.scope.Object(addr.Instance{Resource: res.of.Addr, Key: key, Host: s.hosts[host].Name})
	if !ok || v == cty.NilVal {
		return unknownObject(sch)
	}
	return markSensitive(sch, v)
}

// unknownObject is an object of which nothing is known but what is sensitive.
func unknownObject(sch *schema.Schema) cty.Value {
	attrs := make(map[string]cty.Value, len(sch.Attributes))
	for _, a := range sch.Attributes {
		attrs[a.Name] = cty.UnknownVal(a.Type)
		if a.Sensitive {
			attrs[a.Name] = attrs[a.Name].Mark(functions.Sensitive)
		}
	}
	return cty.ObjectVal(attrs)
}

// markSensitive marks the attributes of an object that are always sensitive.
func markSensitive(sch *schema.Schema, v cty.Value) cty.Value {
	if v.IsNull() || !v.IsKnown() || v.IsMarked() {
		return v
	}
	var attrs map[string]cty.Value
	for _, a := range sch.Attributes {
		if a.Sensitive && v.Type().HasAttribute(a.Name) && !v.GetAttr(a.Name).IsMarked() {
			if attrs == nil {
				attrs = v.AsValueMap()
			}
			attrs[a.Name] = attrs[a.Name].Mark(functions.Sensitive)
		}
	}
	if attrs == nil {
		return v
	}
	return cty.ObjectVal(attrs)
}
