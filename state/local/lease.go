package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/kplan/kplan/state"
)

// errReleased is a use of a lease behind its end.
var errReleased = errors.New("the lock was released")

// lease is the lock and the snapshot as of now.
type lease struct {
	b    *Backend
	mu   sync.Mutex // of what follows; a journal uses it too
	lock lock
	snap *state.Snapshot
	run  *journal // under way
	// failed is why nothing can be written any more: what is on disk is not
	// known.
	failed error
}

// Snapshot is a copy of the state as of now.
func (l *lease) Snapshot() *state.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.snap.Clone()
}

// Save writes a snapshot of the same lineage with the serial after the one
// now; the serial and the epoch that s has do not matter.
func (l *lease) Save(ctx context.Context, s *state.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if s.Lineage != l.snap.Lineage {
		return fmt.Errorf("this state has the lineage %s; one of %s cannot replace it", l.snap.Lineage, s.Lineage)
	}
	next := s.Clone()
	next.Serial, next.Epoch = l.snap.Serial+1, l.snap.Epoch
	return l.write(l.snap.Serial, next)
}

func (l *lease) writable() error {
	switch {
	case l.lock == nil:
		return errReleased
	case l.failed != nil:
		return l.failed
	case l.run != nil:
		return fmt.Errorf("the run %s has not ended", l.run.id)
	}
	return nil
}

// write replaces the snapshot, keeping the one on disk, of serial before, as a
// generation.
func (l *lease) write(before int64, next *state.Snapshot) error {
	data, err := state.Encode(next, l.b.version)
	if err != nil {
		return err
	}
	if err := l.b.keep(before); err != nil {
		return err
	}
	moved, err := l.b.replace(l.b.path(stateFile), data)
	if err != nil {
		if moved {
			l.failed = err
		}
		return err
	}
	l.snap = next
	l.b.prune()
	return nil
}

// Release frees the lock. A run that has not ended is cut off: the next lock
// folds its journal.
func (l *lease) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return nil
	}
	if l.run != nil {
		l.run.abandon()
		l.run = nil
	}
	_ = l.lock.Note(nil)
	err := l.lock.Close()
	l.lock = nil
	return err
}
