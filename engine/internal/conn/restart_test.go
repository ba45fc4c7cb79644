package conn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kplan/kplan/modules/host"
)

// restarting is a session whose machine has programs of the test in the place of
// reboot and systemctl. They count their calls and run script.
func restarting(t *testing.T, sh, script string) (s *Session, l *local, counter string) {
	t.Helper()
	dir := t.TempDir()
	counter = filepath.Join(dir, "calls")
	for _, name := range []string{"reboot", "systemctl"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n[ \"$1\" = is-system-running ] && exec echo running\necho called >>"+counter+"\n"+script), 0o755))
	}
	opts := newMachine(t, sh).options()
	opts.path = dir + ":" + searchPath
	l = newLocal("sh", "-c")
	s, err := Open(t.Context(), l, opts)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: runID}))
	for _, name := range []string{"reboot", "systemctl"} { // before it is too late
		res, err := do(t, s, host.Query{Argv: []string{"sh", "-c", "command -v " + name}})
		if err != nil || string(res[0].Output.Stdout) != filepath.Join(dir, name)+"\n" {
			t.Fatalf("%s is %v, %v", name, res, err)
		}
	}
	return s, l, counter
}

func calls(counter string) int {
	b, _ := os.ReadFile(counter)
	return strings.Count(string(b), "called\n")
}

// A restart has no answer but the end of the connection.
func TestRestart(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		fifo := filepath.Join(t.TempDir(), "begun")
		must(t, syscall.Mkfifo(fifo, 0o600))
		s, l, counter := restarting(t, sh, "echo >"+fifo)
		go func() {
			_, _ = os.ReadFile(fifo) // the machine goes down
			_ = l.Close()
		}()
		if _, err := act1(t, s, host.Restart{}); !errors.Is(err, host.ErrLost) {
			t.Errorf("the error is %v", err)
		}
		if n := calls(counter); n != 1 {
			t.Errorf("it was asked for %d times", n)
		}
	})
}

func TestRestartIsRefused(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _, counter := restarting(t, sh, "echo 'somebody is logged in' >&2\nexit 1\n")
		_, err := act1(t, s, host.Restart{})
		if err == nil || err.Error() != "the machine refused to restart: somebody is logged in" {
			t.Errorf("the error is %v", err)
		}
		for _, ops := range [][]host.Op{{host.Remove{Path: "/absent"}, host.Restart{}}, {host.Restart{}, host.Remove{Path: "/absent"}}} {
			if _, err := act1(t, s, ops...); err == nil {
				t.Error("it was not alone in its call")
			}
		}
		if _, err := do(t, s, host.Restart{}); !errors.Is(err, host.ErrReadOnly) {
			t.Errorf("as a reading, the error is %v", err)
		}
		must(t, s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 2, Run: runID}))
		if _, err := act1(t, s, host.Restart{}); !errors.Is(err, host.ErrFenced) {
			t.Errorf("behind a fence, the error is %v", err)
		}
		if n := calls(counter); n != 1 {
			t.Errorf("it was asked for %d times", n)
		}
	})
}
