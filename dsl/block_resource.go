package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
)

// resourceBlock is a resource block as it stands in the source.
type resourceBlock struct {
	typ, name string
	rng       hcl.Range // header
	schema    *schema.Schema

	on    *expr
	each  each
	attrs map[string]*attrExpr // of the schema, as set
	meta  map[string]*expr     // timeout, become_user, semaphore and retry's
	retry hcl.Range            // of the retry block; empty where there is none

	dependsOn, onChange, triggers []ref
	lifecycle                     lifecycleBlock
}

// attrExpr is an argument that sets an attribute of the type's schema.
type attrExpr struct {
	*expr
	attr schema.Attribute
}

type lifecycleBlock struct {
	preventDestroy bool
	destroy        *bool
	ignore         []string
	pre, post      []*condition
}

var metaArgs = []string{"on", "for_each", "count", "depends_on", "on_change", "rollout", "timeout", "become_user", "semaphore"}

func (c *collector) resource(b *hclsyntax.Block) {
	r := &resourceBlock{
		typ: b.Labels[0], name: b.Labels[1], rng: b.DefRange(),
		attrs: map[string]*attrExpr{}, meta: map[string]*expr{},
	}
	if why, ok := reserved[r.typ]; ok {
		c.add(errorAt(b.LabelRanges[0], "Reserved name", "%q cannot be a resource type: in expressions it %s.", r.typ, why))
		return
	}
	var ok bool
	if r.schema, ok = c.types.Schema(r.typ); !ok {
		c.add(errorAt(b.LabelRanges[0], "Unknown resource type", "There is no resource type %q.%s `kplan explain` lists the types.",
			r.typ, suggest(r.typ, c.types.Names())))
		return
	}
	c.attributes(b, r)
	for _, n := range b.Body.Blocks {
		c.nested(b, n, r)
	}
	if !c.identifier(r.name, b.LabelRanges[1]) || !c.named("resource", r.typ+"."+r.name, r.rng) {
		return
	}
	c.mod.resources[r.typ+"."+r.name] = r
	c.mod.ordered = append(c.mod.ordered, ordered{resource: r})
}

func (c *collector) attributes(b *hclsyntax.Block, r *resourceBlock) {
	r.each = c.each(b)
	for _, a := range inSource(b.Body.Attributes) {
		attr, known := r.schema.Lookup(a.Name)
		switch {
		case a.Name == "on":
			r.on = newExpr(a, "on")
		case a.Name == "for_each" || a.Name == "count":
		case a.Name == "depends_on":
			r.dependsOn = c.addresses(a, true)
		case a.Name == "on_change":
			if !c.types.Refreshable(r.typ) {
				c.add(errorAt(a.NameRange, "Nothing to refresh", "on_change cannot stand in a resource of type %q, which has no refresh. It is for types that act again on what is right already, such as a service that restarts.", r.typ))
			}
			r.onChange = c.addresses(a, false)
		case a.Name == "rollout":
			c.add(errorAt(a.NameRange, "Argument not supported", "The rollout argument is part of the language and not supported by this version of kplan. Remove it."))
		case known && attr.Mode == schema.Computed:
			c.add(errorAt(a.NameRange, "Computed attribute", "%q of %s is set by the machine, never by the block. Remove the argument; its value can be referred to as %s.%s.%s.", a.Name, r.typ, r.typ, r.name, a.Name))
		case known:
			r.attrs[a.Name] = &attrExpr{newExpr(a, a.Name), attr}
		case slices.Contains(metaArgs, a.Name):
			r.meta[a.Name] = newExpr(a, a.Name)
		default:
			c.add(errorAt(a.NameRange, "Unknown argument", "A resource of type %q has no argument named %q.%s", r.typ, a.Name, suggest(a.Name, settable(r.schema))))
		}
	}
	if r.on == nil {
		c.add(errorAt(r.rng, "Missing argument", "The argument \"on\" is required in a resource: the host or hosts that it is for, such as on = hosts."))
	}
	for _, a := range r.schema.Attributes {
		if r.attrs[a.Name] == nil && (a.Mode == schema.Required || a.Mode == schema.ID && a.Default == cty.NilVal) {
			c.add(errorAt(r.rng, "Missing argument", "The argument %q is required in a resource of type %q.", a.Name, r.typ))
		}
	}
}

// settable is the names of the arguments that a resource may have.
func settable(s *schema.Schema) []string {
	names := slices.Clone(metaArgs)
	for _, a := range s.Attributes {
		if a.Mode != schema.Computed {
			names = append(names, a.Name)
		}
	}
	return names
}

func (c *collector) nested(b, n *hclsyntax.Block, r *resourceBlock) {
	switch n.Type {
	case "lifecycle":
		c.lifecycle(n, r)
	case "retry":
		if c.types.Once(r.typ) {
			c.add(errorAt(n.TypeRange, "Nothing to retry", "A resource of type %q is never repeated on a guess, so that it cannot have a retry block.", r.typ))
		}
		if r.retry != (hcl.Range{}) {
			c.duplicate(n.DefRange(), "The retry block of this resource", r.retry)
			return
		}
		c.body(n, []string{"attempts", "delay", "max_delay"}, nil)
		r.retry = n.DefRange()
		maps.Copy(r.meta, arguments(n, []string{"attempts", "delay", "max_delay"}))
	default:
		_, attr := r.schema.Lookup(n.Type)
		if attr || slices.Contains(metaArgs, n.Type) {
			c.add(errorAt(n.TypeRange, "Unexpected block", "%q is an argument here: write %s = { … }, with an equals sign.", n.Type, n.Type))
			return
		}
		c.add(errorAt(n.TypeRange, "Unknown block", "A resource has no block named %q.%s", n.Type,
			suggest(n.Type, append(settable(r.schema), "lifecycle", "retry"))))
	}
}

func (c *collector) lifecycle(b *hclsyntax.Block, r *resourceBlock) {
	c.body(b, []string{"prevent_destroy", "ignore_changes", "replace_triggered_by", "destroy"}, []string{"precondition", "postcondition"})
	attrs := b.Body.Attributes
	l := &r.lifecycle
	l.preventDestroy = c.flag(attrs["prevent_destroy"], l.preventDestroy)
	if a := attrs["destroy"]; a != nil {
		d := c.flag(a, true)
		l.destroy = &d
	}
	if a := attrs["replace_triggered_by"]; a != nil {
		r.triggers = c.addresses(a, false)
	}
	if a := attrs["ignore_changes"]; a != nil {
		l.ignore = c.ignored(a, r)
	}
	for _, n := range blocksOf(b, "precondition") {
		if k := c.condition(n); k != nil {
			l.pre = append(l.pre, k)
		}
	}
	for _, n := range blocksOf(b, "postcondition") {
		if k := c.condition(n); k != nil {
			l.post = append(l.post, k)
		}
	}
}

// ignored reads ignore_changes: a list of attribute names, or all.
func (c *collector) ignored(a *hclsyntax.Attribute, r *resourceBlock) []string {
	var names []string
	if hcl.ExprAsKeyword(a.Expr) == "all" {
		for _, attr := range r.schema.Attributes {
			if attr.Mode != schema.ID && attr.Mode != schema.Computed {
				names = append(names, attr.Name)
			}
		}
		return names
	}
	items, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		c.add(errorAt(a.Expr.Range(), "Invalid value", "ignore_changes is a list of attribute names, such as [mode, owner], or all."))
		return nil
	}
	for _, e := range items {
		name := hcl.ExprAsKeyword(e)
		if v, diags := e.Value(nil); name == "" && !diags.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			c.add(errorAt(e.Range(), "Quotes in ignore_changes", "Attributes are named without quotes: %s.", v.AsString()))
			continue
		}
		attr, ok := r.schema.Lookup(name)
		switch {
		case !ok:
			c.add(errorAt(e.Range(), "Unknown attribute", "ignore_changes names attributes of the type, and %q has none of this name.%s", r.typ, suggest(name, settable(r.schema))))
		case attr.Mode == schema.ID:
			c.add(errorAt(e.Range(), "Identity in ignore_changes", "%q is part of what identifies the object, and cannot be ignored.", name))
		default:
			names = append(names, name)
		}
	}
	return names
}
