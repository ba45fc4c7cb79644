package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kplan/kplan/modules/host"
)

// odd are names that a shell, a terminal or a parser could stumble over.
var odd = []string{
	"plain", "with blank", "quote'quote", `double"quote`, "dollar$HOME", "back`tick`", `back\slash`, "new\nline", "\n", "tab\t", "-dash", "--",
	"*", "?[a]", "~", "#", "!", "é", "\xff\xfe", "\x81\x88\x82", "$(touch pwned)", ";touch pwned", "&", "|", "end\n", "\x01\x7f",
}

func TestReadFile(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).open(t)
		dir := t.TempDir()
		path := func(name string) string { return filepath.Join(dir, name) }
		binary := make([]byte, 70000)
		for i := range binary {
			binary[i] = byte(i * i >> 3)
		}
		must(t, os.WriteFile(path("empty"), nil, 0o640))
		must(t, os.WriteFile(path("binary"), binary, 0o600))
		must(t, os.WriteFile(path("lines"), []byte("a\n\n"), 0o644))
		must(t, os.Chmod(path("lines"), 0o4755|fs.ModeSetuid))
		must(t, os.Symlink("to\nnowhere\n", path("link")))
		must(t, os.Mkdir(path("dir"), 0o755))
		must(t, os.Chmod(path("dir"), 0o755|fs.ModeSticky))
		must(t, syscall.Mkfifo(path("pipe"), 0o600))
		var names []string
		for _, n := range append(slices.Clone(odd), ".hidden", "..three", ".a") {
			must(t, os.WriteFile(filepath.Join(dir, "dir", n), nil, 0o600))
			names = append(names, n)
		}
		slices.Sort(names)

		read := func(op host.ReadFile) *host.File {
			t.Helper()
			res, err := do(t, s, op)
			if err != nil {
				t.Fatal(err)
			}
			return res[0].File
		}
		if f := read(host.ReadFile{Path: path("absent")}); f != nil {
			t.Errorf("absent: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("lines/below")}); f != nil {
			t.Errorf("below a file: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("empty")}); f.Kind != host.KindFile || f.Content == nil || len(f.Content) != 0 || f.Mode != 0o640 {
			t.Errorf("empty: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("binary")}); !bytes.Equal(f.Content, binary) || f.Size != int64(len(binary)) || f.SHA256 != "" {
			t.Errorf("binary: %d bytes, size %d", len(f.Content), f.Size)
		}
		if f := read(host.ReadFile{Path: path("binary"), Limit: 69999}); f.Content != nil || len(f.SHA256) != 64 {
			t.Errorf("over the limit: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("lines")}); string(f.Content) != "a\n\n" || f.Mode != 0o755|fs.ModeSetuid {
			t.Errorf("lines: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("link")}); f.Kind != host.KindSymlink || f.Target != "to\nnowhere\n" {
			t.Errorf("link: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("pipe"), List: true}); f.Kind != host.KindOther {
			t.Errorf("pipe: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("dir")}); f.Kind != host.KindDir || f.Mode != 0o755|fs.ModeSticky || f.Entries != nil {
			t.Errorf("dir: %+v", f)
		}
		if f := read(host.ReadFile{Path: path("dir"), List: true}); !slices.Equal(f.Entries, names) {
			t.Errorf("entries %q, want %q", f.Entries, names)
		}
		for _, n := range odd {
			if f := read(host.ReadFile{Path: filepath.Join(dir, "dir", n)}); f == nil {
				t.Errorf("%q was not found", n)
			}
		}
		if f := read(host.ReadFile{Path: "/proc/version"}); f.Size != 0 || !strings.HasPrefix(string(f.Content), "Linux") {
			t.Errorf("proc: %+v", f)
		}
		if f := read(host.ReadFile{Path: "/etc/passwd"}); f.Owner != "root" || f.Group != "root" {
			t.Errorf("owner: %+v", f)
		}
		var refused *host.OpError
		for _, p := range []string{"relative", "", "/nul\x00", path("dir/") + strings.Repeat("x", 300)} {
			if _, err := do(t, s, host.ReadFile{Path: p}); !errors.As(err, &refused) || refused.Op != "read" {
				t.Errorf("%q: %v", p, err)
			}
		}
		big := make([]byte, 3<<20)
		must(t, os.WriteFile(path("big"), big, 0o600))
		if f := read(host.ReadFile{Path: path("big"), Limit: 4 << 20}); len(f.Content) != len(big) {
			t.Errorf("big: %d bytes", len(f.Content))
		}
	})
}

func TestQuery(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).open(t)
		for _, arg := range append(slices.Clone(odd), "", strings.Repeat("x", 100000)) {
			res, err := do(t, s, host.Query{Argv: []string{"printf", "%s", arg}})
			if err != nil || string(res[0].Output.Stdout) != arg {
				t.Errorf("%.40q came back as %.40q, %v", arg, res[0].Output.Stdout, err)
			}
		}
		res, err := do(t, s, host.Query{Argv: []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, AnyExit: true}, host.Query{Argv: []string{"sh", "-c", "kill -9 $$"}, AnyExit: true})
		if err != nil || string(res[0].Output.Stdout) != "out\n" || string(res[0].Output.Stderr) != "err\n" || res[0].Output.Code != 3 || res[1].Output.Code != 137 {
			t.Errorf("%+v, %v", res, err)
		}
		// A call stops at the first that fails.
		res, err = do(t, s, host.Query{Argv: []string{"true"}}, host.ReadFile{Path: "/absent"}, host.Query{Argv: []string{"sh", "-c", "echo no >&2; exit 4"}}, host.Query{Argv: []string{"true"}})
		var exit *host.ExitError
		if len(res) != 2 || !errors.As(err, &exit) || exit.Output.Code != 4 || err.Error() != "sh ended with exit status 4: no" {
			t.Errorf("%d results, %v", len(res), err)
		}
		// No function of the program and no builtin stands in for a command.
		for _, name := range []string{"mark", "o", "take", "eval", "no-such-command"} {
			if _, err := do(t, s, host.Query{Argv: []string{name, "x"}}); !errors.As(err, &exit) || exit.Output.Code != 127 {
				t.Errorf("%s: %v", name, err)
			}
		}
		// The environment is the contract's; bash adds _, the command's name.
		res, err = do(t, s, host.Query{Argv: []string{"env"}})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(res[0].Output.Stdout)) {
			if n, _, _ := strings.Cut(line, "="); n != "PATH" && n != "_" && line != "LC_ALL=C\n" {
				t.Errorf("environment: %q", line)
			}
		}
		// Standard input is empty, and not the session's.
		if res, err = do(t, s, host.Query{Argv: []string{"cat"}}); err != nil || len(res[0].Output.Stdout) != 0 {
			t.Errorf("%+v, %v", res, err)
		}
		// What is too much is drained, and the session goes on.
		res, err = do(t, s, host.Query{Argv: []string{"sh", "-c", "head -c 5000000 /dev/zero; head -c 2000000 /dev/zero >&2"}}, host.Query{Argv: []string{"echo", "x"}})
		if err != nil || len(res[0].Output.Stdout) != 1<<20 || len(res[0].Output.Stderr) != 1<<20 || !res[0].Output.Truncated || string(res[1].Output.Stdout) != "x\n" {
			t.Errorf("%v", err)
		}
		for _, argv := range [][]string{nil, {""}, {"-x"}, {"a", "b\x00"}} {
			if _, err := do(t, s, host.Query{Argv: argv}); err == nil {
				t.Errorf("%q was accepted", argv)
			}
		}
		for _, op := range []host.Op{host.Run{Argv: []string{"true"}}, host.WriteFile{Path: "/x"}, host.MakeDir{Path: "/x"}, host.Remove{Path: "/x"}} {
			if _, err := do(t, s, op); !errors.Is(err, host.ErrReadOnly) {
				t.Errorf("%T: %v", op, err)
			}
		}
	})
}

func TestWriteFile(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).claimed(t)
		dir := t.TempDir()
		path := filepath.Join(dir, "it's a file\n")
		for _, content := range []string{"", "x", "\n", "a\n\n", "\x00\xff'$(x)", strings.Repeat("0123456789abcdef", 20000), strings.Repeat("z", 65536), strings.Repeat("z", 131072)} {
			if _, err := act1(t, s, host.WriteFile{Path: path, Content: []byte(content), Mode: 0o640}); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			info, _ := os.Stat(path)
			if err != nil || string(got) != content || info.Mode() != 0o640 {
				t.Errorf("%d of %d bytes, mode %v, %v", len(got), len(content), info.Mode(), err)
			}
		}
		if _, err := act1(t, s, host.WriteFile{Path: path, Mode: 0o755 | fs.ModeSetuid}); err != nil {
			t.Fatal(err)
		}
		if info, _ := os.Stat(path); info.Mode() != 0o755|fs.ModeSetuid {
			t.Errorf("mode %v", info.Mode())
		}
		// A link at the place is replaced, and not followed.
		target := filepath.Join(dir, "target")
		must(t, errors.Join(os.WriteFile(target, []byte("mine"), 0o600), os.Symlink(target, filepath.Join(dir, "link"))))
		if _, err := act1(t, s, host.WriteFile{Path: filepath.Join(dir, "link"), Content: []byte("new"), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(target); string(b) != "mine" {
			t.Errorf("the target holds %q", b)
		}
		var refused *host.OpError
		must(t, os.Mkdir(filepath.Join(dir, "dir"), 0o700))
		for _, op := range []host.WriteFile{
			{Path: filepath.Join(dir, "absent", "x"), Content: make([]byte, 300000)},
			{Path: filepath.Join(dir, "dir"), Content: []byte("x")},
			{Path: filepath.Join(dir, "x"), Owner: "no-such-user"},
			{Path: filepath.Join(dir, "x"), Owner: "a:b"},
			{Path: "relative"},
		} {
			if _, err := act1(t, s, op, host.Run{Argv: []string{"touch", filepath.Join(dir, "after")}}); !errors.As(err, &refused) || refused.Op != "write" {
				t.Errorf("%s: %v", op.Path, err)
			}
		}
		if os.Getuid() == 0 {
			if _, err := act1(t, s, host.WriteFile{Path: path, Owner: "daemon", Group: "1234", Mode: 0o2755 | fs.ModeSetgid}); err != nil {
				t.Fatal(err)
			}
			res, err := do(t, s, host.ReadFile{Path: path})
			if f := res[0].File; err != nil || f.Owner != "daemon" || f.Group != "1234" || f.Mode != 0o755|fs.ModeSetgid {
				t.Errorf("%+v, %v", f, err)
			}
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 4 {
			t.Errorf("%v, %v", left, err)
		}
	})
}

func TestMakeDirAndRemove(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).claimed(t)
		dir := t.TempDir()
		path := filepath.Join(dir, "d d")
		for _, mode := range []fs.FileMode{0o755, 0o700 | fs.ModeSetgid, 0o777 | fs.ModeSticky, 0o750} {
			if _, err := act1(t, s, host.MakeDir{Path: path, Mode: mode}); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != mode|fs.ModeDir {
				t.Errorf("%v, want %v, %v", info.Mode(), mode, err)
			}
		}
		must(t, errors.Join(os.WriteFile(filepath.Join(dir, "f"), nil, 0o600), os.Symlink(path, filepath.Join(dir, "l"))))
		var refused *host.OpError
		for _, p := range []string{filepath.Join(dir, "f"), filepath.Join(dir, "l"), filepath.Join(dir, "l") + "/", filepath.Join(dir, "a", "b")} {
			if _, err := act1(t, s, host.MakeDir{Path: p, Mode: 0o777}); !errors.As(err, &refused) || refused.Op != "make directory" {
				t.Errorf("%s: %v", p, err)
			}
		}
		if info, _ := os.Stat(path); info.Mode() != 0o750|fs.ModeDir {
			t.Errorf("through a link: %v", info.Mode())
		}
		must(t, os.WriteFile(filepath.Join(path, "x"), nil, 0o600))
		if _, err := act1(t, s, host.Remove{Path: path}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("%v", err)
		}
		for _, p := range []string{filepath.Join(dir, "l"), filepath.Join(path, "x"), path, path, filepath.Join(dir, "f"), filepath.Join(dir, "f", "below")} {
			if _, err := act1(t, s, host.Remove{Path: p}); err != nil {
				t.Error(err)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%v, %v", left, err)
		}
	})
}

func TestRun(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.claimed(t)
		stdin := strings.Repeat("\x00in'put\n", 40000)
		values := append(slices.Clone(odd), "", strings.Repeat("v", 70000))
		var env []string
		for i, v := range values {
			env = append(env, fmt.Sprintf("V%d=%s", i, v))
		}
		res, err := act1(t, s,
			host.Run{Argv: []string{"cat"}, Stdin: []byte(stdin)},
			host.Run{Argv: []string{"env", "-0"}, Env: env},
			host.Run{Argv: []string{"sh", "-c", "pwd; cat; umask"}, Dir: "/usr"},
			host.Run{Argv: []string{"true"}, Stdin: []byte(stdin), Env: env[:3]}, // reads none of it
			host.Run{Argv: []string{"sh", "-c", "exit 9"}, AnyExit: true},
		)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(res[0].Output.Stdout); got != stdin {
			t.Errorf("%d of %d bytes of input", len(got), len(stdin))
		}
		got := strings.Split(string(res[1].Output.Stdout), "\x00")
		for _, pair := range append(env, "LC_ALL=C") {
			if !slices.Contains(got, pair) {
				t.Errorf("%.40q is not in the environment", pair)
			}
		}
		if out := string(res[2].Output.Stdout); out != "/usr\n0022\n" {
			t.Errorf("%q", out)
		}
		if res[4].Output.Code != 9 {
			t.Errorf("%+v", res[4])
		}
		var exit *host.ExitError
		if _, err := act1(t, s, host.Run{Argv: []string{"true"}, Dir: "/absent"}); !errors.As(err, &exit) {
			t.Errorf("%v", err)
		}
		for _, bad := range []host.Run{
			{Argv: []string{"true"}, Env: []string{"SECRET"}},
			{Argv: []string{"true"}, Env: []string{"A B=SECRET"}},
			{Argv: []string{"true"}, Env: []string{"IFS=SECRET"}},
			{Argv: []string{"true"}, Env: []string{"_e=SECRET"}},
			{Argv: []string{"true"}, Env: []string{"A=SECRET\x00"}},
			{Argv: []string{"true"}, Dir: "usr"},
			{Argv: []string{"true"}, User: "-x"},
		} {
			if _, err := act1(t, s, bad); err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if os.Getuid() == 0 {
			res, err := act1(t, s, host.Run{Argv: []string{"sh", "-c", `id -un; printf %s "$A"; cat`}, User: "daemon", Env: []string{"A=b c"}, Stdin: []byte("!")})
			if err != nil || string(res[0].Output.Stdout) != "daemon\nb c!" {
				t.Errorf("%+v, %v", res, err)
			}
			if _, err = act1(t, s, host.Run{Argv: []string{"true"}, User: "no-such-user"}); !errors.As(err, &exit) {
				t.Errorf("%v", err)
			}
		}
		if entries, _ := os.ReadDir(filepath.Join(m.run, "acts")); len(entries) != 0 {
			t.Errorf("inline acts left %v", entries)
		}
	})
}

// What stands in commands and input shows in no list of processes.
func TestNothingOnCommandLines(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).claimed(t)
		const secret = "s3cr3t-in-no-list"
		res, err := act1(t, s, host.Run{
			Argv: []string{"sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; cat >/dev/null"},
			Env:  []string{"A=" + secret}, Stdin: []byte(secret),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{secret, s.nonce} {
			if bytes.Contains(res[0].Output.Stdout, []byte(never)) {
				t.Errorf("%q is on a command line", never)
			}
		}
	})
}

func TestHostIsOverWithItsFunction(t *testing.T) {
	s, _ := newMachine(t, "/bin/sh").open(t)
	var kept host.Host
	s.Read(t.Context(), []func(context.Context, host.Host) error{func(_ context.Context, h host.Host) error {
		kept = h
		return nil
	}})
	if _, err := kept.Do(t.Context(), host.Query{Argv: []string{"true"}}); !errors.Is(err, errOver) {
		t.Errorf("%v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
