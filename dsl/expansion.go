package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

// Expansion is all resource instances of a spec.
type Expansion struct {
	// Instances are in source order: by file and line of the block, then by
	// key, then in the order of the resource's on.
	Instances []*Instance
	// Resources are the resource blocks of all module instances, also those
	// that have no instance.
	Resources []addr.Resource
	// Removed are the blocks of this name.
	Removed []Removed

	byAddr map[addr.Instance]*Instance
}

// Lookup finds an instance by its address.
func (e *Expansion) Lookup(a addr.Instance) (*Instance, bool) {
	i, ok := e.byAddr[a]
	return i, ok
}

// Instance is one desired thing on one host. It shares its slices with other
// instances: they are not to be changed.
type Instance struct {
	Addr  addr.Instance
	Block *Resource
	// Needs is everything that the instance waits for: what its expressions
	// refer to, depends_on, on_change and the depends_on of its modules; each
	// once.
	Needs []Need
	// OnChange is what a change of plans a refresh of this instance, also where
	// nothing of it is left to wait for: a removal is a change.
	OnChange []Need
	// Triggers is what a change of replaces this instance.
	Triggers []Need

	group *group
	host  int32
}

// Need is what an instance waits for: instances of a resource.
type Need struct {
	Resource addr.Resource
	Key      *addr.Key // nil: all keys
	Host     string    // "": on all hosts
	Range    hcl.Range // of the reference
}

// FactUse is a fact that an expression uses.
type FactUse struct {
	Host string // "": of any host
	Name string // "": all of them
}

// Evaluate is the object that the instance asks for, of its type's schema. A
// null attribute is not managed, a computed one is unknown, and so is one whose
// expression uses what sc does not know. Sensitive values are marked. With
// errors the value is not usable.
//
// It may be called by several goroutines at once.
func (i *Instance) Evaluate(sc Scope) (cty.Value, hcl.Diagnostics) { return i.evaluate(sc) }
