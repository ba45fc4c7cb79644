package dsl

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

// TestErrors runs each archive in testdata/errors: the spec in it, and the
// diagnostics of loading, expanding and evaluating it in its last file, want.
// A comment before the first file may hold lines `var NAME=VALUE` and `env NAME=VALUE`.
func TestErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(src)
			var want string
			var files []txtar.File
			for _, f := range a.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				files = append(files, f)
			}
			got := diagnosticsOf(t, string(a.Comment), files)
			if *update {
				a.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func diagnosticsOf(t *testing.T, comment string, files []txtar.File) string {
	dir := t.TempDir()
	writeTo(t, dir, files)
	if !strings.Contains(comment, "no hosts") {
		writeTo(t, dir, []txtar.File{{Name: "hosts.kplan.hcl", Data: []byte(hosts3)}})
	}
	o := Options{Types: testTypes(), Version: "0.1.0", Facts: factNames}
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "var "); ok {
			o.Vars = append(o.Vars, v)
		}
		if v, ok := strings.CutPrefix(line, "env "); ok {
			o.Env = append(o.Env, v)
		}
	}
	s, diags := Load(dir, o)
	if !diags.HasErrors() {
		e, more := s.Expand()
		diags = append(diags, more...)
		if !more.HasErrors() {
			for _, i := range e.Instances {
				_, more := i.Evaluate(NoScope{})
				diags = append(diags, more...)
				diags = append(diags, i.Preconditions(NoScope{})...)
			}
			_, more := s.Outputs(NoScope{})
			diags = append(diags, more...)
		}
	}
	var b strings.Builder
	for _, d := range Distinct(diags) {
		if d.Subject == nil {
			t.Errorf("no subject: %s", d.Error())
			continue
		}
		if d.EvalContext != nil {
			t.Errorf("an evaluation context leaves with %s", d.Error())
		}
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		fmt.Fprintf(&b, "%s:%d,%d-%d,%d: %s: %s\n", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column,
			d.Subject.End.Line, d.Subject.End.Column, severity, d.Summary)
		fmt.Fprintf(&b, "\t%s\n", strings.ReplaceAll(d.Detail, "\n", "\n\t"))
	}
	return strings.ReplaceAll(b.String(), dir, "$DIR")
}

func TestLoadNothing(t *testing.T) {
	for name, dir := range map[string]string{"absent": filepath.Join(t.TempDir(), "none"), "empty": t.TempDir()} {
		s, diags := Load(dir, Options{Types: testTypes()})
		if !diags.HasErrors() || diags[0].Subject == nil {
			t.Errorf("%s: %v", name, diags)
		}
		if s == nil || s.Files() == nil {
			t.Errorf("%s: no spec to show sources of", name)
		}
		if e, _ := s.Expand(); len(e.Instances) != 0 {
			t.Errorf("%s: instances", name)
		}
	}
}

// TestIrregularFiles holds that what is no regular file, or not the spec's, is
// refused and not waited for.
func TestIrregularFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, put := range map[string]func(path string) error{
		"not a regular file":           func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"outside the spec's directory": func(p string) error { return os.Symlink(outside, p) },
		"too large":                    func(p string) error { return os.WriteFile(p, make([]byte, maxFile+1), 0o600) },
		"no such file":                 func(p string) error { return os.Symlink("none", p) },
	} {
		dir := t.TempDir()
		if err := put(filepath.Join(dir, "a.kplan.hcl")); err != nil {
			t.Fatal(err)
		}
		s, diags := Load(dir, Options{Types: testTypes()})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) && want != "too large" {
			t.Errorf("%s: %v", want, diags)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/errors/*.txtar")
	for _, p := range paths {
		if base := filepath.Base(p); base == "laughs.txtar" || base == "loops.txtar" {
			continue // they take their time
		}
		src, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(src).Files {
			if file.Name != "want" {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte(hosts3))
	f.Fuzz(func(t *testing.T, src []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.kplan.hcl"), src, 0o644); err != nil {
			t.Fatal(err)
		}
		s, diags := Load(dir, Options{Types: testTypes(), Facts: factNames})
		if !diags.HasErrors() {
			var e *Expansion
			if e, diags = s.Expand(); !diags.HasErrors() {
				for _, i := range e.Instances {
					v, more := i.Evaluate(NoScope{})
					if !more.HasErrors() && !v.Type().Equals(i.Block.block.schema.Object()) {
						t.Errorf("%s is of type %#v", i.Addr, v.Type())
					}
					i.FactsUsed()
				}
				s.Outputs(NoScope{})
				s.Checks(NoScope{})
			}
		}
		for _, d := range diags {
			if d.Subject == nil || d.Summary == "" || d.Detail == "" {
				t.Errorf("incomplete diagnostic %#v", d)
			}
		}
	})
}
