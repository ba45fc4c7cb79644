// Package local keeps state in the directory .kplan beside the spec.
//
//	.kplan/
//	  state.json    the snapshot: canonical JSON, closed by its own digest
//	  journal/      the run that is under way, or was cut off: RUN.wal
//	  generations/  the last snapshots before, SERIAL.json
//	  lock          flock(2) and who holds it
//	  seal.key      seals plans and digests secrets
//
// A snapshot is replaced by one rename (rename(2) is atomic), a journal is
// only appended to, and whatever is reported as done has been made durable
// with fsync(2) before, file and directory. It knows files; what is recorded
// is the business of package state.
package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/kplan/kplan/state"
)

// Backend is the state in one directory.
type Backend struct {
	parent  string // where .kplan is
	dir     string // .kplan
	version string
	fs      fsys
	now     func() time.Time
	spare   int64 // room in a journal beyond that for its steps
}

var _ state.Backend = (*Backend)(nil)

// New is the state in dir/.kplan, or in dir itself where that is its name, as
// kplan of the version writes it. Nothing is read or made yet.
func New(dir, version string) *Backend {
	if filepath.Base(dir) != dirName {
		dir = filepath.Join(dir, dirName)
	}
	return &Backend{parent: filepath.Dir(dir), dir: dir, version: version, fs: osFS{}, now: time.Now, spare: spareRoom}
}

func (b *Backend) path(elem ...string) string {
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

const (
	dirName     = ".kplan"
	stateFile   = "state.json"
	journalDir  = "journal"
	generations = "generations"
	lockFile    = "lock"
	keyFile     = "seal.key"
	asideDir    = "damaged"
	keySize     = 32
	tmpPrefix   = ".tmp-"
)

// Read is the snapshot with the valid prefix of a journal folded in. It takes
// no lock: where a run replaces the files meanwhile, it begins again.
func (b *Backend) Read(ctx context.Context) (*state.Snapshot, error) {
	const attempts = 50
	for i := 0; ; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before, there, err := b.look()
		if err != nil {
			return nil, err
		}
		if !there {
			return state.NewSnapshot(""), nil
		}
		l, err := b.load()
		if err == nil {
			err = l.err
		}
		after, _, lookErr := b.look()
		if lookErr == nil && before == after && (err == nil || i > 2) {
			if err != nil {
				return nil, err
			}
			return l.snap, nil
		}
		if i >= attempts {
			if err == nil {
				err = fmt.Errorf("%s changes too often to be read", b.dir)
			}
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// sight tells whether files were replaced.
type sight struct {
	state    time.Time
	size     int64
	journals string
}

// look checks that .kplan is a directory of our own, and whether it is there.
func (b *Backend) look() (sight, bool, error) {
	fi, err := b.fs.Lstat(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return sight{}, false, nil
	}
	if err != nil {
		return sight{}, false, err
	}
	if !fi.IsDir() {
		return sight{}, false, fmt.Errorf("%s is not a directory; kplan keeps its state in one and follows no link", b.dir)
	}
	if fi.Mode().Perm()&0o002 != 0 {
		return sight{}, false, fmt.Errorf("%s can be written by everybody; type: chmod 700 %s", b.dir, b.dir)
	}
	var s sight
	if fi, err := b.fs.Lstat(b.path(stateFile)); err == nil {
		s.state, s.size = fi.ModTime(), fi.Size()
	}
	if names, err := b.fs.List(b.path(journalDir)); err == nil {
		s.journals = strings.Join(names, "/")
	}
	return s, true, nil
}

// Key returns the key in seal.key. With create it makes .kplan where there is
// none; else the key of a state that was never written is nil.
func (b *Backend) Key(ctx context.Context, create bool) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, there, err := b.look()
	if err != nil {
		return nil, err
	}
	if !there {
		if !create {
			return nil, nil //nolint:nilnil // there is none
		}
		if err := b.create(); err != nil {
			return nil, err
		}
	}
	if create {
		// Whoever made it may have been cut off before it was durable.
		if err := b.fs.SyncDir(b.parent); err != nil {
			return nil, err
		}
	}
	return b.key()
}

func (b *Backend) key() ([]byte, error) {
	path := b.path(keyFile)
	damaged := func(msg string) error {
		return &state.DamagedError{Path: path, Msg: msg, Fix: "kplan state repair"}
	}
	fi, err := b.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, damaged("it is missing")
	case err != nil:
		return nil, err
	case fi.Mode().IsRegular() && fi.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by others; type: chmod 600 %s", path, path)
	}
	key, err := b.readFile(path, 2*keySize)
	switch {
	case err != nil:
		return nil, err
	case len(key) != keySize:
		return nil, damaged(fmt.Sprintf("it has %d bytes instead of %d", len(key), keySize))
	}
	return key, nil
}

// create makes .kplan: a directory with all that belongs in it, durable,
// which then appears by one rename; that is durable once the directory around
// it is synced. Where another process was first, its
// directory stays.
func (b *Backend) create() (err error) {
	tmp := b.dir + tmpPrefix + random()
	if err := b.fs.Mkdir(tmp); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.removeAll(tmp)
		}
	}()
	for _, name := range []string{journalDir, generations} {
		if err := b.fs.Mkdir(filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	data, err := state.Encode(state.NewSnapshot(state.NewLineage()), b.version)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{keyFile: key, stateFile: data, lockFile: nil} {
		if err := b.write(filepath.Join(tmp, name), content); err != nil {
			return err
		}
	}
	if err := b.fs.SyncDir(tmp); err != nil {
		return err
	}
	if err := b.fs.Rename(tmp, b.dir); err != nil {
		if _, there, lookErr := b.look(); lookErr == nil && there {
			b.removeAll(tmp)
			return nil
		}
		return err
	}
	return nil // who called syncs the directory that it is in
}

// removeAll removes what create began, as far as it can.
func (b *Backend) removeAll(dir string) {
	names, _ := b.fs.List(dir)
	for _, name := range names {
		path := filepath.Join(dir, name)
		if fi, err := b.fs.Lstat(path); err == nil && fi.IsDir() {
			b.removeAll(path)
			continue
		}
		_ = b.fs.Remove(path)
	}
	_ = b.fs.Remove(dir)
}
