package dsl

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl/addr"
)

// Resource is a resource block in one instance of its module. All instances of
// the block there share it.
type Resource struct {
	Addr      addr.Resource
	DeclRange hcl.Range // header of the block

	Lifecycle  Lifecycle
	Timeout    time.Duration // 0 where not said
	Retry      *Retry        // nil where not said
	Semaphores []Semaphore
	BecomeUser string // "" where not said

	block *resourceBlock
	mod   *instance
}

// Lifecycle is the rules of a resource's steps.
type Lifecycle struct {
	PreventDestroy bool
	IgnoreChanges  []string // names of attributes
	Destroy        *bool    // nil where not said
	Preconditions  int      // how many there are
	Postconditions int
}

// Retry says how often a failed step is tried again.
type Retry struct {
	Attempts int // in all; at least 1
	Delay    time.Duration
	MaxDelay time.Duration // 0 where not said
	Range    hcl.Range
}

// Semaphore is admitted to by at most N steps at once.
type Semaphore struct {
	Name string
	N    int
}

// AttrRange is the range of the argument called name, and that of the block's
// header where the block does not set it.
func (r *Resource) AttrRange(name string) hcl.Range {
	if a, ok := r.block.attrs[name]; ok {
		return a.rng
	}
	return r.DeclRange
}

// defaultDelay is the time before the second attempt.
const defaultDelay = 5 * time.Second
