package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/state"
)

// kept is how many generations stay.
const kept = 10

// History implements state.Caretaker. The first generation has the journal of a
// run that has not ended in it.
func (b *Backend) History(ctx context.Context) ([]state.Generation, error) {
	now, err := b.Read(ctx)
	if err != nil || now.Lineage == "" {
		return nil, err
	}
	serials, err := b.generations()
	if err != nil {
		return nil, err
	}
	var out []state.Generation
	add := func(path string, current bool, s *state.Snapshot) {
		g := state.Generation{
			Path: path, Serial: s.Serial, Epoch: s.Epoch, Hosts: len(s.Hosts), Objects: len(s.Objects),
			Applied: s.Applied, Current: current,
		}
		if fi, err := b.fs.Lstat(path); err == nil {
			g.Written = fi.ModTime()
		}
		out = append(out, g)
	}
	add(b.path(stateFile), true, now)
	for _, serial := range serials {
		path := b.generation(serial)
		s, err := b.loadState(path)
		if err != nil {
			out = append(out, state.Generation{Path: path, Serial: serial, Err: err})
			continue
		}
		add(path, false, s)
	}
	return out, nil
}

func (b *Backend) generation(serial int64) string {
	return b.path(generations, fmt.Sprintf("%010d.json", serial))
}

// generations lists the serials that are kept, newest first.
func (b *Backend) generations() ([]int64, error) {
	names, err := b.fs.List(b.path(generations))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var serials []int64
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, ".json")
		if n, err := strconv.ParseInt(digits, 10, 64); ok && err == nil {
			serials = append(serials, n)
		}
	}
	slices.SortFunc(serials, func(a, b int64) int { return cmp.Compare(b, a) })
	return serials, nil
}

// keep makes the state on disk a generation: a second name for the same file,
// which nothing writes to any more.
func (b *Backend) keep(serial int64) error {
	path := b.generation(serial)
	err := b.fs.Link(b.path(stateFile), path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = b.fs.Mkdir(b.path(generations)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		err = b.fs.Link(b.path(stateFile), path)
	}
	if errors.Is(err, fs.ErrExist) {
		if err = b.fs.Remove(path); err == nil {
			err = b.fs.Link(b.path(stateFile), path)
		}
	}
	if err != nil { // not every file system has hard links
		data, readErr := b.readFile(b.path(stateFile), state.MaxSize)
		if readErr != nil {
			return err
		}
		_, err = b.replace(path, data)
		return err
	}
	return b.fs.SyncDir(b.path(generations))
}

// prune removes the oldest generations; one that stays does no harm.
func (b *Backend) prune() {
	serials, _ := b.generations()
	for i, serial := range serials {
		if i >= kept {
			_ = b.fs.Remove(b.generation(serial))
		}
	}
}
