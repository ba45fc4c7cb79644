package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kplan/kplan/state"
)

// epochJump is added to the epoch of a state that an older generation
// replaces: how many locks were taken since is not known, and hosts refuse an
// epoch that is not higher than the last that they saw.
const epochJump = 1 << 32

// Repair mends what is damaged, under the lock, and says in words what it
// did; nothing where nothing was damaged. What it takes away it keeps in
// .kplan/damaged.
//
//   - A state.json that cannot be read is replaced by the newest generation
//     that can, with the serial after it.
//   - A journal is folded up to its damage.
//   - A lost key is made anew: plans sealed with the old one are refused, and
//     sensitive values count as changed once.
func (b *Backend) Repair(ctx context.Context, who state.Holder) ([]string, error) {
	_, there, err := b.look()
	if err != nil || !there {
		return nil, err
	}
	l, err := b.lock(ctx, true, 0)
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(who); err == nil {
		_ = l.Note(text)
	}
	defer func() {
		_ = l.Note(nil)
		_ = l.Close()
	}()
	var done []string
	for _, step := range []func() ([]string, error){b.repairState, b.repairKey, b.repairJournals} {
		said, err := step()
		done = append(done, said...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (b *Backend) repairState() ([]string, error) {
	path := b.path(stateFile)
	_, err := b.loadState(path)
	var damaged *state.DamagedError
	if !errors.As(err, &damaged) {
		return nil, err
	}
	s, from, err := b.lastGood()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, &state.DamagedError{
			Path: path, Msg: damaged.Msg + ", and no generation is left to restore",
			Fix: "restore " + b.dir + " from a backup; or move it away: what stands on the hosts as the spec has it is then adopted by the next apply",
		}
	}
	said, err := b.aside(path)
	if err != nil {
		return said, err
	}
	data, err := state.Encode(s, b.version)
	if err != nil {
		return said, err
	}
	if _, err := b.replace(path, data); err != nil {
		return said, err
	}
	return append(said, fmt.Sprintf("%s (%s) is restored from %s, as serial %d: what was recorded after that is not known any more; the next plan shows it",
		path, damaged.Msg, from, s.Serial)), nil
}

// lastGood is the newest generation that can be read, brought to the serial
// and an epoch after it; or the beginning of the first run.
func (b *Backend) lastGood() (*state.Snapshot, string, error) {
	serials, err := b.generations()
	if err != nil {
		return nil, "", err
	}
	begins := b.begins()
	for _, serial := range serials {
		path := b.generation(serial)
		s, err := b.loadState(path)
		if err != nil {
			continue
		}
		follows := func(begin *state.Begin) bool { return begin.Lineage == s.Lineage && begin.Serial == s.Serial }
		if !slices.ContainsFunc(begins, follows) {
			s.Serial++ // else its journal says what came after
		}
		s.Epoch += epochJump
		return s, path, nil
	}
	for _, begin := range begins {
		if begin.Serial == 0 {
			s := state.NewSnapshot(begin.Lineage)
			s.Epoch = begin.Epoch + epochJump
			return s, "the journal of the run " + begin.Run, nil
		}
	}
	return nil, "", nil
}

// begins are the beginnings of the journals that can be read.
func (b *Backend) begins() []*state.Begin {
	var out []*state.Begin
	names, _ := b.fs.List(b.path(journalDir))
	for _, name := range names {
		data, err := b.readFile(b.path(journalDir, name), maxJournal)
		if err != nil {
			continue
		}
		if records, _ := parse(data); len(records) > 0 {
			out = append(out, records[0].Begin)
		}
	}
	return out
}

func (b *Backend) repairKey() ([]string, error) {
	_, err := b.key()
	var damaged *state.DamagedError
	if !errors.As(err, &damaged) {
		return nil, err
	}
	path := b.path(keyFile)
	said, err := b.aside(path)
	if err != nil {
		return said, err
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	if _, err := b.replace(path, key); err != nil {
		return said, err
	}
	return append(said, fmt.Sprintf("%s (%s) is made anew: plans sealed before are refused, and sensitive values count as changed", path, damaged.Msg)), nil
}

func (b *Backend) repairJournals() ([]string, error) {
	have, err := b.load()
	if err != nil || len(have.bad) == 0 {
		return nil, err
	}
	var said []string
	if have.begun {
		have.snap.Epoch++
		data, err := state.Encode(have.snap, b.version)
		if err != nil {
			return nil, err
		}
		if err := b.keep(have.serial); err != nil {
			return nil, err
		}
		if _, err := b.replace(b.path(stateFile), data); err != nil {
			return nil, err
		}
		said = append(said, fmt.Sprintf("the run %s is recorded as far as its journal can be read: %d results; what it did after that is not known, and the next plan shows it",
			have.snap.Applied.Run, have.snap.Applied.Done))
		if !slices.Contains(have.bad, have.open) {
			if err := b.discard(have.open); err != nil {
				return said, err
			}
		}
	}
	for _, path := range have.bad {
		moved, err := b.aside(path)
		said = append(said, moved...)
		if err != nil {
			return said, err
		}
	}
	return said, b.fs.SyncDir(b.path(journalDir))
}

// aside moves a file to .kplan/damaged; one that is missing is left so.
func (b *Backend) aside(path string) ([]string, error) {
	if _, err := b.fs.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := b.fs.Mkdir(b.path(asideDir)); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	to := b.path(asideDir, filepath.Base(path)+"."+random())
	if err := b.fs.Rename(path, to); err != nil {
		return nil, err
	}
	if err := b.fs.SyncDir(b.path(asideDir)); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("the damaged %s is kept as %s", strings.TrimPrefix(path, b.parent+string(filepath.Separator)), to)}, nil
}
