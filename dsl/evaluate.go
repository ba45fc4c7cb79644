package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/schema"
)

// shape is how the arguments of a resource block are evaluated at one place in
// the tree of calls.
type shape struct {
	same   []*attrExpr // the same on all hosts
	differ []*attrExpr
	// References of those that differ: to what all hosts share, and to the rest.
	base, rest []ref
	exprs      []*expr
}

// shapeOf sorts the arguments of a resource by what they refer to.
func (s *Spec) shapeOf(n *node, b *resourceBlock) *shape {
	sh := &shape{}
	roots := map[refKind]bool{} // kinds with a reference that is not static
	var refs []ref
	for _, a := range b.schema.Attributes {
		e := b.attrs[a.Name]
		if e == nil {
			continue
		}
		differs := false
		for _, r := range e.refs {
			if s.dynamicRef(n, r) != nil {
				differs = true
				roots[rootOf(r.kind)] = true
			}
		}
		if !differs {
			sh.same = append(sh.same, e)
			continue
		}
		sh.differ = append(sh.differ, e)
		sh.exprs = append(sh.exprs, e.expr)
		refs = append(refs, e.refs...)
	}
	for _, r := range refs {
		if roots[rootOf(r.kind)] {
			sh.rest = append(sh.rest, r)
		} else {
			sh.base = append(sh.base, r)
		}
	}
	return sh
}

// rootOf is a kind for all kinds whose references share a root name.
func rootOf(k refKind) refKind {
	if k == refOwnFacts || k == refEach {
		return refEachHost
	}
	return k
}

// prepare evaluates what the instances of a group share, once.
func (s *Spec) prepare(g *group) hcl.Diagnostics {
	g.once.Do(func() { g.diags = s.prepareGroup(g) })
	return g.diags
}

func (s *Spec) prepareGroup(g *group) hcl.Diagnostics {
	r := g.res.of
	n := r.mod.node
	sh := n.shapes[r.block]
	if sh == nil { // in Expand, which is one goroutine
		sh = s.shapeOf(n, r.block)
		n.shapes[r.block] = sh
	}
	f := r.mod.frame(nil)
	f.each = g.rep
	var refs []ref
	var exprs []*expr
	for _, a := range sh.same {
		refs, exprs = append(refs, a.refs...), append(exprs, a.expr)
	}
	ctx, diags := s.context(nil, append(refs, sh.base...), exprs, f)
	if diags.HasErrors() {
		return diags
	}
	g.base = ctx
	g.attrs = s.defaults(r.block)
	for _, a := range r.block.schema.Attributes {
		if nameless(a) { // two instances of a resource are two things
			g.attrs[a.Name] = cty.StringVal(r.block.name + g.rep.key.String())
		}
	}
	for _, a := range sh.same {
		v, more := s.attribute(a, ctx, r.block)
		diags = append(diags, more...)
		g.attrs[a.attr.Name] = v
	}
	if len(sh.differ) == 0 && !diags.HasErrors() {
		g.whole = cty.ObjectVal(g.attrs)
	}
	return diags
}

// defaults is the attributes of a resource that its block does not set.
func (s *Spec) defaults(b *resourceBlock) map[string]cty.Value {
	attrs := make(map[string]cty.Value, len(b.schema.Attributes))
	for _, a := range b.schema.Attributes {
		attrs[a.Name] = absent(a, b)
	}
	return attrs
}

// absent is the value of an attribute that the block does not set. An identity
// whose default is empty is the resource's name.
func absent(a schema.Attribute, b *resourceBlock) cty.Value {
	var v cty.Value
	switch {
	case a.Mode == schema.Computed:
		v = cty.UnknownVal(a.Type)
	case nameless(a):
		v = cty.StringVal(b.name)
	case a.Default != cty.NilVal:
		v = a.Default
	default:
		v = cty.NullVal(a.Type)
	}
	if a.Sensitive && !v.IsNull() {
		v = v.Mark(functions.Sensitive)
	}
	return v
}

// nameless reports whether the attribute is an identity that is the resource's
// name where the block does not set it.
func nameless(a schema.Attribute) bool {
	return a.Mode == schema.ID && a.Default != cty.NilVal && a.Type == cty.String && a.Default.AsString() == ""
}

// attribute evaluates one argument as a value of its attribute.
func (s *Spec) attribute(a *attrExpr, ctx *hcl.EvalContext, b *resourceBlock) (cty.Value, hcl.Diagnostics) {
	unknown := cty.UnknownVal(a.attr.Type)
	v, diags := evalIn(a.expr, ctx)
	if diags.HasErrors() {
		return unknown, diags
	}
	rng := a.Range()
	if a.attr.Type == cty.String && fraction(a.Expression) {
		return unknown, append(diags, errorAt(rng, "Number instead of text", "The argument %q is text, and a number loses its zeros: 0644 is 644, and 1.10 is 1.1. Write it in quotes.", a.name))
	}
	out, err := a.attr.Convert(v)
	if err != nil {
		return unknown, append(diags, errorAt(rng, "Wrong type", "%s", s.wrongType(a.expr, a.name, typeName(a.attr), v, a.attr.Type, a.attr.Sensitive, err)))
	}
	if err := a.attr.Fits(out); err != nil {
		return unknown, append(diags, errorAt(rng, "Invalid value", "%s", a.unfit(err)))
	}
	if bare, marks := out.Unmark(); bare.IsNull() && bare.IsKnown() {
		if a.attr.Mode == schema.Required || a.attr.Mode == schema.ID && a.attr.Default == cty.NilVal {
			return unknown, append(diags, errorAt(rng, "Null argument", "The argument %q is required in a resource of type %q, and this is null.", a.name, b.typ))
		}
		out = absent(a.attr, b).WithMarks(marks)
	}
	if out.ContainsMarked() && a.attr.Mode == schema.ID {
		return unknown, append(diags, errorAt(rng, "Sensitive identity", "The argument %q identifies the object and is shown, so that it cannot be sensitive.", a.name))
	}
	if a.attr.Sensitive && !(out.IsKnown() && out.IsNull()) {
		out = out.Mark(functions.Sensitive)
	}
	return functions.Scrub(out), diags
}

// fraction reports whether an expression is a literal number with a fraction.
func fraction(e hcl.Expression) bool {
	l, ok := hcl.UnwrapExpression(e).(*hclsyntax.LiteralValueExpr)
	return ok && l.Val.Type() == cty.Number && !l.Val.IsNull() && l.SrcRange.End.Byte-l.SrcRange.Start.Byte > len(l.Val.AsBigFloat().Text('f', 0))
}

// typeName is the type of an attribute as messages call it.
func typeName(a schema.Attribute) string {
	if a.Shell {
		return "a string or " + words(a.Type)
	}
	return words(a.Type)
}

func (i *Instance) evaluate(sc Scope) (cty.Value, hcl.Diagnostics) {
	g, s := i.group, i.spec()
	if diags := s.prepare(g); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if g.whole != cty.NilVal {
		return g.whole, g.diags
	}
	sh := i.Block.mod.node.shapes[i.Block.block]
	f := i.frame(sc)
	ctx, diags := s.context(g.base, sh.rest, sh.exprs, f)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	attrs := maps.Clone(g.attrs)
	for _, a := range sh.differ {
		v, more := s.attribute(a, ctx, i.Block.block)
		diags = append(diags, more...)
		attrs[a.attr.Name] = v
	}
	if e := s.budget.Err(); e != nil && !slices.Contains(diags, e) {
		diags = append(diags, e)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return cty.ObjectVal(attrs), diags
}

func (i *Instance) spec() *Spec { return i.Block.mod.spec }

// frame is where the instance's expressions are evaluated.
func (i *Instance) frame(sc Scope) frame {
	f := i.Block.mod.frame(&evaluation{scope: sc})
	f.each, f.host = i.group.rep, i.host
	return f
}

// Preconditions checks the preconditions of the instance: an error for each
// that does not hold. What is not known yet is not refused.
func (i *Instance) Preconditions(sc Scope) hcl.Diagnostics {
	return i.conditions(i.Block.block.lifecycle.pre, i.frame(sc))
}

// Postconditions checks the postconditions over self, what the instance is.
func (i *Instance) Postconditions(sc Scope, self cty.Value) hcl.Diagnostics {
	f := i.frame(sc)
	f.self = markSensitive(i.Block.block.schema, self)
	return i.conditions(i.Block.block.lifecycle.post, f)
}

func (i *Instance) conditions(cs []*condition, f frame) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range cs {
		status, msg, more := i.spec().holds(c, f)
		diags = append(diags, more...)
		if status == Fail {
			summary := "Precondition does not hold"
			if c.what == "postcondition" {
				summary = "Postcondition does not hold"
			}
			diags = append(diags, errorAt(c.cond.rng, summary, "%s: %s", i.Addr, msg))
		}
	}
	return diags
}

// FactsUsed is the facts that the instance's expressions use, found in their
// references: both branches of a conditional count.
func (i *Instance) FactsUsed() []FactUse {
	var all []FactUse
	for _, f := range i.group.res.facts {
		u := FactUse{Host: f.host, Name: f.name}
		if f.own {
			u.Host = i.Addr.Host
		}
		all = append(all, u)
	}
	return all
}
