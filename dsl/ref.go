package dsl

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

// refKind is what a reference is to.
type refKind byte

const (
	refVar refKind = iota
	refLocal
	refModule
	refHosts    // hosts
	refHost     // host.name, or host as a whole
	refRole     // role.name, or role as a whole
	refEachHost // each.host
	refOwnFacts // each.host.facts
	refFacts    // facts["host"], or facts as a whole
	refEach     // each.key and each.value
	refCount
	refResource // type.name
	refAll      // all.type.name
	refSelf
	refPath
	refKplan
)

// ref is a reference: a traversal in an expression, taken apart.
type ref struct {
	kind refKind
	name string // of the variable, local value, module, host or role; key or value of each; type.name of a resource
	attr string // that follows: the output, the fact, the attribute of a resource's object; "" where none does, or not by name
	host string // literal index of all.type.name or facts
	key  *addr.Key
	path []string // of a local value: the members that follow, as far as they are literal
	of   string   // attribute of the resource's object that is asked for; "" where that is not literal
	rng  hcl.Range
}

// String is how messages write the reference.
func (r ref) String() string {
	switch r.kind {
	case refVar:
		return "var." + r.name
	case refLocal:
		return "local." + r.name
	case refModule:
		if r.attr != "" {
			return "module." + r.name + "." + r.attr
		}
		return "module." + r.name
	case refHosts:
		return "hosts"
	case refHost:
		return "host." + r.name
	case refRole:
		return "role." + r.name
	case refEachHost:
		return "each.host"
	case refOwnFacts:
		return dotted("each.host.facts", r.attr)
	case refFacts:
		if r.host != "" {
			return dotted("facts["+strconv.Quote(r.host)+"]", r.attr)
		}
		return "facts"
	case refEach:
		return "each." + r.name
	case refCount:
		return "count.index"
	case refAll:
		return "all." + r.name
	case refSelf:
		return "self"
	case refPath:
		return "path"
	case refKplan:
		return "kplan"
	}
	return r.name
}

func dotted(s, name string) string {
	if name == "" {
		return s
	}
	return s + "." + name
}

// reserved is the root names that are no resource types, and what they are.
var reserved = map[string]string{
	"host": "names a host", "hosts": "names all hosts", "role": "names the hosts of a role",
	"facts": "names what was read of hosts", "all": "begins a reference to other hosts", "each": "is the instance's own key and host",
	"count": "is the instance's own number", "var": "names a variable", "local": "names a local value",
	"module": "names a module", "path": "names directories", "kplan": "is kplan itself",
	"rollout": "names a rollout", "self": "is the object of a postcondition", "check": "names a check",
}

// parseRef takes a traversal apart. Whether there is what it names is checked
// later, when all is known that may be named.
func parseRef(t hcl.Traversal) (ref, *hcl.Diagnostic) {
	r := ref{rng: t.SourceRange()}
	bad := func(detail string, args ...any) (ref, *hcl.Diagnostic) {
		return r, errorAt(r.rng, "Invalid reference", detail, args...)
	}
	root := t.RootName()
	switch root {
	case "var", "local":
		r.kind = refVar
		if root == "local" {
			r.kind, r.path = refLocal, steps(t, 2)
		}
		if r.name = step(t, 1); r.name == "" {
			return bad("%q must be followed by a name, as in %s.name.", root, root)
		}
	case "module":
		r.kind, r.name = refModule, step(t, 1)
		if r.name == "" {
			return bad("\"module\" must be followed by a name, as in module.name.")
		}
		rest := 2
		if r.key = literalKey(t, rest); r.key != nil {
			rest++
		}
		r.attr = step(t, rest)
	case "hosts":
		r.kind = refHosts
	case "host":
		r.kind, r.name = refHost, step(t, 1)
	case "role":
		r.kind, r.name = refRole, step(t, 1)
	case "facts":
		r.kind, r.host, r.attr = refFacts, step(t, 1), step(t, 2)
	case "each":
		switch s := step(t, 1); s {
		case "key", "value":
			r.kind, r.name = refEach, s
		case "host":
			r.kind = refEachHost
		case eachHostFacts:
			r.kind, r.attr = refOwnFacts, step(t, 2)
		default:
			return bad("\"each\" must be followed by key, value or host.")
		}
	case "count":
		r.kind = refCount
		if step(t, 1) != "index" {
			return bad("\"count\" must be followed by index, as in count.index.")
		}
	case "self":
		r.kind, r.attr = refSelf, step(t, 1)
	case "path":
		r.kind, r.name = refPath, step(t, 1)
		if r.name != "module" && r.name != "root" {
			return bad("\"path\" must be followed by module or root.")
		}
	case "kplan":
		r.kind, r.name = refKplan, step(t, 1)
		if r.name != "version" {
			return bad("\"kplan\" must be followed by version, as in kplan.version.")
		}
	case "rollout", "check":
		return bad("%q cannot be referred to here.", root)
	case "all":
		r.kind = refAll
		typ, name := step(t, 1), step(t, 2)
		if typ == "" || name == "" {
			return bad("\"all\" must be followed by a resource type and a name, as in all.file.hosts.")
		}
		r.name, r.host = typ+"."+name, step(t, 3)
		if r.host != "" {
			r.of = step(t, 4)
			if r.key = literalKey(t, 4); r.key != nil {
				r.of = step(t, 5)
			}
		}
	default:
		r.kind = refResource
		name := ""
		if len(t) > 1 {
			if a, ok := t[1].(hcl.TraverseAttr); ok {
				name = a.Name
			}
		}
		r.name = root + "." + name
		if name == "" {
			r.name = root // checked later: it may be a mistaken name
			return r, nil
		}
		r.key = literalKey(t, 2)
		if len(t) > 2 {
			if a, ok := t[2].(hcl.TraverseAttr); ok {
				r.attr, r.key = a.Name, nil
			}
		}
		r.of = or(r.attr, step(t, 3))
	}
	return r, nil
}

// literalKey is the key in the i-th step of a traversal, nil where there is no
// literal one.
func literalKey(t hcl.Traversal, i int) *addr.Key {
	if i >= len(t) {
		return nil
	}
	s, ok := t[i].(hcl.TraverseIndex)
	if !ok || s.Key.IsNull() || !s.Key.IsKnown() {
		return nil
	}
	switch s.Key.Type() {
	case cty.String:
		k := addr.StringKey(s.Key.AsString())
		return &k
	case cty.Number:
		if f := s.Key.AsBigFloat(); f.IsInt() {
			n, _ := f.Int64()
			k := addr.IntKey(int(n))
			return &k
		}
	}
	return nil
}
