// Package site is a place to run the real kplan from: a directory with a spec
// of the lab's machines, and the binary.
//
// It knows how to run the program and to look at its machines. It does not know
// what is tested.
package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/test/lab"
)

// binaries names the directory that the program is built in.
const binaries = "KPLAN_TEST_BINARIES"

// Main is the TestMain of a package whose tests run kplan in the lab.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "site-")
	if err == nil {
		err = os.Setenv(binaries, dir)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := lab.Run(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the program, once for the tests of this process.
func build(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(os.Getenv(binaries), "kplan")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.Command("go", "build", "-o", path, "github.com/kplan/kplan/cmd/kplan").CombinedOutput()
	if err != nil {
		tb.Fatalf("building kplan: %v\n%s", err, out)
	}
	return path
}

// Site is a spec of the lab's machines in a directory of its own.
type Site struct {
	Lab *lab.Lab
	Dir string
	Env []string // added to that of this process

	tb  testing.TB
	bin string
}

// New resets the machines and writes a spec for them; body is what comes after
// the connection and the hosts.
func New(tb testing.TB, body string) *Site {
	tb.Helper()
	l := lab.Open(tb)
	l.Reset(tb)
	s := &Site{tb: tb, Lab: l, Dir: tb.TempDir(), bin: build(tb)}
	s.Write("main.kplan.hcl", s.Head()+body)
	return s
}

// Head is the connection and the hosts.
func (s *Site) Head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connection {\n  user             = \"root\"\n  private_key_file = %q\n  known_hosts_file = %q\n}\n",
		s.Lab.Key(), s.Lab.KnownHosts())
	for _, m := range s.Lab.Machines() {
		fmt.Fprintf(&b, "host %q {\n  address = %q\n}\n", m.Name, m.Address)
	}
	return b.String()
}

// Write writes a file of the spec.
func (s *Site) Write(name, content string) {
	s.tb.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(content), 0o600); err != nil {
		s.tb.Fatal(err)
	}
}

// Ran is how a command of kplan ended.
type Ran struct {
	Stdout, Stderr string
	Code           int // -1 where a signal ended it
}

// Process is a kplan that runs.
type Process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// Start begins a command.
func (s *Site) Start(args ...string) *Process {
	s.tb.Helper()
	p := &Process{Cmd: exec.Command(s.bin, args...)}
	p.Dir, p.Cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	return p
}

// Wait waits for a command to end.
func (s *Site) Wait(p *Process) Ran {
	s.tb.Helper()
	err := p.Cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.tb.Fatal(err)
	}
	return Ran{p.stdout.String(), p.stderr.String(), p.ProcessState.ExitCode()}
}

// Run runs a command.
func (s *Site) Run(args ...string) Ran {
	s.tb.Helper()
	return s.Wait(s.Start(args...))
}

// Want runs a command that is to end with the exit code.
func (s *Site) Want(code int, args ...string) Ran {
	s.tb.Helper()
	r := s.Run(args...)
	if r.Code != code {
		s.tb.Fatalf("kplan %s ended with %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// On runs a script on a machine, beside kplan.
func (s *Site) On(name, script string) string {
	s.tb.Helper()
	m, err := s.Lab.Machine(name)
	if err != nil {
		s.tb.Fatal(err)
	}
	out, err := m.Exec(context.Background(), script)
	if err != nil {
		s.tb.Fatalf("on %s: %s: %v", name, script, err)
	}
	return out
}

// In is the site for a subtest: the same spec on the same machines, and no
// state.
func (s *Site) In(tb testing.TB) *Site {
	tb.Helper()
	sub := *s
	sub.tb = tb
	if err := os.RemoveAll(filepath.Join(s.Dir, ".kplan")); err != nil {
		tb.Fatal(err)
	}
	return &sub
}
