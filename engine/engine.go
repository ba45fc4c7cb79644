// Package engine turns a spec and the recorded state into a plan, and a plan
// into a changed machine: it reads the machines, compiles the plan, applies it
// concurrently and records what was done.
//
// It knows every phase between the spec and the recorded state. It knows no
// resource type by name, and nothing of how anything looks to the user.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Engine plans and applies. Its fields are set once, before use.
type Engine struct {
	// Types finds a resource type by name.
	Types func(name string) (*resource.Type, bool)
	// Connect opens a session to a machine; NewConnector's in the program, a
	// machine in memory in tests.
	Connect Connector
	// Events receives what happens; nil for nobody.
	Events event.Func
	// Parallelism bounds the hosts that are connected to and acted on at once.
	Parallelism int
	// Now is the clock, for durations and names of runs.
	Now func() time.Time
	// Version is kplan's.
	Version string
}

// Connector opens a session to the machine of a spec's host. jump is the
// host of its bastion, nil where it has none.
type Connector func(ctx context.Context, h *dsl.Host, jump *dsl.Host) (Link, error)

// Link is an open session with what was learned of the machine's identity on
// the way.
type Link struct {
	Session host.Session
	HostKey string // authorized_keys form; "" where the connection has none
}

// PlanInput is what a plan is made from.
type PlanInput struct {
	Spec  *dsl.Spec
	State *state.Snapshot
	// Key digests secrets; from the backend, or random where there is no state
	// yet.
	Key  []byte
	Mode plans.Mode
	// Offline contacts no host: what is recorded is taken as actual.
	Offline bool
	// Targets limit the plan to what they match and what that needs; Excludes
	// leave out what they match and what needs it; Replaces force a
	// replacement.
	Targets, Excludes, Replaces []addr.Target
}

// Code is the exit code that a diagnostic asks for, as its Extra.
type Code int

// The exit codes (docs/contract.md).
const (
	CodeError       Code = 1
	CodeChanges     Code = 2
	CodeIncomplete  Code = 3
	CodeLocked      Code = 4
	CodeStale       Code = 5
	CodeUntrusted   Code = 6
	CodeDamaged     Code = 7
	CodeUnreachable Code = 8
	CodeInterrupted Code = 130
)

// Planned is a plan together with what apply needs beside it: the spec's
// wishes in clear and open sessions. Close it.
type Planned struct {
	Plan *plans.Plan
	*derivation
	fleet *fleet
}

// ApplyOptions are the choices of an apply.
type ApplyOptions struct {
	// Run is the id of the run; NewRun makes one.
	Run string
	// SkipStale withholds the steps of stale hosts instead of refusing all.
	SkipStale bool
	// Stop, once closed, lets nothing new start.
	Stop <-chan struct{}
}

// Report is how an apply ended.
type Report struct {
	Run     string
	Counts  map[event.Outcome]int
	Steps   []StepReport // in order of their ends
	Elapsed time.Duration
}

// StepReport is how one step ended.
type StepReport struct {
	Step    plans.Node
	Addr    addr.Instance
	Outcome event.Outcome
	Started time.Time
	Elapsed time.Duration
}

// Validate checks all of a spec that can be known without a host: types,
// references, cycles, claims.
func (e *Engine) Validate(in PlanInput) hcl.Diagnostics { return e.validate(in) }

// Plan reads the machines and compiles the plan. Unreachable hosts do not fail
// it: what they withhold is part of the plan. The diagnostics' Extra holds a
// Code where the exit code is not 1.
func (e *Engine) Plan(ctx context.Context, in PlanInput) (*Planned, hcl.Diagnostics) {
	return e.plan(ctx, in)
}

// Derive makes a saved plan ready to be applied: it derives the steps again
// from the sources inside the plan, and refuses (CodeStale) where they differ
// or where the state has moved on. It contacts no host.
func (e *Engine) Derive(in PlanInput, saved *plans.Plan) (*Planned, hcl.Diagnostics) {
	return e.derive(in, saved)
}

// Apply reads again all that the plan rests on, then walks its steps. It
// records each intent and result under the lease. The report is complete also
// where diagnostics say what failed.
func (e *Engine) Apply(ctx context.Context, lease state.Lease, p *Planned, o ApplyOptions) (*Report, hcl.Diagnostics) {
	return e.apply(ctx, lease, p, o)
}

// Close ends the sessions.
func (p *Planned) Close() {
	if p != nil && p.fleet != nil {
		p.fleet.close()
	}
}

// NewRun makes the id of a run: its start in UTC, so that ids sort, and a
// random part.
func NewRun(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}
