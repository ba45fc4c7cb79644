package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kplan/kplan/dsl/addr"
)

// Place is what removed names: a resource or one key of it on all
// hosts, a module with all that is in it (no Type), or a host (no Type and no
// Module).
type Place struct {
	Module addr.Module
	Type   string
	Name   string
	Key    *addr.Key // nil: all keys
	Host   string
}

// String is the address of the place.
func (p Place) String() string {
	switch {
	case p.Host != "":
		return "host." + p.Host
	case p.Type == "":
		return string(p.Module)
	}
	s := addr.Resource{Module: p.Module, Type: p.Type, Name: p.Name}.String()
	if p.Key != nil {
		s += p.Key.String()
	}
	return s
}

// Removed says that what is at From is not the spec's any more.
type Removed struct {
	From    Place
	Destroy bool // false: it is forgotten, and stays as it is
	Range   hcl.Range
}

type removedBlock struct{ Removed }

func (c *collector) removed(b *hclsyntax.Block) {
	c.body(b, []string{"from"}, []string{"lifecycle"})
	from, ok := c.placeOf(c.required(b, "from"))
	r := Removed{From: from, Destroy: true, Range: b.DefRange()}
	if from.Host != "" {
		r.Destroy = false // an unreachable host is let go
	}
	for _, n := range blocksOf(b, "lifecycle") {
		c.body(n, []string{"destroy"}, nil)
		r.Destroy = c.flag(n.Body.Attributes["destroy"], r.Destroy)
	}
	if ok {
		c.mod.removed = append(c.mod.removed, &removedBlock{r})
	}
}

// placeOf reads an address such as module.a["k"].file.x["y"] or host.n.
func (c *collector) placeOf(a *hclsyntax.Attribute) (Place, bool) {
	if a == nil {
		return Place{}, false
	}
	bad := func() (Place, bool) {
		c.add(errorAt(a.Expr.Range(), "Invalid address", "The argument %q is an address such as file.motd, file.motd[\"key\"], module.base.file.motd, module.base or host.web1.", a.Name))
		return Place{}, false
	}
	t, diags := hcl.AbsTraversalForExpr(a.Expr)
	if diags.HasErrors() {
		return bad()
	}
	if t.RootName() == "host" {
		p := Place{Host: step(t, 1)}
		if p.Host == "" || len(t) != 2 {
			return bad()
		}
		return p, true
	}
	var p Place
	i := 0
	for i < len(t) && (i == 0 && t.RootName() == "module" || i > 0 && step(t, i) == "module") {
		name := step(t, i+1)
		if name == "" {
			return bad()
		}
		i += 2
		var key addr.Key
		if k := literalKey(t, i); k != nil {
			key = *k
			i++
		}
		p.Module = p.Module.Child(name, key)
	}
	if i == len(t) {
		return p, p.Module != ""
	}
	p.Type, p.Name = step(t, i), step(t, i+1)
	if i == 0 {
		p.Type = t.RootName()
	}
	p.Key = literalKey(t, i+2)
	if p.Name == "" || reserved[p.Type] != "" || len(t) > i+3 || len(t) == i+3 && p.Key == nil {
		return bad()
	}
	if _, known := c.types.Schema(p.Type); !known {
		c.add(errorAt(a.Expr.Range(), "Unknown resource type", "There is no resource type %q.%s `kplan explain` lists the types.", p.Type, suggest(p.Type, c.types.Names())))
		return Place{}, false
	}
	return p, true
}

// addresses reads a literal list of addresses: depends_on and its like. Whether
// there is what they name is checked later.
func (c *collector) addresses(a *hclsyntax.Attribute, modules bool) []ref {
	shape := "type.name, type.name[\"key\"] and all.type.name"
	if modules {
		shape = "type.name, type.name[\"key\"], all.type.name and module.name"
	}
	items, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		c.add(errorAt(a.Expr.Range(), "Invalid value", "The argument %q is a literal list of addresses: %s.", a.Name, shape))
		return nil
	}
	var refs []ref
	for _, e := range items {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			c.add(errorAt(e.Range(), "Invalid address", "The argument %q is a literal list of addresses: %s.", a.Name, shape))
			continue
		}
		r, d := parseRef(t)
		if d == nil && (r.attr != "" || r.kind != refResource && r.kind != refAll && (r.kind != refModule || !modules)) {
			d = errorAt(e.Range(), "Invalid address", "The argument %q is a literal list of addresses: %s.", a.Name, shape)
		}
		if d != nil {
			c.add(d)
			continue
		}
		refs = append(refs, r)
	}
	return refs
}
