package plans

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl/addr"
)

// Plan is what will be done: a Content whose invariants hold. Only New and
// Read make one; what its methods return is not to be changed.
type Plan struct {
	c       Content
	digest  string
	summary Summary
}

// InvariantError is a Content that is not a plan: a bug in who made it.
type InvariantError struct{ Msg string }

func (e *InvariantError) Error() string { return "not a plan: " + e.Msg }

func broken(format string, args ...any) error {
	return &InvariantError{Msg: fmt.Sprintf(format, args...)}
}

// encoded is the canonical bytes of the plan.
func (p *Plan) encoded() []byte {
	data, err := encodeContent(p.c)
	if err != nil {
		panic(err) // New has written it before
	}
	return data
}

// New checks a Content and makes a plan of it. Lists whose order carries no
// meaning are sorted; c itself is not changed. The invariants:
//
//   - steps and barriers count in one sequence from 1, and each waits only for
//     nodes before it;
//   - each change but NoOp has one step, of its address and action, and each
//     step has one change;
//   - no address, host or output stands twice, and the host of each step is
//     known;
//   - no sensitive attribute has a value;
//   - the parts of each change fit its action, and all values can be written.
//
// Any other Content is an *InvariantError.
func New(c Content) (*Plan, error) {
	c.Hosts = sorted(c.Hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	c.Changes = sorted(c.Changes, func(a, b Change) int { return addr.Compare(a.Addr, b.Addr) })
	c.Steps = sorted(c.Steps, func(a, b Step) int { return cmp.Compare(a.ID, b.ID) })
	c.Barriers = sorted(c.Barriers, func(a, b Barrier) int { return cmp.Compare(a.ID, b.ID) })
	c.Withheld = sorted(c.Withheld, func(a, b Withheld) int { return addr.Compare(a.Addr, b.Addr) })
	c.Drift = sorted(c.Drift, func(a, b Drift) int { return addr.Compare(a.Addr, b.Addr) })
	c.Outputs = sorted(c.Outputs, func(a, b Output) int { return strings.Compare(a.Name, b.Name) })
	p := &Plan{c: c}
	for _, check := range []func() error{p.checkNames, p.checkNodes, p.checkChanges, p.checkRest} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	sum := sha256.New()
	if err := writeContent(sum, c); err != nil {
		return nil, broken("%v", err)
	}
	p.digest = hex.EncodeToString(sum.Sum(nil))
	p.summary = summarize(c)
	return p, nil
}

func sorted[T any](s []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(s, compare) {
		return s
	}
	s = slices.Clone(s)
	slices.SortStableFunc(s, compare)
	return s
}

// Base is what the plan was made from.
func (p *Plan) Base() Base { return p.c.Base }

// Mode is what the plan was asked for.
func (p *Plan) Mode() Mode { return p.c.Mode }

// Hosts are the machines, by name.
func (p *Plan) Hosts() []Host { return p.c.Hosts }

// Changes are all objects of the plan, by address, those that stay as they
// are too.
func (p *Plan) Changes() []Change { return p.c.Changes }

// Steps are what apply does, by id.
func (p *Plan) Steps() []Step { return p.c.Steps }

// Barriers are the points where steps wait for others, by id.
func (p *Plan) Barriers() []Barrier { return p.c.Barriers }

// Withheld are the changes that could not be planned, by address.
func (p *Plan) Withheld() []Withheld { return p.c.Withheld }

// Drift is what changed behind kplan's back, by address.
func (p *Plan) Drift() []Drift { return p.c.Drift }

// Outputs are by name.
func (p *Plan) Outputs() []Output { return p.c.Outputs }

// Warnings are full sentences, in the order in which they came up.
func (p *Plan) Warnings() []string { return p.c.Warnings }

// Content is all of it.
func (p *Plan) Content() Content { return p.c }

// Digest is the sha256 of the canonical bytes of all that the plan says, in
// hexadecimal. As Base holds the digests of the sources, the variables and the
// state, it names the contents of a saved plan too.
func (p *Plan) Digest() string { return p.digest }

// Step returns the step with an id.
func (p *Plan) Step(id Node) (Step, bool) {
	i, ok := slices.BinarySearchFunc(p.c.Steps, id, func(s Step, id Node) int { return cmp.Compare(s.ID, id) })
	if !ok {
		return Step{}, false
	}
	return p.c.Steps[i], true
}

// Change returns the change of an object.
func (p *Plan) Change(a addr.Instance) (Change, bool) {
	i, ok := p.change(a)
	if !ok {
		return Change{}, false
	}
	return p.c.Changes[i], true
}

// change is the place of an object's change. Searching the sorted list takes
// no memory, which an index of a large plan would.
func (p *Plan) change(a addr.Instance) (int, bool) {
	return slices.BinarySearchFunc(p.c.Changes, a, func(c Change, a addr.Instance) int { return addr.Compare(c.Addr, a) })
}

// Host returns the machine with a name.
func (p *Plan) Host(name string) (Host, bool) {
	i, ok := slices.BinarySearchFunc(p.c.Hosts, name, func(h Host, name string) int { return strings.Compare(h.Name, name) })
	if !ok {
		return Host{}, false
	}
	return p.c.Hosts[i], true
}

// Empty reports whether there is nothing to do: no step, and no output that
// changes.
func (p *Plan) Empty() bool {
	return len(p.c.Steps) == 0 && !slices.ContainsFunc(p.c.Outputs, func(o Output) bool { return o.action() != NoOp })
}

// Summary counts a plan as Terraform does: a replacement is one to add and one
// to destroy. Steps with a condition are only counted as such.
type Summary struct {
	Add, Change, Destroy, Forget, Conditional int
}

// Summary counts the steps. A refresh is a change.
func (p *Plan) Summary() Summary { return p.summary }

func summarize(c Content) Summary {
	var s Summary
	for _, step := range c.Steps {
		if step.Condition != "" {
			s.Conditional++
			continue
		}
		switch step.Action {
		case Create:
			s.Add++
		case Update, Refresh:
			s.Change++
		case Replace:
			s.Add++
			s.Destroy++
		case Delete:
			s.Destroy++
		case Forget:
			s.Forget++
		case NoOp:
		}
	}
	return s
}
