package conn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
)

func TestContactCostsNoTrip(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, l := newMachine(t, sh).open(t)
		before := l.counted()
		c, err := s.Contact(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := l.counted() - before; got != 0 {
			t.Errorf("the first contact took %d round trips", got)
		}
		if c.UID != os.Getuid() || c.BootID == "" || c.Facts.Kernel == "" || c.Facts.CPUs == 0 || c.Facts.MemoryMiB == 0 || c.Facts.Arch == "" || c.Facts.OS == "" || c.Facts.CgroupVersion == 0 {
			t.Errorf("contact %+v", c)
		}
		again, err := s.Contact(t.Context())
		if err != nil || again.BootID != c.BootID {
			t.Errorf("second contact %+v, %v", again, err)
		}
		if before == 0 || l.counted()-before != 1 {
			t.Errorf("the second contact took %d round trips", l.counted()-before)
		}
		t.Logf("%+v", c.Facts)
	})
}

// Sixty readings of two calls each, the second of which depends on the first,
// take two round trips, and leave nothing behind.
func TestSixtyReadsTakeTwoTrips(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		dir := t.TempDir()
		s, l := m.open(t)
		if _, err := s.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
		var fns []func(context.Context, host.Host) error
		for i := range 60 {
			path := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(path, []byte(fmt.Sprintf("value %d", i)), 0o600); err != nil {
				t.Fatal(err)
			}
			fns = append(fns, func(ctx context.Context, h host.Host) error {
				f, err := host.Read(ctx, h, path)
				if err != nil {
					return err
				}
				out, err := host.Ask(ctx, h, "printf", "%s!", string(f[0].Content))
				if err != nil {
					return err
				}
				if got, want := string(out.Stdout), fmt.Sprintf("value %d!", i); got != want {
					return fmt.Errorf("got %q, want %q", got, want)
				}
				return nil
			})
		}
		before := l.counted()
		for i, err := range s.Read(t.Context(), fns) {
			if err != nil {
				t.Errorf("reading %d: %v", i, err)
			}
		}
		if got := l.counted() - before; got != 2 {
			t.Errorf("%d round trips, want 2", got)
		}
		for _, d := range []string{m.run, m.state} {
			if exists(d) {
				t.Errorf("reading made %s", d)
			}
		}
	})
}

// A clock is only said to be off by what the way there and back cannot explain.
func TestClocks(t *testing.T) {
	asked := time.Unix(1000, 0)
	came := asked.Add(3 * time.Second)
	for said, want := range map[string]time.Duration{
		"1000": 0, "1003": 0, "999": 0, "": 0, "soon": 0, "-": 0,
		"1004": time.Second, "1060": 57 * time.Second,
		"998": -time.Second, "0": -999 * time.Second,
	} {
		if got := ahead(said, asked, came); got != want {
			t.Errorf("a clock that shows %q is %v ahead, want %v", said, got, want)
		}
	}
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.open(t)
		for range 2 { // with the ready line, and by itself
			c, err := s.Contact(t.Context())
			if err != nil || c.Ahead != 0 {
				t.Errorf("its own clock is %v ahead, %v", c.Ahead, err)
			}
		}
	})
}

// A machine with another clock, as date(1) tells it.
func TestAnotherClock(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "date"), []byte("#!/bin/sh\n[ \"$*\" = +%s ] && echo 86400\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		opts := m.options()
		opts.path = dir + ":" + opts.withDefaults().path
		s, err := Open(t.Context(), newLocal("sh", "-c"), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 2 {
			c, err := s.Contact(t.Context())
			if want := time.Until(time.Unix(86401, 0)); err != nil || (c.Ahead-want).Abs() > time.Minute {
				t.Errorf("%v ahead, want %v; error %v", c.Ahead, want, err)
			}
		}
	})
}
