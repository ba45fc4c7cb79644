// Package guard stands between a spec and hcl. It parses only what cannot harm
// the parser, and it gives evaluation a budget that hcl itself does not have.
//
// It knows the shape of source text and the size of values. It knows no block,
// no function and no address, and it reads no clock: the same spec meets the
// same limit on every machine.
package guard

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// The limits of one load. Grant adds to the last three.
const (
	MaxSource   = 4 << 20    // bytes of one file
	MaxLine     = 1 << 20    // bytes of one line, except in a template
	MaxTokens   = 250_000    // tokens of one file
	MaxDepth    = 200        // levels of nesting, in source
	MaxChain    = 1_000      // operators, indexes and attribute steps one inside the other
	MaxLevels   = 1_000      // levels of nesting, in a value
	MaxElements = 1_000_000  // elements of one value, and elements made by all loops and functions
	MaxBytes    = 64 << 20   // bytes of strings in one value, and built by all templates and functions
	MaxSteps    = 10_000_000 // of some 250 ns: expressions evaluated in loops, values walked

	maxErrors   = 10_000 // errors inside loops, of which every iteration can give one
	maxExponent = 4096   // of a number, in bits; ten times that of a 64-bit float
)

// What one resource instance adds to the limits.
const (
	grantElements = 1_000
	grantBytes    = 16 << 10
	grantSteps    = 10_000
)

// A Budget is what evaluating one spec may cost. Several goroutines may use
// it. Once it is used up everything that is evaluated fails, also inside try.
type Budget struct {
	elements, bytes, steps, errors atomic.Int64 // spent
	granted                        atomic.Int64 // instances
	failed                         atomic.Pointer[failure]
}

// failure is the limit that was passed first.
type failure struct {
	err  *LimitError
	diag *hcl.Diagnostic
}

// NewBudget returns the budget of one load.
func NewBudget() *Budget { return &Budget{} }

// A LimitError says which limit is passed.
type LimitError struct{ Msg string }

func (e *LimitError) Error() string { return "evaluating " + e.Msg }

// Grant allows what n resource instances more may cost.
func (b *Budget) Grant(n int) { b.granted.Add(int64(n)) }

// Err is the diagnostic of the limit that was passed first, nil while there is
// none. A load asks for it last: hcl drops the errors of what it finds it does
// not need, such as the other branch of a conditional.
func (b *Budget) Err() *hcl.Diagnostic {
	if f := b.failed.Load(); f != nil {
		return f.diag
	}
	return nil
}

// Failed is Err as an error.
func (b *Budget) Failed() error {
	if f := b.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// Elements charges for n elements that are about to be made.
func (b *Budget) Elements(n int64) error {
	return b.charge(&b.elements, n, MaxElements, grantElements, "makes more than 1,000,000 elements")
}

// Bytes charges for strings of n bytes that are about to be built.
func (b *Budget) Bytes(n int64) error {
	return b.charge(&b.bytes, n, MaxBytes, grantBytes, "needs more than 64 MiB")
}

// Steps charges for n units of work, of which each costs some 250 ns.
func (b *Budget) Steps(n int64) error {
	return b.charge(&b.steps, n, MaxSteps, grantSteps, "takes more than 10,000,000 steps")
}

// Measure walks v, charges for the walk, and returns the size of v; an error
// where v is larger than any value may be.
func (b *Budget) Measure(v cty.Value) (Size, error) {
	if err := b.Failed(); err != nil {
		return Size{}, err
	}
	return b.measure(v, 1)
}

// measure is Measure for a value of which each element is going to cost some
// steps.
func (b *Budget) measure(v cty.Value, cost int) (Size, error) {
	s, err := measure(v)
	if n := s.Elements + s.Types; n > 1 {
		if err := b.Steps(int64(n*cost/2) + 1); err != nil {
			return s, err
		}
	}
	return s, err
}

// Value refuses a value that is too large to be given a name, which the
// evaluator asks of each local, variable and module argument before it binds
// it. What is shared inside v counts as often as it is reached, since that is
// what walking it costs. The name is the address, such as local.h.
func (b *Budget) Value(name string, v cty.Value, rng hcl.Range) hcl.Diagnostics {
	_, err := b.Measure(v)
	if err == nil {
		return nil
	}
	if limit := (*LimitError)(nil); errors.As(err, &limit) && b.Failed() == nil {
		err = &LimitError{name + strings.TrimPrefix(limit.Msg, "this value")}
	}
	return hcl.Diagnostics{b.at(err, rng)}
}

func (b *Budget) charge(spent *atomic.Int64, n, limit, grant int64, msg string) error {
	if err := b.Failed(); err != nil {
		return err
	}
	limit += grant * b.granted.Load()
	if n > limit || spent.Add(n) > limit {
		err := &LimitError{"the spec " + msg}
		b.failed.CompareAndSwap(nil, &failure{err: err, diag: diagnostic(err, hcl.Range{})})
		return err
	}
	return nil
}

// at is the diagnostic of err, which evaluating what is at rng gave. Of a
// budget that is used up all diagnostics are one.
func (b *Budget) at(err error, rng hcl.Range) *hcl.Diagnostic {
	f := b.failed.Load()
	if f == nil {
		return diagnostic(err, rng)
	}
	if f.diag.Subject == nil {
		b.failed.CompareAndSwap(f, &failure{err: f.err, diag: diagnostic(f.err, rng)})
	}
	return b.Err()
}

// sentence is a message as a sentence.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

func diagnostic(err error, rng hcl.Range) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Too much to evaluate", Detail: sentence(err.Error())}
	if rng != (hcl.Range{}) {
		d.Subject = &rng
	}
	return d
}
