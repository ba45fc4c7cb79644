package dsl

import (
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

// instance is a module at one place and with one key: what its names stand for.
type instance struct {
	spec   *Spec
	node   *node
	parent *instance
	addr   addr.Module
	each   *repetition           // of the call
	res    map[string]*resources // by type.name, once expanded
	waits  []Need                // depends_on of the calls above

	mu    sync.Mutex
	cells map[valueID]*cell
	calls map[string]*called
}

// called is the instances of a call, made once.
type called struct {
	once      sync.Once
	instances []*instance
	diags     hcl.Diagnostics
}

// cell is a static value, evaluated once.
type cell struct {
	once  sync.Once
	value cty.Value
	diags hcl.Diagnostics
}

func newInstance(s *Spec, n *node, parent *instance, key addr.Key, name string, each *repetition) *instance {
	mi := &instance{spec: s, node: n, parent: parent, each: each, res: map[string]*resources{}, cells: map[valueID]*cell{}, calls: map[string]*called{}}
	if parent != nil {
		mi.addr = parent.addr.Child(name, key)
	}
	return mi
}
