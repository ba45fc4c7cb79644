// Package plans holds what will be done: objects, changes, steps and the plan
// that a reviewer reads, a file saves and apply walks. It does no I/O to hosts
// and knows no resource type; how a plan looks is the business of who shows it.
package plans

// Action is what a step does to its object.
type Action string

// The actions. Only Create, Update, Refresh, Replace, Delete and Forget make
// steps.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Refresh Action = "refresh" // acts again on what is right already: a restart
	Replace Action = "replace" // delete, then create
	Delete  Action = "delete"
	Forget  Action = "forget" // leaves the object on the host and its record not
)

// Strict reports whether a step of the action needs its object exactly as
// printed when it runs (contract, rule 4).
func (a Action) Strict() bool { return a == Delete || a == Replace }

// Node is the id of a step or of a barrier: what another waits for. Steps and
// barriers count in one sequence from 1, in an order in which each comes after
// all that it waits for.
type Node int
