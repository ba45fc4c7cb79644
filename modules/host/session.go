package host

import "context"

// Session is a connection to one machine for the length of one run, as the
// engine uses it; resource types see a Host of it. Its methods are called by
// one goroutine at a time. An error that wraps ErrLost ends the session, and so
// does a context that is done before a method has returned.
type Session interface {
	// Contact reads who the machine is, and what earlier runs left on it.
	Contact(ctx context.Context) (*Contact, error)

	// Read runs every fn, each with a Host of its own that refuses acts, and
	// returns when all have returned, with their errors in order. Their calls
	// travel together: one is sent when each fn has a call pending or has
	// returned.
	Read(ctx context.Context, fns []func(ctx context.Context, h Host) error) []error

	// Act runs fn with a Host whose operations are acts of id: refused with
	// ErrFenced where the machine's fence is higher than epoch, and, where
	// detached, found again by their id. Each call of fn carries a reading by
	// read behind it; the last of them, which saw all that fn did, decides
	// read's error. fn's error comes first. read may be nil.
	Act(ctx context.Context, id ActID, epoch int64, fn, read func(ctx context.Context, h Host) error) (fnErr, readErr error)

	// Adopt waits for the end of a detached act that an earlier session
	// started, and returns what it wrote. ErrInterrupted: it will not end.
	Adopt(ctx context.Context, id ActID) (Output, error)

	// Stop ends a detached act that still runs, and returns when it has ended:
	// a later Adopt gives ErrInterrupted. An act that has ended, or that is
	// not there, is no error.
	Stop(ctx context.Context, id ActID) error

	// Control reads and writes kplan's own records on the machine.
	Control

	// Close ends the connection. Detached acts go on.
	Close() error
}

// Control is kplan's own record on a machine: /var/lib/kplan and /run/kplan.
type Control interface {
	// Claim writes the fence under the machine's lock, with the directories
	// that acts need. It fails with ErrFenced where a fence of the same
	// lineage is higher, and where an act of another lineage still runs.
	Claim(ctx context.Context, f Fence) error
	// Sign writes the receipt of a run and removes the directories of the acts
	// that have ended, but for those of the steps in open, whatever their N:
	// their outcome is not recorded yet.
	Sign(ctx context.Context, r Receipt, open []ActID) error
}
