// Package e2e runs the real binary against real machines, and looks at what it
// prints, what it leaves on them and what it records.
package e2e

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

func TestMain(m *testing.M) { lab.Main(m) }

// kplanBinary builds the program once for the tests of this process.
func kplanBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("kplan-e2e-%d", os.Getpid()))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.Command("go", "build", "-o", path, "github.com/kplan/kplan/cmd/kplan").CombinedOutput()
	if err != nil {
		t.Fatalf("building kplan: %v\n%s", err, out)
	}
	return path
}

// site is a spec of the lab's machines in a directory of its own.
type site struct {
	t   *testing.T
	lab *lab.Lab
	dir string
	bin string
	env []string
}

// newSite resets the machines and writes the head of a spec for them; body is
// the rest of it.
func newSite(t *testing.T, body string) *site {
	t.Helper()
	l := lab.Open(t)
	l.Reset(t)
	s := &site{t: t, lab: l, dir: t.TempDir(), bin: kplanBinary(t)}
	s.write("main.kplan.hcl", s.head()+body)
	return s
}

// in is the site for a subtest: the same spec, and no state.
func (s *site) in(t *testing.T) *site {
	t.Helper()
	sub := *s
	sub.t = t
	if err := os.RemoveAll(filepath.Join(s.dir, ".kplan")); err != nil {
		t.Fatal(err)
	}
	return &sub
}

// head is the connection and the hosts.
func (s *site) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connection {\n  user             = \"root\"\n  private_key_file = %q\n  known_hosts_file = %q\n}\n",
		s.lab.Key(), s.lab.KnownHosts())
	for _, m := range s.lab.Machines() {
		fmt.Fprintf(&b, "host %q {\n  address = %q\n}\n", m.Name, m.Address)
	}
	return b.String()
}

func (s *site) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// ran is how a command of kplan ended.
type ran struct {
	stdout, stderr string
	code           int
}

func (s *site) kplan(args ...string) ran {
	s.t.Helper()
	return s.wait(s.start(args...))
}

// process is a kplan that runs.
type process struct {
	*exec.Cmd
	stdout, stderr *bytes.Buffer
}

func (s *site) start(args ...string) *process {
	s.t.Helper()
	p := &process{Cmd: exec.Command(s.bin, args...), stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}
	p.Dir, p.Env = s.dir, append(os.Environ(), s.env...)
	p.Stdout, p.Stderr = p.stdout, p.stderr
	if err := p.Start(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *site) wait(p *process) ran {
	s.t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return ran{p.stdout.String(), p.stderr.String(), p.ProcessState.ExitCode()}
}

// ok runs kplan and wants exit status 0.
func (s *site) ok(args ...string) ran {
	s.t.Helper()
	return s.want(0, args...)
}

func (s *site) want(code int, args ...string) ran {
	s.t.Helper()
	r := s.kplan(args...)
	if r.code != code {
		s.t.Fatalf("kplan %s ended with %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// on runs a script on a machine, beside kplan.
func (s *site) on(name, script string) string {
	s.t.Helper()
	m, err := s.lab.Machine(name)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := m.Exec(context.Background(), script)
	if err != nil {
		s.t.Fatalf("on %s: %s: %v", name, script, err)
	}
	return out
}

// has wants text in what was printed.
func (s *site) has(where, text string) {
	s.t.Helper()
	if !strings.Contains(where, text) {
		s.t.Errorf("%q is not in:\n%s", text, where)
	}
}

// empty wants a plan that has nothing to do.
func (s *site) empty() {
	s.t.Helper()
	r := s.want(0, "plan", "-detailed-exitcode")
	s.has(r.stdout, "No changes. Your infrastructure matches the configuration.")
}
