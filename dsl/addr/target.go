package addr

import "strings"

// Target is what --target and --exclude name: an address, or the beginning of
// one. The zero Target matches nothing.
type Target struct {
	module   Module // "" where resource is in the root
	resource Resource
	key      Key
	host     string
	kind     byte // 'i' instance, 'm' module, 'h' host
}

// ParseTarget reads one of
//
//	TYPE.NAME  TYPE.NAME[KEY]  TYPE.NAME[KEY]@HOST  TYPE.NAME@HOST
//	module.NAME  module.NAME[KEY]  and any of the above behind it
//	host.NAME  host["NAME"]
//
// What is left out matches everything: module.NAME all its instances and the
// modules inside, TYPE.NAME every key and host.
func ParseTarget(s string) (Target, error) {
	p := parser{text: s}
	if p.has("host.") {
		t := Target{kind: 'h', host: p.host()}
		return t, p.end()
	}
	if strings.HasPrefix(s, `host["`) {
		p.has("host")
		name, _ := p.key().Str()
		if name == "" {
			p.fail("the name of a host is missing")
		}
		t := Target{kind: 'h', host: name}
		return t, p.end()
	}
	m := p.module()
	if rest := s[p.pos:]; m != "" && !strings.HasSuffix(s, ".") && (rest == "" || rest[0] == '@') {
		t := Target{kind: 'm', module: m}
		if p.has("@") {
			t.host = p.host()
		}
		return t, p.end()
	}
	t := Target{kind: 'i'}
	t.resource = p.resource()
	t.resource.Module = m
	t.key = p.key()
	if p.has("@") {
		t.host = p.host()
	}
	return t, p.end()
}

// Matches reports whether the target covers i.
func (t Target) Matches(i Instance) bool {
	if t.host != "" && t.host != i.Host {
		return false
	}
	switch t.kind {
	case 'h':
		return true
	case 'm':
		return within(t.module, i.Module)
	case 'i':
		return t.resource.Type == i.Type && t.resource.Name == i.Name &&
			(t.key.IsZero() || t.key == i.Key) && sameModule(t.resource.Module, i.Module)
	}
	return false
}

// String prints the target as it is written.
func (t Target) String() string {
	s := ""
	switch t.kind {
	case 'h':
		return "host." + t.host
	case 'm':
		s = string(t.module)
	case 'i':
		s = t.resource.String() + t.key.String()
	}
	if t.host != "" {
		s += "@" + t.host
	}
	return s
}

// call is one step of a module path.
type call struct {
	name string
	key  Key
}

func calls(m Module) []call {
	p := parser{text: string(m)}
	var out []call
	for p.has("module.") {
		out = append(out, call{p.name(), p.key()})
		p.has(".")
	}
	return out
}

// within reports whether m is the module of the path want or inside it, where
// a step of want without a key stands for all its instances.
func within(want, m Module) bool {
	if want == m {
		return true
	}
	w, c := calls(want), calls(m)
	if len(w) > len(c) {
		return false
	}
	for i := range w {
		if w[i].name != c[i].name || (!w[i].key.IsZero() && w[i].key != c[i].key) {
			return false
		}
	}
	return true
}

func sameModule(want, m Module) bool {
	return want == m || (within(want, m) && len(calls(want)) == len(calls(m)))
}
