package conn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
)

func write(path, content string) function {
	return func(ctx context.Context, h host.Host) error {
		_, err := h.Do(ctx, host.WriteFile{Path: path, Content: []byte(content), Mode: 0o600})
		return err
	}
}

func run(argv ...string) function {
	return func(ctx context.Context, h host.Host) error {
		_, err := h.Do(ctx, host.Run{Argv: argv, Detached: true})
		return err
	}
}

func TestInlineActIsOneTrip(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, l := newMachine(t, sh).claimed(t)
		path := filepath.Join(t.TempDir(), "f")
		before := l.counted()
		var got string
		fnErr, readErr := s.Act(t.Context(), newID(), 1, write(path, "new"), func(ctx context.Context, h host.Host) error {
			f, err := host.Read(ctx, h, path)
			if err == nil {
				got = string(f[0].Content)
			}
			return err
		})
		if fnErr != nil || readErr != nil || got != "new" {
			t.Errorf("%q, %v, %v", got, fnErr, readErr)
		}
		if n := l.counted() - before; n != 1 {
			t.Errorf("%d round trips", n)
		}
	})
}

// Only the reading behind the last call counts; those before are dismissed,
// wherever they are.
func TestReadingFollowsTheLastCall(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, l := newMachine(t, sh).claimed(t)
		path := filepath.Join(t.TempDir(), "f")
		for chain := range 4 { // calls of the reading
			var last []string
			before := l.counted()
			fnErr, readErr := s.Act(t.Context(), newID(), 1, func(ctx context.Context, h host.Host) error {
				for i := range 3 {
					if err := write(path, fmt.Sprint(i))(ctx, h); err != nil {
						return err
					}
				}
				return nil
			}, func(ctx context.Context, h host.Host) error {
				var seen []string
				for range chain {
					f, err := host.Read(ctx, h, path)
					if err != nil {
						return err
					}
					seen = append(seen, string(f[0].Content))
				}
				last = seen
				return nil
			})
			if fnErr != nil || readErr != nil {
				t.Fatal(fnErr, readErr)
			}
			if want := strings.Repeat("2", chain); strings.Join(last, "") != want {
				t.Errorf("chain of %d saw %q", chain, last)
			}
			if n, want := l.counted()-before, 3+max(0, chain-1); n != want {
				t.Errorf("chain of %d: %d round trips, want %d", chain, n, want)
			}
		}
		// Without an act, and with a failing one, the reading is made too.
		boom := errors.New("boom")
		for _, fn := range []function{
			func(context.Context, host.Host) error { return boom },
			func(ctx context.Context, h host.Host) error {
				_, err := h.Do(ctx, host.Run{Argv: []string{"false"}}, host.Remove{Path: path})
				return errors.Join(boom, err)
			},
		} {
			seen := ""
			fnErr, readErr := s.Act(t.Context(), newID(), 1, fn, func(ctx context.Context, h host.Host) error {
				f, err := host.Read(ctx, h, path)
				seen = string(f[0].Content)
				return err
			})
			if !errors.Is(fnErr, boom) || readErr != nil || seen != "2" {
				t.Errorf("%v, %v, %q", fnErr, readErr, seen)
			}
		}
	})
}

func TestReadingMayNotAct(t *testing.T) {
	s, _ := newMachine(t, "/bin/sh").claimed(t)
	fnErr, readErr := s.Act(t.Context(), newID(), 1, write(filepath.Join(t.TempDir(), "f"), ""), write("/x", ""))
	if fnErr != nil || !errors.Is(readErr, host.ErrReadOnly) {
		t.Errorf("%v, %v", fnErr, readErr)
	}
}

func TestFence(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.claimed(t)
		other, _ := m.open(t)
		path := filepath.Join(t.TempDir(), "f")
		acts := func(s *Session, epoch int64) error {
			err, _ := s.Act(t.Context(), newID(), epoch, write(path, "x"), nil)
			return err
		}
		must(t, acts(s, 1))
		must(t, acts(s, 2)) // the fence is lower
		must(t, other.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 5, Run: "other"}))
		must(t, os.Remove(path))
		for _, fn := range []function{write(path, "x"), run("touch", path)} {
			if err, _ := s.Act(t.Context(), newID(), 4, fn, nil); !errors.Is(err, host.ErrFenced) {
				t.Errorf("an act under a higher fence: %v", err)
			}
		}
		if exists(path) {
			t.Error("a fenced act was done")
		}
		if err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 4, Run: "late"}); !errors.Is(err, host.ErrFenced) {
			t.Errorf("a claim under a higher fence: %v", err)
		}
		if err := s.Sign(t.Context(), host.Receipt{Lineage: lineage, Epoch: 4, Run: "late"}, nil); !errors.Is(err, host.ErrFenced) {
			t.Errorf("a receipt under a higher fence: %v", err)
		}
		must(t, acts(s, 5))
		must(t, s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 5, Run: "again"}))
		// A session that has not claimed goes by the epoch.
		fresh, _ := m.open(t)
		if err := acts(fresh, 4); !errors.Is(err, host.ErrFenced) {
			t.Errorf("%v", err)
		}
		must(t, acts(fresh, 5))
		// Another lineage takes over, and ours has lost.
		must(t, other.Claim(t.Context(), host.Fence{Lineage: "another", Epoch: 1, Run: "r"}))
		if err := acts(s, 99); !errors.Is(err, host.ErrFenced) {
			t.Errorf("after another lineage: %v", err)
		}
		// A fence that cannot be read is one.
		must(t, os.WriteFile(filepath.Join(m.state, "fence"), []byte("rubbish\n"), 0o600))
		if err := acts(other, 99); !errors.Is(err, host.ErrFenced) {
			t.Errorf("under a damaged fence: %v", err)
		}
		if _, err := s.Contact(t.Context()); err != nil { // from before
			t.Error(err)
		}
		if _, err := s.Contact(t.Context()); err == nil || !strings.Contains(err.Error(), "record on the machine is damaged") {
			t.Errorf("%v", err)
		}
	})
}

func TestClaimMakesPrivateDirectories(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		m.claimed(t)
		for _, d := range []string{m.run, m.state, filepath.Join(m.run, "acts")} {
			if info, err := os.Stat(d); err != nil || info.Mode() != 0o700|os.ModeDir {
				t.Errorf("%s: %v, %v", d, info, err)
			}
		}
		for name, spoil := range map[string]func(string) error{
			"mode": func(d string) error { return errors.Join(os.Mkdir(d, 0o755), os.Chmod(d, 0o755)) },
			"link": func(d string) error { return os.Symlink("/tmp", d) },
			"file": func(d string) error { return os.WriteFile(d, nil, 0o700) },
		} {
			m := newMachine(t, sh)
			must(t, spoil(m.run))
			s, _ := m.open(t)
			err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: runID})
			if err == nil || errors.Is(err, host.ErrFenced) || !strings.Contains(err.Error(), "cannot claim the machine: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestReceipt(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.claimed(t)
		open := []host.ActID{{Run: "open", Step: 1}, {Run: "absent", Step: 2}}
		second := host.ActID{Run: "open", Step: 1, N: 1}
		for _, id := range []host.ActID{newID(), newID(), {Run: "earlier", Step: 1}, {Run: "open", Step: 11}, open[0], second} {
			if err, _ := s.Act(t.Context(), id, 1, run("true"), nil); err != nil {
				t.Fatal(err)
			}
		}
		want := host.Receipt{Lineage: lineage, Serial: 7, Epoch: 1, Run: runID, Digest: "sha256:00"}
		must(t, s.Sign(t.Context(), want, open))
		fresh, _ := m.open(t)
		c, err := fresh.Contact(t.Context())
		if err != nil || c.Receipt == nil || *c.Receipt != want || c.Fence == nil || c.Fence.Run != runID {
			t.Errorf("%+v, %v", c, err)
		}
		if len(c.Acts) != 2 || c.Acts[0].ID != open[0] || c.Acts[1].ID != second || c.Acts[1].State != host.ActDone {
			t.Errorf("acts %+v", c.Acts)
		}
	})
}
