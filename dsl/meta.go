package dsl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// maxAttempts bounds how often a step is tried.
const maxAttempts = 100

// meta evaluates the meta-arguments of a resource that are the same for all its
// instances.
func (s *Spec) meta(r *Resource) hcl.Diagnostics {
	b := r.block
	if len(b.meta) == 0 {
		return nil
	}
	a := &blockArgs{spec: s, frame: r.mod.frame(nil), args: b.meta}
	r.Timeout = a.duration("timeout", 0)
	r.BecomeUser = a.text("become_user")
	r.Semaphores = a.semaphores()
	if b.retry != (hcl.Range{}) {
		r.Retry = &Retry{
			Attempts: a.whole("attempts", 1, maxAttempts, 3), Delay: a.duration("delay", defaultDelay),
			MaxDelay: a.duration("max_delay", 0), Range: b.retry,
		}
	}
	return a.diags
}

// semaphores reads semaphore = ["name:n"].
func (a *blockArgs) semaphores() []Semaphore {
	e := a.args["semaphore"]
	if e == nil {
		return nil
	}
	if v := a.value("semaphore", cty.DynamicPseudoType, false); !v.IsNull() && v.Type() == cty.String {
		a.add(errorAt(e.rng, "Invalid value", "semaphore is a list, such as [\"registry:2\"]."))
		return nil
	}
	var all []Semaphore
	for _, t := range a.texts("semaphore") {
		name, n, found := strings.Cut(t, ":")
		count, err := strconv.Atoi(n)
		if !found {
			count, err = 1, nil
		}
		if name == "" || err != nil || count < 1 {
			a.add(errorAt(e.rng, "Invalid semaphore", "A semaphore is a name and how many steps it admits at once, such as \"registry:2\", and %q is not.", t))
			continue
		}
		if slices.ContainsFunc(all, func(s Semaphore) bool { return s.Name == name }) {
			a.add(errorAt(e.rng, "Duplicate semaphore", "The semaphore %q stands here twice.", name))
			continue
		}
		all = append(all, Semaphore{name, count})
	}
	return all
}
