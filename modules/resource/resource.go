// Package resource defines what a resource type is: a Go struct with a Read
// and an Apply, wrapped once so that the engine can use every type alike.
//
// It knows the schema of a type and the machine that it acts on. It knows
// nothing of HCL, plans, state or connections.
package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// Thing is a resource type with a state that can be read: a file, a service.
// The receiver is what is wanted; value receivers keep it from being changed.
type Thing[T any] interface {
	// Read reads the object that the receiver's id attributes name; nil means
	// there is none. It fills every attribute that it can see, and writes
	// nothing. It makes at most two calls, one of them where it can: calls of
	// all reads of a machine travel together. Where what tells of the object is a
	// service that does not answer, it fails with a *NoAnswerError.
	Read(ctx context.Context, h host.Host) (*T, error)
	// Apply makes the machine as the receiver says. prior is what Read showed,
	// nil to create. It is read back afterwards.
	Apply(ctx context.Context, h host.Host, prior *T) error
}

// Act is a resource type that is done once for its inputs: exec, reboot.
type Act[T any] interface {
	// Due reads whether the machine itself shows that the act is due, whatever
	// is recorded: for exec, that the path it creates is missing.
	Due(ctx context.Context, h host.Host) (Verdict, error)
	// Do does it. Its outcome NotNeeded says that a guard found it unneeded.
	Do(ctx context.Context, h host.Host) (Outcome, error)
}

// Verdict is what Due found.
type Verdict string

// The verdicts of Due.
const (
	DueByRecord Verdict = ""        // the machine does not tell; what is recorded decides
	DueNow      Verdict = "due"     // whatever is recorded
	DoneBefore  Verdict = "present" // done already; due only where the inputs differ from what is recorded
	// DueAfter: not due as the machine stands, whatever is recorded; what the
	// plan changes before it on that machine may make it so, and gives it a step.
	DueAfter Verdict = "after"
)

// Outcome is how an act ended.
type Outcome string

// The outcomes of an act.
const (
	Done      Outcome = "done"
	NotNeeded Outcome = "not needed"
)

// The optional powers of a type, each an interface of one method. The receiver
// is what is wanted, or, for Deleter, what is recorded.
type (
	// Validator checks what is wanted without a machine. Attributes that are
	// not known yet are zero, and named in unknown.
	Validator interface {
		Validate(unknown func(attr string) bool) error
	}
	// Deleter removes the object. A type without it is forgotten instead.
	Deleter interface {
		Delete(ctx context.Context, h host.Host) error
	}
	// Claimer says what the object owns on its machine, such as "path /etc/hosts".
	// The default is the type's name and its ids.
	Claimer interface {
		Claims() []string
	}
	// Refresher acts again on what is right already: a service restarts. Its
	// word for that is what a plan shows.
	Refresher interface {
		Refresh(ctx context.Context, h host.Host) error
		RefreshWord() string
	}
	// Semaphorer names the semaphores that a step of the type holds, such as
	// "package manager"; each is of one machine and admits one step.
	Semaphorer interface {
		Semaphores() []string
	}
	// Peerer names other hosts on one of whose machines Apply and Delete act too,
	// by host.Peer: a worker joins by a token that one of the control planes
	// mints. It is the first that can be reached when the plan is made.
	Peerer interface {
		Peers() []string
	}
	// Releaser does what Delete does on the machine of another host, for an object
	// whose own machine is let go: nobody reaches that any more. There is the
	// machine of the host of Via or of a peer; the receiver is what is recorded. It
	// may be called again after a cut.
	Releaser interface {
		Release(ctx context.Context, there host.Host, gone LetGo) error
	}
	// Inputer names the attributes whose change makes an act due again; without
	// it, all of them.
	Inputer interface {
		Inputs() []string
	}
	// Conditional says in words on what the run decides whether the act is
	// needed; "" where nothing is left to the run.
	Conditional interface {
		Condition() string
	}
)

// LetGo is a machine that is let go, as it is recorded.
type LetGo struct {
	Host      string
	MachineID string // of /etc/machine-id; "" where it is not recorded
}

// Disrupter says what changing prior into the receiver interrupts, such as
// "restarts containerd.service"; prior is nil for a create.
type Disrupter[T any] interface {
	Disrupts(prior *T) []string
}

// Refuser says why prior cannot be made as the receiver says, with the way out;
// "" where it can. A plan that would have to is refused.
type Refuser[T any] interface {
	Refuses(prior *T) string
}

// Keeper says what deleting the object would leave behind: a directory with
// foreign files in it is forgotten instead of deleted.
type Keeper[T any] interface {
	// Keeps is called on what was read. A reason other than "" turns the delete
	// into a forget.
	Keeps(o Outlook) string
}

// Outlook is what a plan does around an object that it would delete, in the
// words of Claims.
type Outlook struct {
	// Deleted tells whether something that is claimed is deleted before.
	Deleted func(claim string) bool
	// Claimed is something that begins with prefix and that an instance claims;
	// "" where there is nothing.
	Claimed func(prefix string) string
}

// NoAnswerError is an object that cannot be seen now, as the service that tells
// of it does not answer. A plan takes what is recorded of it as what is there.
type NoAnswerError struct {
	Service string // such as "the API of this machine's cluster"
	Said    string // what was said in its place: "connection refused"
	Advice  string // where to look, as a sentence without its end
}

func (e *NoAnswerError) Error() string {
	said := e.Said
	if !strings.HasSuffix(said, ".") && !strings.HasSuffix(said, "?") {
		said += "."
	}
	return fmt.Sprintf("%s does not answer: %s %s", e.Service, said, e.Advice)
}

// FieldError is an attribute with a value that the type cannot take.
type FieldError struct {
	Field string // name of the attribute
	Msg   string // a full sentence: what is wrong and what to write instead
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Msg }
