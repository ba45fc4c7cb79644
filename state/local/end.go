package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/state"
)

// End writes the end and replaces the snapshot. Where the journal could not
// be written any more, the snapshot takes all that it was told, so that an End
// without error has lost nothing. Where the snapshot cannot be written, the
// journal stays, and the next lock folds it.
func (j *journal) End(_ context.Context, complete bool, outputs map[string]json.SimpleJSONValue) error {
	end := state.Record{End: &state.End{Complete: complete, Time: j.l.b.now(), Outputs: outputs}}
	j.l.mu.Lock()
	if j.ended {
		j.l.mu.Unlock()
		return fmt.Errorf("the run %s has ended", j.id)
	}
	j.ended = true
	payload, err := j.codec.Append(nil, end)
	if err != nil {
		j.ended = false
		j.l.mu.Unlock()
		return err
	}
	j.l.mu.Unlock()

	j.writing.Lock()
	defer j.writing.Unlock()
	for j.writeNext() {
	}
	j.l.mu.Lock()
	defer j.l.mu.Unlock()
	if j.l.run != j {
		return errReleased
	}
	if j.failed == nil {
		if err := j.write(payload); err != nil {
			j.failed = fmt.Errorf("the journal cannot be written: %w", err)
		}
	}
	j.abandon()
	return j.l.closeRun(j, end)
}

// abandon leaves the journal as it is.
func (j *journal) abandon() {
	j.ended = true
	_ = j.f.Close() // all that matters was synced
}

// closeRun replaces the snapshot by that of the run and removes its journal.
func (l *lease) closeRun(j *journal, end state.Record) error {
	l.run = nil
	if l.failed != nil {
		return l.failed
	}
	if err := l.snap.Fold(end); err != nil {
		return err
	}
	if err := l.write(j.base, l.snap); err != nil {
		l.failed = err
		if j.failed != nil {
			return errors.Join(err, j.failed)
		}
		return fmt.Errorf("the run is recorded in its journal, which stays until the next run; the state cannot be written: %w", err)
	}
	// What remains of a journal that is folded is known as such, but no later
	// state may be written over it.
	l.failed = l.b.discard(l.b.path(journalDir, j.id+".wal"))
	return nil
}
