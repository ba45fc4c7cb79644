package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/backendtest"
)

func fresh(t testing.TB) (*Backend, string) {
	t.Helper()
	dir := t.TempDir()
	return New(dir, "1.0.0"), filepath.Join(dir, dirName)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func locked(t testing.TB, b *Backend) *lease {
	t.Helper()
	l, err := b.Lock(context.Background(), 0, state.Holder{ID: "l1", PID: os.Getpid()})
	ok(t, err)
	return l.(*lease)
}

// run records n objects; end says that it ends.
func run(t testing.TB, l *lease, id string, n int, end bool) state.Journal {
	t.Helper()
	ctx := context.Background()
	j, err := l.Begin(ctx, id, "d", n)
	ok(t, err)
	for i := range n {
		ok(t, j.Intent(ctx, backendtest.Intent(id, i)))
		ok(t, j.Result(ctx, backendtest.Result(id, i)))
	}
	if end {
		ok(t, j.End(ctx, true, nil))
	}
	return j
}

func TestModes(t *testing.T) {
	b, dir := fresh(t)
	l := locked(t, b)
	run(t, l, "r1", 2, true)
	run(t, l, "r2", 2, false)
	ok(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, walkErr error) error {
		ok(t, walkErr)
		fi, err := d.Info()
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, fi.Mode(), err)
		}
		return nil
	}))
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*tmp*")); len(names) > 0 {
		t.Error(names)
	}
}

func TestRefusedPaths(t *testing.T) {
	ctx := context.Background()
	for name, breakIt := range map[string]func(dir string) error{
		"state is a link": func(dir string) error {
			return errors.Join(os.Rename(dir+"/state.json", dir+"/s"), os.Symlink("s", dir+"/state.json"))
		},
		"state is a directory": func(dir string) error {
			return errors.Join(os.Remove(dir+"/state.json"), os.Mkdir(dir+"/state.json", 0o700))
		},
		"state is a FIFO": func(dir string) error {
			return errors.Join(os.Remove(dir+"/state.json"), syscall.Mkfifo(dir+"/state.json", 0o600))
		},
		".kplan is a link":      func(dir string) error { return errors.Join(os.Rename(dir, dir+"x"), os.Symlink(dir+"x", dir)) },
		".kplan is a file":      func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) },
		".kplan is open to all": func(dir string) error { return os.Chmod(dir, 0o777) },
		"state is newer": func(dir string) error {
			return os.WriteFile(dir+"/state.json", []byte("{\n  \"format\": 2,\n  \"kplan_version\": \"9.0.0\",\n"), 0o600)
		},
		"key is open to all": func(dir string) error { return os.Chmod(dir+"/seal.key", 0o644) },
	} {
		b, dir := fresh(t)
		ok(t, locked(t, b).Release())
		ok(t, breakIt(dir))
		l, err := b.Lock(ctx, 0, state.Holder{})
		if err == nil {
			t.Errorf("%s: locked %v", name, l)
		}
		if _, err := b.Read(ctx); err == nil && !strings.HasPrefix(name, "key") {
			t.Errorf("%s: read", name)
		}
		var newer *state.NewerError
		if name == "state is newer" && (!errors.As(err, &newer) || newer.Version != "9.0.0") {
			t.Error(err)
		}
	}
}

// TestRepair damages a state, sees it refused with what to type, repairs it,
// and works on.
func TestRepair(t *testing.T) {
	ctx := context.Background()
	flip := func(path string, at int) error {
		data, err := os.ReadFile(path)
		if err == nil {
			data[at] ^= 0x10
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	}
	for name, tc := range map[string]struct {
		breakIt func(dir string) error
		objects int
		serial  int64
	}{
		"state empty":     {func(dir string) error { return os.Truncate(dir+"/state.json", 0) }, 4, 3},
		"state missing":   {func(dir string) error { return os.Remove(dir + "/state.json") }, 4, 3},
		"state flipped":   {func(dir string) error { return flip(dir+"/state.json", 300) }, 4, 3},
		"key cut":         {func(dir string) error { return os.Truncate(dir+"/seal.key", 5) }, 7, 3},
		"key missing":     {func(dir string) error { return os.Remove(dir + "/seal.key") }, 7, 3},
		"journal flipped": {func(dir string) error { return flip(dir+"/journal/r3.wal", 1500) }, 4, 3},
		"journal of another lineage": {func(dir string) error {
			other := New(filepath.Join(dir, "other"), "1")
			ok(t, os.Mkdir(filepath.Join(dir, "other"), 0o700))
			l := locked(t, other)
			run(t, l, "r9", 1, false)
			kill(l)
			return os.Rename(dir+"/other/.kplan/journal/r9.wal", dir+"/journal/r9.wal")
		}, 7, 3},
	} {
		b, dir := fresh(t)
		l := locked(t, b)
		run(t, l, "r1", 2, true)
		run(t, l, "r2", 4, true)
		run(t, l, "r3", 7, false)
		kill(l)
		ok(t, tc.breakIt(dir))
		_, err := b.Lock(ctx, 0, state.Holder{})
		var damaged *state.DamagedError
		if !errors.As(err, &damaged) || damaged.Fix != "kplan state repair" {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
		said, err := b.Repair(ctx, state.Holder{})
		if err != nil || len(said) == 0 {
			t.Errorf("%s: %q, %v", name, said, err)
		}
		t.Logf("%s: %q", name, said)
		l = locked(t, b)
		s := l.Snapshot()
		if s.Serial != tc.serial {
			t.Errorf("%s: serial %d", name, s.Serial)
		}
		if name == "state empty" || name == "state missing" || name == "state flipped" {
			tc.objects = 7 // the journal is behind the generation, and knows
		}
		if len(s.Objects) != tc.objects {
			t.Errorf("%s: %d objects", name, len(s.Objects))
		}
		ok(t, l.Release())
		if said, err := b.Repair(ctx, state.Holder{}); err != nil || len(said) > 0 {
			t.Errorf("%s, again: %q, %v", name, said, err)
		}
	}
	b, dir := fresh(t)
	ok(t, locked(t, b).Release())
	ok(t, os.Truncate(dir+"/state.json", 0))
	var damaged *state.DamagedError
	if _, err := b.Repair(ctx, state.Holder{}); !errors.As(err, &damaged) {
		t.Errorf("nothing to restore from: %v", err)
	}
}

func TestHistory(t *testing.T) {
	b, _ := fresh(t)
	if h, err := b.History(context.Background()); err != nil || len(h) != 0 {
		t.Errorf("%v %v", h, err)
	}
	l := locked(t, b)
	for i := range 14 {
		run(t, l, fmt.Sprintf("r%d", i), i, true)
	}
	ok(t, l.Release())
	h, err := b.History(context.Background())
	ok(t, err)
	if len(h) != 1+kept || !h[0].Current || h[0].Serial != 14 || h[1].Serial != 13 || h[1].Objects != 12 || h[1].Applied.Run != "r12" || h[10].Serial != 4 {
		t.Errorf("%+v", h)
	}
}

func TestHolder(t *testing.T) {
	ctx := context.Background()
	b, _ := fresh(t)
	ok(t, b.Unlock(ctx, "x"))
	l := locked(t, b)
	if h, err := b.Holder(ctx); err != nil || h == nil || h.ID != "l1" {
		t.Errorf("%v %v", h, err)
	}
	var held *state.LockedError
	if err := b.Unlock(ctx, "l1"); !errors.As(err, &held) {
		t.Error(err)
	}
	if err := b.Unlock(ctx, "l2"); err == nil || errors.As(err, &held) {
		t.Error(err)
	}
	kill(l)
	if h, err := b.Holder(ctx); err != nil || h != nil {
		t.Errorf("a dead holder: %v %v", h, err)
	}
	ok(t, b.Unlock(ctx, "l1"))
}

// TestReaders reads while runs come and go: every snapshot is whole.
func TestReaders(t *testing.T) {
	ctx := context.Background()
	b, _ := fresh(t)
	ok(t, locked(t, b).Release())
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := int64(-1)
			for !done.Load() {
				s, err := b.Read(ctx)
				if err != nil || s.Serial < last {
					t.Errorf("serial %d after %d: %v", s.Serial, last, err)
					return
				}
				last = s.Serial
			}
		})
	}
	for i := range 20 {
		l := locked(t, b)
		run(t, l, fmt.Sprintf("r%d", i), 8, i%3 != 0)
		if i%3 == 0 {
			kill(l)
			continue
		}
		ok(t, l.Release())
	}
	done.Store(true)
	wg.Wait()
}

// countFS counts the bytes that are written.
type countFS struct {
	fsys
	bytes atomic.Int64
}

type countFile struct {
	file
	c *countFS
}

func (c *countFS) Create(p string) (file, error) {
	f, err := c.fsys.Create(p)
	return &countFile{f, c}, err
}

func (f *countFile) WriteAt(b []byte, off int64) (int, error) {
	f.c.bytes.Add(int64(len(b)))
	return f.file.WriteAt(b, off)
}

// TestBytes bounds what a run writes by three times the state that it leaves.
func TestBytes(t *testing.T) {
	ratios := []float64{}
	for _, n := range []int{100, 1000, 4000} {
		b, dir := fresh(t)
		count := &countFS{fsys: osFS{}}
		b.fs = count
		l := locked(t, b)
		ctx := context.Background()
		j, err := l.Begin(ctx, "r", "d", n)
		ok(t, err)
		for i := 0; i < n; i += 50 {
			var in []state.Intent
			var res []state.Result
			for k := range 50 {
				in, res = append(in, backendtest.Intent("r", i+k)), append(res, backendtest.Result("r", i+k))
			}
			ok(t, j.Intent(ctx, in...))
			ok(t, j.Result(ctx, res...))
		}
		ok(t, j.End(ctx, true, nil))
		ok(t, l.Release())
		fi, err := os.Stat(dir + "/state.json")
		ok(t, err)
		ratios = append(ratios, float64(count.bytes.Load())/float64(fi.Size()))
	}
	t.Logf("written for each byte of state: %.2f", ratios)
	if slices.Max(ratios) > 3 {
		t.Errorf("%.2f", ratios)
	}
}

// fullFS is a disk with no room left, from when it is told.
type fullFS struct {
	fsys
	full atomic.Bool
}

type fullFile struct {
	file
	f *fullFS
}

func (f *fullFS) Create(p string) (file, error) {
	if f.full.Load() {
		return nil, syscall.ENOSPC
	}
	in, err := f.fsys.Create(p)
	return &fullFile{in, f}, err
}

func (f *fullFile) Reserve(n int64) error {
	if f.f.full.Load() {
		return syscall.ENOSPC
	}
	return f.file.Reserve(n)
}

// TestDiskFull fills the disk before and during a run: it strikes at Begin, or
// at an intent; the results of what runs, and the end, are still recorded.
func TestDiskFull(t *testing.T) {
	ctx := context.Background()
	b, dir := fresh(t)
	full := &fullFS{fsys: osFS{}}
	b.fs = full
	l := locked(t, b)
	full.full.Store(true)
	if _, err := l.Begin(ctx, "r0", "d", 10); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	full.full.Store(false)
	j, err := l.Begin(ctx, "r1", "d", 10)
	ok(t, err)
	full.full.Store(true)
	n := 0
	for ; ; n++ {
		in := backendtest.Intent("r1", n)
		in.Input = strings.Repeat("x", 100_000)
		if err := j.Intent(ctx, in); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
			break
		}
	}
	if n < 8 {
		t.Errorf("room for %d intents", n)
	}
	for i := range n {
		ok(t, j.Result(ctx, backendtest.Result("r1", i)))
	}
	if err := j.End(ctx, false, nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	ok(t, l.Release())
	full.full.Store(false)
	l = locked(t, New(dir, "1"))
	if s := l.Snapshot(); len(s.Objects) != n || len(s.Interrupted) != 0 || s.Applied.Running {
		t.Errorf("%d objects instead of %d, %d interrupted", len(s.Objects), n, len(s.Interrupted))
	}
	ok(t, l.Release())
}

// BenchmarkJournal records the intents and results of 1,000 steps by 32
// goroutines.
func BenchmarkJournal(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		back, _ := fresh(b)
		l := locked(b, back)
		j, err := l.Begin(ctx, "r", "d", 1000)
		ok(b, err)
		var next atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= 1000 {
						return
					}
					if err := errors.Join(j.Intent(ctx, backendtest.Intent("r", i)), j.Result(ctx, backendtest.Result("r", i))); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		ok(b, j.End(ctx, true, nil))
		ok(b, l.Release())
	}
}

// BenchmarkRead reads a state of 100,000 objects.
func BenchmarkRead(b *testing.B) {
	back, _ := fresh(b)
	l := locked(b, back)
	s := l.Snapshot()
	for i := range 100_000 {
		s.Objects[backendtest.Address(i)] = *backendtest.Result("r", i).Object
	}
	ok(b, l.Save(context.Background(), s))
	for b.Loop() {
		_, err := back.Read(context.Background())
		ok(b, err)
	}
}
