package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl"
)

func fmtCommand() command {
	return command{
		name: "fmt", args: "[FILE|DIR|-]…", max: -1, short: "rewrite the files of a spec in their canonical form",
		long: "Rewrites *.kplan.hcl and *.kplanvars.hcl of the directory, and names those that it\n" +
			"changed. With - it formats standard input to standard output.",
		examples: []string{"kplan fmt", "kplan fmt --check --diff", "kplan fmt - < site.kplan.hcl"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			check := f.Bool("check", "change nothing; exit status 1 where a file differs")
			diff := f.Bool("diff", "show what differs")
			return func(_ context.Context, a *app, args []string) int {
				if len(args) == 0 {
					args = []string{"."}
				}
				if slices.Contains(args, "-") && len(args) > 1 {
					return a.fail(problem("- stands alone", "Standard input cannot be formatted together with files."))
				}
				o := formatOptions{check: *check, diff: *diff}
				if args[0] == "-" {
					return a.formatInput(o)
				}
				code := 0
				for _, arg := range args {
					code = worst(code, a.formatPath(o, arg))
				}
				return code
			}
		},
	}
}

type formatOptions struct{ check, diff bool }

// formatInput formats standard input.
func (a *app) formatInput(o formatOptions) int {
	src, err := io.ReadAll(io.LimitReader(a.env.Stdin, maxSource+1))
	if err != nil {
		return a.fail(problem("Standard input cannot be read", err.Error()+"."))
	}
	out, code := a.formatted("standard input", src)
	switch {
	case out == nil:
	case o.diff:
		a.view.Diff("standard input", string(src), string(out))
	case !o.check:
		a.view.Result(string(out))
	}
	if out != nil && o.check && !bytes.Equal(src, out) {
		code = 1
	}
	return code
}

// formatPath formats a file, or the files of a directory.
func (a *app) formatPath(o formatOptions, arg string) int {
	path := a.path(arg)
	info, err := os.Stat(path)
	if err != nil {
		return a.fail(problem("There is no file or directory "+arg, ""))
	}
	if !info.IsDir() {
		if !ofSpec(path) {
			return a.fail(problem(arg+" is no file of a spec", "These end in .kplan.hcl or .kplanvars.hcl."))
		}
		return a.formatFile(o, arg, path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return a.fail(problem("The directory "+arg+" cannot be read", err.Error()+"."))
	}
	code := 0
	for _, e := range entries {
		if e.Type().IsRegular() && ofSpec(e.Name()) {
			code = worst(code, a.formatFile(o, filepath.Join(arg, e.Name()), filepath.Join(path, e.Name())))
		}
	}
	return code
}

func ofSpec(name string) bool {
	return strings.HasSuffix(name, ".kplan.hcl") || strings.HasSuffix(name, ".kplanvars.hcl")
}

// maxSource is the largest file that is formatted: as much as a spec's may be.
const maxSource = 4 << 20

func (a *app) formatFile(o formatOptions, name, path string) int {
	src, err := os.ReadFile(path)
	if err != nil {
		return a.fail(problem("The file "+name+" cannot be read", err.Error()+"."))
	}
	out, code := a.formatted(name, src)
	if out == nil || bytes.Equal(src, out) {
		return code
	}
	if !o.check {
		if err := rewrite(path, out); err != nil {
			return a.fail(problem("The file "+name+" cannot be written", err.Error()+"."))
		}
	}
	a.view.Result(name)
	if o.diff {
		a.view.Diff(name, string(src), string(out))
	}
	if o.check {
		return 1
	}
	return code
}

// formatted is the canonical form of src; nil where it is no HCL.
func (a *app) formatted(name string, src []byte) ([]byte, int) {
	out, diags := dsl.Format(name, src)
	if diags.HasErrors() {
		a.view.Diagnostics(diags, func(string) []byte { return src })
		return nil, codeOf(diags)
	}
	return out, 0
}

// rewrite replaces a file by one rename, keeping its mode.
func rewrite(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kplan-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	for _, step := range []func() error{
		func() error { return tmp.Chmod(info.Mode().Perm()) },
		tmp.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
