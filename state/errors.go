package state

import "fmt"

// DamagedError is a state or journal that is not what kplan wrote.
type DamagedError struct {
	Path string
	Msg  string // what is wrong, with the place
	Fix  string // what to type
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Path, e.Msg) }

// LockedError is a lock that another run holds.
type LockedError struct {
	Holder *Holder // nil where it left no word
}

func (e *LockedError) Error() string {
	if e.Holder == nil {
		return "the state is locked by another run"
	}
	h := e.Holder
	return fmt.Sprintf("the state is locked by kplan %s of %s on %s (process %d, lock %s) since %s",
		h.Command, h.User, h.Host, h.PID, h.ID, h.Since.Format("2006-01-02 15:04:05 MST"))
}

// NewerError is a state of a format that this kplan does not know.
type NewerError struct {
	Path    string
	Format  int
	Version string // of the kplan that wrote it
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s has format %d, written by kplan %s; this kplan is older and changes nothing", e.Path, e.Format, e.Version)
}
