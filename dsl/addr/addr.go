// Package addr holds the names of things in a spec: comparable values that
// print and parse both ways. It knows the syntax of addresses and nothing of
// what they name.
package addr

import (
	"strconv"
	"strings"
)

// Key tells the instances of a for_each (string) or count (number) apart. The
// zero Key is that of a block with neither.
type Key struct {
	kind byte // 0 none, 's' string, 'n' number
	str  string
	num  int
}

// StringKey is the key of a for_each instance.
func StringKey(s string) Key { return Key{kind: 's', str: s} }

// IntKey is the key of a count instance.
func IntKey(n int) Key { return Key{kind: 'n', num: n} }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.kind == 0 }

// Str returns the key of a for_each instance.
func (k Key) Str() (string, bool) { return k.str, k.kind == 's' }

// Int returns the key of a count instance.
func (k Key) Int() (int, bool) { return k.num, k.kind == 'n' }

// String prints the key as an index, such as ["a"] or [0]; nothing where there
// is none.
func (k Key) String() string {
	switch k.kind {
	case 's':
		return "[" + quote(k.str) + "]"
	case 'n':
		return "[" + strconv.Itoa(k.num) + "]"
	}
	return ""
}

// Module is an instance of a module, as a path from the root: "" is the root,
// `module.cluster`, `module.site["a"].module.base`.
type Module string

// Child is the instance of the module called name, with key, inside m.
func (m Module) Child(name string, key Key) Module {
	s := "module." + name + key.String()
	if m != "" {
		s = string(m) + "." + s
	}
	return Module(s)
}

// Resource is a resource block in a module instance.
type Resource struct {
	Module Module
	Type   string
	Name   string
}

func (r Resource) String() string {
	s := r.Type + "." + r.Name
	if r.Module != "" {
		s = string(r.Module) + "." + s
	}
	return s
}

// Instance is one desired thing on one host.
type Instance struct {
	Resource
	Key  Key
	Host string
}

// String prints the address, such as
// module.cluster.sysctl.bridge["net.ipv4.ip_forward"]@k8s-node1.
func (i Instance) String() string {
	return i.Resource.String() + i.Key.String() + "@" + i.Host
}

// Compare orders addresses: by host, module, type, name and key.
func Compare(a, b Instance) int {
	if c := strings.Compare(a.Host, b.Host); c != 0 {
		return c
	}
	return CompareOnHost(a, b)
}

// CompareOnHost orders addresses without regard to the host.
func CompareOnHost(a, b Instance) int {
	if c := strings.Compare(string(a.Module), string(b.Module)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Type, b.Type); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if a.Key.kind == 'n' && b.Key.kind == 'n' {
		return a.Key.num - b.Key.num
	}
	return strings.Compare(a.Key.String(), b.Key.String())
}

// quote writes s as an HCL string literal: as in Go, and with ${ and %{
// doubled so that no template begins in it.
func quote(s string) string {
	q := strconv.Quote(s)
	q = strings.ReplaceAll(q, "${", "$${")
	return strings.ReplaceAll(q, "%{", "%%{")
}
