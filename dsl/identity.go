package dsl

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl/schema"
)

// checkIdentity refuses identities that are made of what only a run can show:
// computed attributes of other resources. Facts, and attributes that other
// resources set, are known in a plan.
func (s *Spec) checkIdentity(n *node, b *resourceBlock) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range b.schema.Attributes {
		e := b.attrs[a.Name]
		if e == nil || a.Mode != schema.ID {
			continue
		}
		for _, r := range e.refs {
			if chain := s.computed(n, r, map[valueID]bool{}); chain != "" {
				diags = append(diags, errorAt(r.rng, "Identity known after apply",
					"The argument %q identifies the object, and what identifies an object is known in the plan. It may use facts, but not what another step computes: %s%s.", a.Name, a.Name, chain))
			}
		}
	}
	return diags
}

// computed is the chain from a reference in node n to a computed attribute, or
// nothing. seen is the values looked at before.
func (s *Spec) computed(n *node, r ref, seen map[valueID]bool) string {
	if r.kind == refResource || r.kind == refAll {
		typ, _, _ := strings.Cut(r.name, ".")
		sch, ok := s.options.Types.Schema(typ)
		if !ok {
			return ""
		}
		if a, ok := sch.Lookup(r.of); ok && a.Mode == schema.Computed {
			return " ← " + r.String() + "." + r.of
		}
		return ""
	}
	for _, e := range s.edges(n, r) {
		if seen[e.to] || s.dynamic(e.to) == nil {
			continue
		}
		seen[e.to] = true
		from, exprs := s.within(e.to)
		for _, x := range exprs {
			for _, r := range x.refs {
				if chain := s.computed(from, r, seen); chain != "" {
					return " ← " + e.to.short() + chain
				}
			}
		}
	}
	return ""
}
