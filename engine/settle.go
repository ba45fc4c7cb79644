package engine

import (
	"github.com/kplan/kplan/plans"
)

// This file is the one table of what a step does about its object when it comes,
// given what stands on the machine and what an earlier run left behind. Whether
// a refresh is due beside that, and whether the step's host is there at all,
// step.go asks before.

// likeness is how an object stands to a planned one.
type likeness string

const (
	asBefore likeness = "before" // exactly as printed
	asAfter  likeness = "after"  // as the step would leave it
	missing  likeness = "none"   // printed, and not there any more
	other    likeness = "other"
)

// remains is what an interrupted step of an earlier run left.
type remains string

const (
	nothing   remains = ""        // no such step
	unbegun   remains = "unbegun" // intent recorded, no act on the machine, same boot
	ended     remains = "ended"   // its act ended well
	failedAct remains = "failed"  // its act ended with an error
	running   remains = "running" // its act still runs
	cutOff    remains = "cut off" // its act was cut off, or the machine restarted since
)

// situation is one row's left side.
type situation struct {
	action  plans.Action
	strict  bool
	once    bool
	isAct   bool
	touched bool // this run has changed the machine before
	over    bool // an earlier run concluded this very step of this very plan
	object  likeness
	left    remains
}

// verdict is one row's right side.
type verdict string

const (
	act      verdict = "act"
	adjust   verdict = "adjust" // act, on another before than printed
	already  verdict = "already"
	adopt    verdict = "adopt" // take over what an earlier run began, then as act
	adopted  verdict = "adopted"
	stale    verdict = "stale"
	diagnose verdict = "diagnose" // stop: a once step that cannot tell
)

// settle reads the table.
func settle(s situation) verdict {
	switch {
	case s.over:
		return already
	case s.object == asAfter && s.left != nothing:
		return adopted
	case s.object == asAfter:
		return already
	case s.left == running, s.left == ended && s.isAct:
		return adopt
	case s.once && (s.left == cutOff || s.left == failedAct || s.left == ended):
		return diagnose
	case s.object == asBefore:
		return act
	case s.strict || s.action.Strict():
		return stale
	case s.left != nothing, s.touched:
		return adjust
	}
	return stale
}

// liken compares what was read on the machine with what the change printed.
func liken(c plans.Change, r reading) likeness {
	actual := r.before
	if c.Moved {
		switch {
		case !r.old.Exists() && actual.Exists() && c.After.Holds(actual):
			return asAfter
		case r.old.Equal(c.Before) && actual.Equal(c.Standing):
			return asBefore
		case !r.old.Exists():
			return missing
		}
		return other
	}
	switch c.Action {
	case plans.Delete:
		if !actual.Exists() {
			return asAfter
		}
	case plans.Forget:
		return asBefore
	case plans.Create, plans.Update:
		if actual.Exists() && c.After.Holds(actual) {
			return asAfter
		}
	}
	switch {
	case actual.Equal(c.Before):
		return asBefore
	case !actual.Exists():
		return missing
	}
	return other
}
