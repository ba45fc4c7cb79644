package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/kplan/kplan/state"
)

// Share takes the lock shared. Where the state was never written there is
// nothing to lock yet.
func (b *Backend) Share(ctx context.Context, wait time.Duration) (func() error, error) {
	_, there, err := b.look()
	if err != nil {
		return nil, err
	}
	if !there {
		return func() error { return nil }, ctx.Err()
	}
	l, err := b.lock(ctx, false, wait)
	if err != nil {
		return nil, err
	}
	return l.Close, nil
}

// Lock takes the lock, folds the journal of a run that was cut off, and
// raises the epoch, all durable when it returns.
func (b *Backend) Lock(ctx context.Context, wait time.Duration, who state.Holder) (state.Lease, error) {
	_, there, err := b.look()
	if err != nil {
		return nil, err
	}
	if !there {
		if err := b.create(); err != nil {
			return nil, err
		}
	}
	l, err := b.lock(ctx, true, wait)
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(who); err == nil {
		_ = l.Note(text) // a word for others; the lock holds without it
	}
	lease := &lease{b: b, lock: l}
	if err := lease.recover(); err != nil {
		_ = l.Note(nil)
		_ = l.Close()
		return nil, err
	}
	return lease, nil
}

// lock tries until wait is over.
func (b *Backend) lock(ctx context.Context, exclusive bool, wait time.Duration) (lock, error) {
	deadline := time.Now().Add(wait)
	pause := 5 * time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, ok, err := b.fs.Lock(b.path(lockFile), exclusive)
		if err != nil {
			return nil, err
		}
		if ok {
			return l, nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			holder, _ := b.Holder(ctx)
			return nil, &state.LockedError{Holder: holder}
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(pause, left)):
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

// Holder says who holds the lock; nil where nobody does, where only plans do,
// or where the holder left no word.
func (b *Backend) Holder(ctx context.Context) (*state.Holder, error) {
	if _, there, err := b.look(); err != nil || !there {
		return nil, err
	}
	l, ok, err := b.fs.Lock(b.path(lockFile), false)
	if err != nil {
		return nil, err
	}
	if ok {
		return nil, l.Close() // a word that stands there is of a process that is gone
	}
	return b.note()
}

func (b *Backend) note() (*state.Holder, error) {
	text, err := b.readFile(b.path(lockFile), 1<<16)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nobody
	}
	if err != nil {
		return nil, err
	}
	var h state.Holder
	if len(text) == 0 || json.Unmarshal(text, &h) != nil {
		return nil, nil //nolint:nilnil // no word
	}
	return &h, nil
}

// Unlock is what `kplan unlock ID` can do here: the kernel frees the lock when
// its process ends, and nothing else can take it away. Where the lock is free,
// what a dead holder left is cleared; one that is held is a *state.LockedError
// that names the process to end.
func (b *Backend) Unlock(ctx context.Context, id string) error {
	_, there, err := b.look()
	if err != nil || !there {
		return err
	}
	l, ok, err := b.fs.Lock(b.path(lockFile), true)
	if err != nil {
		return err
	}
	if ok {
		_ = l.Note(nil)
		return l.Close()
	}
	holder, err := b.Holder(ctx)
	if err == nil && holder != nil && holder.ID != id {
		return fmt.Errorf("the lock that is held is %s, not %s", holder.ID, id)
	}
	return &state.LockedError{Holder: holder}
}

// recover reads what is there, once the lock is held.
func (l *lease) recover() error {
	l.b.sweep()
	// Whoever made .kplan may have been cut off before it was durable.
	if err := l.b.fs.SyncDir(l.b.parent); err != nil {
		return err
	}
	have, err := l.b.load()
	if err == nil {
		err = have.err
	}
	if err != nil {
		return err
	}
	if _, err := l.b.key(); err != nil {
		return err
	}
	if err := l.b.discard(have.over...); err != nil {
		return err
	}
	snap := have.snap
	snap.Epoch++
	if have.begun {
		if err := l.b.keep(have.serial); err != nil {
			return err
		}
	}
	data, err := state.Encode(snap, l.b.version)
	if err != nil {
		return err
	}
	if _, err := l.b.replace(l.b.path(stateFile), data); err != nil {
		return err
	}
	if have.begun {
		if err := l.b.discard(have.open); err != nil {
			return err
		}
	}
	l.snap = snap
	return nil
}

// discard removes journals that are folded, durably: one that came back after
// a later state was written would not fit it.
func (b *Backend) discard(paths ...string) error {
	if len(paths) == 0 {
		return nil
	}
	for _, path := range paths {
		if err := b.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return b.fs.SyncDir(b.path(journalDir))
}

// sweep removes what writes that were cut off left behind. The lock is held,
// so nobody is writing.
func (b *Backend) sweep() {
	for _, dir := range []string{b.dir, b.path(generations)} {
		names, _ := b.fs.List(dir)
		for _, name := range names {
			if strings.HasPrefix(name, tmpPrefix) {
				_ = b.fs.Remove(b.path(strings.TrimPrefix(dir, b.dir), name))
			}
		}
	}
	names, _ := b.fs.List(b.parent)
	for _, name := range names {
		if strings.HasPrefix(name, filepath.Base(b.dir)+tmpPrefix) {
			b.removeAll(filepath.Join(b.parent, name))
		}
	}
}
