package dsl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl/addr"
)

func (r *resolver) call(x *ref, missing func(string, string, []string) *hcl.Diagnostic) *hcl.Diagnostic {
	m := r.node.mod
	c := m.calls[x.name]
	if c == nil {
		return missing("module", x.name, slices.Collect(maps.Keys(m.calls)))
	}
	child := r.node.children[x.name]
	if child == nil {
		return nil // an error elsewhere
	}
	if c.each.expr() == nil && x.key != nil {
		s, _ := x.key.Str()
		x.attr, x.key = s, nil
	}
	if c.each.expr() != nil && x.key == nil && x.attr != "" {
		return errorAt(x.rng, "Missing key", "module.%s has for_each or count, so that it is many. Write module.%s[…].%s with the key of one.", x.name, x.name, x.attr)
	}
	if x.attr != "" && child.mod.outputs[x.attr] == nil {
		return errorAt(x.rng, "Unknown reference", "The module %q has no output named %q.%s", c.source, x.attr,
			suggest(x.attr, slices.Collect(maps.Keys(child.mod.outputs))))
	}
	return nil
}

// object checks a reference to a resource.
func (r *resolver) object(x *ref) *hcl.Diagnostic {
	m := r.node.mod
	typ, name, found := strings.Cut(x.name, ".")
	schema, known := r.spec.options.Types.Schema(typ)
	if !known {
		names := append(r.spec.options.Types.Names(), slices.Collect(maps.Keys(reserved))...)
		return errorAt(x.rng, "Unknown reference", "There is nothing named %q: no resource type, and no name of the language.%s", typ, suggest(typ, names))
	}
	if !found {
		return errorAt(x.rng, "Invalid reference", "%q is a resource type. Write %s.name to refer to a resource.", typ, typ)
	}
	res := m.resources[x.name]
	if res == nil {
		var names []string
		for _, other := range m.resources {
			if other.typ == typ {
				names = append(names, other.name)
			}
		}
		return errorAt(x.rng, "Unknown reference", "There is no resource %s%s.%s", x.name, r.here(), suggest(name, names))
	}
	if res.each.expr() == nil && x.key != nil {
		s, ok := x.key.Str()
		if _, attr := schema.Lookup(s); !ok || !attr && x.kind == refResource {
			return errorAt(x.rng, "Unexpected key", "%s has neither for_each nor count, so that it has no keys. Write %s.", x, x)
		}
		x.attr, x.key = s, nil
	}
	if x.kind == refResource && x.attr != "" {
		if res.each.expr() != nil {
			return errorAt(x.rng, "Missing key", "%s has for_each or count, so that it is many. Write %s[…].%s with the key of one.", x, x, x.attr)
		}
		if _, ok := schema.Lookup(x.attr); !ok {
			var names []string
			for _, a := range schema.Attributes {
				names = append(names, a.Name)
			}
			return errorAt(x.rng, "Unknown attribute", "A resource of type %q has no attribute named %q.%s", typ, x.attr, suggest(x.attr, names))
		}
	}
	if res.each.count != nil && x.key != nil {
		if _, ok := x.key.Int(); !ok {
			return errorAt(x.rng, "Unexpected key", "%s has count, so that its keys are numbers: write %s[0].", x, x)
		}
	}
	if res.each.forEach != nil && x.key != nil {
		if n, ok := x.key.Int(); ok { // as HCL converts an index of a map
			k := addr.StringKey(fmt.Sprint(n))
			x.key = &k
		}
	}
	return nil
}
