package site

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaries names the directory that the program is built in.
const binaries = "KPLAN_TEST_BINARIES"

// Program is kplan in a directory of its own, which holds the spec.
type Program struct {
	Dir string
	Env []string // added to that of this process

	tb  testing.TB
	bin string
}

// NewProgram builds the program and makes its directory, which is empty.
func NewProgram(tb testing.TB) *Program {
	tb.Helper()
	return &Program{tb: tb, Dir: tb.TempDir(), bin: build(tb)}
}

// build builds the program: once for the tests of this process where [Main] is
// their TestMain, else for each.
func build(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv(binaries)
	if dir == "" {
		dir = tb.TempDir()
	}
	path := filepath.Join(dir, "kplan")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.Command("go", "build", "-o", path, "github.com/kplan/kplan/cmd/kplan").CombinedOutput()
	if err != nil {
		tb.Fatalf("building kplan: %v\n%s", err, out)
	}
	return path
}

// Bin is the file of the program, for running it on another machine.
func (p *Program) Bin() string { return p.bin }

// Write writes a file of the spec.
func (p *Program) Write(name, content string) {
	p.tb.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(content), 0o600); err != nil {
		p.tb.Fatal(err)
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
func (p *Program) Start(args ...string) *Process {
	p.tb.Helper()
	c := &Process{Cmd: exec.Command(p.bin, args...)}
	c.Dir, c.Cmd.Env = p.Dir, append(os.Environ(), p.Env...)
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	if err := c.Cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	return c
}

// Wait waits for a command to end.
func (p *Program) Wait(c *Process) Ran {
	p.tb.Helper()
	err := c.Cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.tb.Fatal(err)
	}
	return Ran{c.stdout.String(), c.stderr.String(), c.ProcessState.ExitCode()}
}

// Run runs a command.
func (p *Program) Run(args ...string) Ran {
	p.tb.Helper()
	return p.Wait(p.Start(args...))
}

// Want runs a command that is to end with the exit code.
func (p *Program) Want(code int, args ...string) Ran {
	p.tb.Helper()
	r := p.Run(args...)
	if r.Code != code {
		p.tb.Fatalf("kplan %s ended with %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}
