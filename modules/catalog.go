package modules

import (
	"slices"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/resource"
)

// Catalog finds resource types by name. It is what a spec may name (dsl.Types)
// and what the engine acts with.
type Catalog struct {
	types map[string]*resource.Type
	names []string
}

// NewCatalog makes a catalog of types.
func NewCatalog(types ...*resource.Type) *Catalog {
	c := &Catalog{types: make(map[string]*resource.Type, len(types))}
	for _, t := range types {
		c.types[t.Name] = t
		c.names = append(c.names, t.Name)
	}
	slices.Sort(c.names)
	return c
}

// Type finds a resource type by name.
func (c *Catalog) Type(name string) (*resource.Type, bool) {
	t, ok := c.types[name]
	return t, ok
}

// Schema is the schema of the type called name.
func (c *Catalog) Schema(name string) (*schema.Schema, bool) {
	t, ok := c.types[name]
	if !ok {
		return nil, false
	}
	return t.Schema, true
}

// Names are the names of all types, sorted.
func (c *Catalog) Names() []string { return c.names }

// Refreshable reports whether objects of the type can be refreshed.
func (c *Catalog) Refreshable(name string) bool {
	t, ok := c.types[name]
	return ok && t.RefreshWord() != ""
}

// Once reports whether the type's act is never repeated on a guess.
func (c *Catalog) Once(name string) bool {
	t, ok := c.types[name]
	return ok && t.Once
}
