package plans

import (
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/modules/host"
)

// Change is what a plan says of one resource instance.
type Change struct {
	Addr   addr.Instance
	Action Action
	Before Object // as read; none where there is nothing
	After  Object // as planned; none after Delete and Forget
	// Differs names the attributes that differ, sorted.
	Differs []string
	// Reason says in words why, where it is not plain from the attributes: a
	// refresh names its cause, a forget says what keeps the object.
	Reason string
	// Recorded is what the state held; it differs from Before where something
	// changed behind kplan's back.
	Recorded Object
	// Step is the id of the step that carries the change out; 0 for NoOp.
	Step Node
	// Sensitive names the attributes that must not be shown, sorted.
	Sensitive []string
	// InputDigest of an act: keyed digest of what it is done for.
	InputDigest string
	// Verdict of an act: what its machine said of its need.
	Verdict string
	// Moved says that the object is recorded under another identity, where a
	// Replace deletes it: Before stood there. Standing is what that finds at the
	// new identity, mostly none.
	Moved    bool
	Standing Object
	// Left says why the object at the recorded identity, which is another, is
	// left as it is; "" where there is none or it is deleted.
	Left string
	// Unseen says why the object could not be read: Before is what is recorded
	// then. "" where it was.
	Unseen string
	// Origin of the object once this plan is applied.
	Origin Origin
}

// Origin says how an object came to be kplan's.
type Origin string

// The origins of objects: removing a created one from the spec deletes it,
// removing an adopted one forgets it.
const (
	Created Origin = "created"
	Adopted Origin = "adopted" // it was right already when kplan came
)

// Step is one thing that apply does.
type Step struct {
	ID     Node
	Addr   addr.Instance
	Action Action
	// After are the steps and barriers that must have ended well before.
	After []Node
	// Condition says in words on what the run decides whether the step is
	// needed; "" where it always is.
	Condition string
	// Disrupts says what the step interrupts.
	Disrupts []string
	// Strict steps need their object exactly as printed.
	Strict bool
	// Causes are the steps whose change a Refresh answers; it is not needed
	// where all of them turn out to be Already. Empty for a debt of an earlier
	// run, which is owed in any case.
	Causes []Node
	// Owed says that a refresh is owed from an earlier run: it is done in any
	// case.
	Owed bool
	// Once marks a step that is never repeated on a guess.
	Once bool
	// Peers are the other hosts on whose machines the step acts too.
	Peers []string
	// At is the host on whose machine the step is done, where its own machine is
	// let go; "" elsewhere.
	At string
	// Via says how the step goes about it, where that depends on which other
	// hosts have the resource: "init", "join k8s-node1".
	Via string
}

// Machine is the host on whose machine the step is done.
func (s Step) Machine() string {
	if s.At != "" {
		return s.At
	}
	return s.Addr.Host
}

// Barrier is a point that many steps wait for and that many wait at.
type Barrier struct {
	ID    Node
	After []Node
}

// Host is what the plan knows of a machine.
type Host struct {
	Name      string
	Address   string
	Reachable bool
	Reason    string // why not; "" where nobody tried: offline, and where it is let go
	Facts     *host.Facts
	MachineID string
	HostKey   string // fingerprint
	// Used names the facts that expressions of the spec used, sorted: those
	// that the first reading compares.
	Used []string
}

// Unreached reports whether the machine was to be contacted, and could not be.
func (h Host) Unreached() bool { return !h.Reachable && h.Reason != "" }

// Withheld is a change that cannot be planned because its host, or one that it
// depends on, is unreachable.
type Withheld struct {
	Addr   addr.Instance
	Reason string
}

// Drift is an object that changed behind kplan's back.
type Drift struct {
	Addr     addr.Instance
	Recorded Object
	Actual   Object
	Differs  []string
}

// Output is the value of an output block: an Object with the one attribute
// "value", so that a sensitive one is a digest only.
type Output struct {
	Name   string
	Before Object
	After  Object
}

// Base is what a plan was made from; apply refuses another.
type Base struct {
	Lineage string
	Serial  int64
	// Digests of what the plan rests on.
	Spec, Variables, State string
}

// Content is all that a plan says.
type Content struct {
	Base     Base
	Mode     Mode
	Hosts    []Host   // by name
	Changes  []Change // by address
	Steps    []Step   // by id
	Barriers []Barrier
	Withheld []Withheld
	Drift    []Drift
	Outputs  []Output
	Warnings []string
}

// Mode is what the plan was asked for.
type Mode string

// The modes of planning.
const (
	Normal      Mode = "normal"
	Destroy     Mode = "destroy"
	RefreshOnly Mode = "refresh-only"
)
