// Package site is a place to run the real kplan from: a directory with a spec,
// of the lab's machines or of others, and the binary.
//
// It knows how to run the program and to look at the lab's machines. It does
// not know what is tested.
package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/test/lab"
)

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

// Site is a spec of the lab's machines in a directory of its own.
type Site struct {
	Program
	Lab *lab.Lab
}

// New resets the machines and writes a spec for them; body is what comes after
// the connection and the hosts.
func New(tb testing.TB, body string) *Site {
	tb.Helper()
	l := lab.Open(tb)
	l.Reset(tb)
	s := &Site{*NewProgram(tb), l}
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
