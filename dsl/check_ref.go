package dsl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl/internal/functions"
)

// resolve finds the references of all expressions and checks that there is
// what they name.
func (s *Spec) resolve() hcl.Diagnostics {
	var diags hcl.Diagnostics
	done := map[*module]bool{}
	for _, n := range s.nodes() {
		if !done[n.mod] {
			done[n.mod] = true
			r := &resolver{spec: s, node: n}
			r.module()
			diags = append(diags, r.diags...)
		}
		diags = append(diags, s.checkArguments(n)...)
	}
	return diags
}

// checkArguments checks the arguments of the calls in n against the variables
// of what they call.
func (s *Spec) checkArguments(n *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		vars := child.mod.variables
		for _, arg := range slices.Sorted(maps.Keys(child.call.args)) {
			if vars[arg] == nil {
				diags = append(diags, errorAt(child.call.args[arg].rng, "Unknown argument", "The module %q has no variable named %q.%s",
					child.call.source, arg, suggest(arg, slices.Collect(maps.Keys(vars)))))
				continue
			}
			diags = append(diags, vars[arg].strangers(child.call.args[arg].Expression, "")...)
		}
		for _, v := range slices.Sorted(maps.Keys(vars)) {
			if vars[v].def == nil && child.call.args[v] == nil {
				diags = append(diags, errorAt(child.call.rng, "Missing argument", "The argument %q is required in a call of the module %q: its variable has no default.", v, child.call.source))
			}
		}
	}
	return diags
}

// resolver works through the expressions of one module.
type resolver struct {
	spec  *Spec
	node  *node // one of those that share the module
	diags hcl.Diagnostics
}

func (r *resolver) add(d ...*hcl.Diagnostic) { r.diags = append(r.diags, d...) }

// visit resolves an expression that stands at p; nil is none.
func (r *resolver) visit(e *expr, p place) {
	if e == nil {
		return
	}
	calls(e.Expression, func(name string, rng hcl.Range) { r.function(name, rng) })
	indexed := indexedFacts(e.Expression)
	for _, t := range e.Variables() {
		x, d := parseRef(t)
		if d == nil && x.kind == refFacts && x.host == "" {
			x.attr = indexed[x.rng]
		}
		if d == nil {
			d = r.check(&x, p)
		}
		if d != nil {
			r.add(d)
			continue
		}
		e.refs = append(e.refs, x)
	}
}

// function refuses a function that there is not.
func (r *resolver) function(name string, rng hcl.Range) {
	if _, ok := r.node.mod.table[name]; ok {
		return
	}
	if why, ok := functions.Unavailable(name); ok {
		r.add(errorAt(rng, "Function not available", "The function %q is not available: %s.", name, why))
		return
	}
	r.add(errorAt(rng, "Unknown function", "There is no function named %q.%s", name, suggest(name, functions.Names())))
}

func (r *resolver) module() {
	m := r.node.mod
	p := place(0)
	if m.root {
		p = hasHosts
	}
	for _, v := range m.variables {
		r.visit(v.def, noReference)
		if v.def != nil {
			r.add(v.strangers(v.def.Expression, "")...)
		}
		for _, c := range v.validations {
			r.visit(c.cond, p)
			r.visit(c.message, p)
		}
	}
	for _, l := range m.locals {
		r.visit(l.expr, p)
	}
	for _, o := range m.outputs {
		r.visit(o.value, p)
		r.addresses(o.dependsOn)
	}
	for _, k := range m.checks {
		for _, c := range k.asserts {
			r.visit(c.cond, p)
			r.visit(c.message, p)
		}
	}
	for _, c := range m.calls {
		r.visit(c.each.expr(), p)
		for _, a := range c.args {
			r.visit(a, p|c.each.place())
		}
		r.addresses(c.dependsOn)
		for _, d := range c.dependsOn {
			if d.kind == refModule && d.name == c.name {
				r.add(errorAt(d.rng, "Module depends on itself", "module.%s cannot wait for itself. Remove it from depends_on.", c.name))
			}
		}
	}
	for _, res := range m.resources {
		r.resource(res, p)
	}
	for _, h := range m.hosts {
		r.visit(h.forEach, p)
		e := place(0)
		if h.forEach != nil {
			e = hasKey
		}
		for _, a := range h.args {
			r.visit(a, p|e)
		}
		r.connection(h.connection, p|e)
	}
	r.connection(m.connection, p)
}

func (r *resolver) connection(c *connectionBlock, p place) {
	if c == nil {
		return
	}
	for _, a := range c.args {
		r.visit(a, p)
	}
	r.connection(c.bootstrap, p)
}

func (r *resolver) resource(res *resourceBlock, p place) {
	own := p | res.each.place() | hasHost
	r.visit(res.each.expr(), p)
	r.visit(res.on, own|ofResource)
	for _, a := range res.attrs {
		r.visit(a.expr, own|ofResource)
	}
	for _, m := range res.meta {
		r.visit(m, p)
	}
	for _, c := range res.lifecycle.pre {
		r.visit(c.cond, own|ofResource)
		r.visit(c.message, own|ofResource)
	}
	for _, c := range res.lifecycle.post {
		r.visit(c.cond, own|ofResource|hasSelf)
		r.visit(c.message, own|ofResource|hasSelf)
	}
	r.addresses(res.dependsOn)
	r.addresses(res.onChange)
	r.addresses(res.triggers)
}

func (r *resolver) addresses(refs []ref) {
	for i := range refs {
		if d := r.check(&refs[i], ofResource); d != nil {
			r.add(d)
		}
	}
}

// check says why a reference cannot stand at p.
func (r *resolver) check(x *ref, p place) *hcl.Diagnostic {
	m := r.node.mod
	if p&noReference != 0 {
		return errorAt(x.rng, "Reference in a constant", "A default is a constant: %s cannot be referred to here.", x)
	}
	missing := func(what, name string, names []string) *hcl.Diagnostic {
		return errorAt(x.rng, "Unknown reference", "There is no %s named %q%s.%s", what, name, r.here(), suggest(name, names))
	}
	switch x.kind {
	case refVar:
		if m.variables[x.name] == nil {
			return missing("variable", x.name, slices.Collect(maps.Keys(m.variables)))
		}
	case refLocal:
		if m.locals[x.name] == nil {
			return missing("local value", x.name, slices.Collect(maps.Keys(m.locals)))
		}
	case refModule:
		return r.call(x, missing)
	case refHosts, refHost, refRole:
		if p&hasHosts == 0 && !m.root {
			return errorAt(x.rng, "Hosts in a module", "The hosts of the spec are not visible in a module. Hand them in as an argument: variable \"nodes\" { type = list(host) }, and var.nodes here.")
		}
	case refEachHost, refOwnFacts:
		if p&hasHost == 0 {
			return errorAt(x.rng, "No host here", "each.host exists in resources only, which are on a host each.")
		}
		return r.fact(x)
	case refFacts:
		return r.fact(x)
	case refEach:
		if p&hasKey == 0 {
			return errorAt(x.rng, "No key here", "each.%s exists only in a block with for_each.", x.name)
		}
	case refCount:
		if p&hasCount == 0 {
			return errorAt(x.rng, "No count here", "count.index exists only in a block with count.")
		}
	case refSelf:
		if p&hasSelf == 0 {
			return errorAt(x.rng, "No object here", "self exists only in a postcondition, where it is the object itself.")
		}
	case refPath:
		if x.name == "root" && !m.root {
			return errorAt(x.rng, "Path outside the module", "path.root is not visible in a module, whose functions read files of its own directory only.")
		}
	case refResource, refAll:
		return r.object(x)
	}
	return nil
}

// here says where names are looked for, where that is not plain.
func (r *resolver) here() string {
	if r.node.mod.root {
		return ""
	}
	return fmt.Sprintf(" in the module %q", r.node.call.source)
}

// fact refuses a name that no fact has.
func (r *resolver) fact(x *ref) *hcl.Diagnostic {
	known := r.spec.options.Facts
	if x.attr == "" || known == nil || x.kind == refEachHost || slices.Contains(known, x.attr) {
		return nil
	}
	return errorAt(x.rng, "Unknown fact", "There is no fact named %q.%s", x.attr, suggest(x.attr, known))
}
