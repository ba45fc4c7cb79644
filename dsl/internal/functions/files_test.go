package functions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl/internal/guard"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestHostilePaths(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "spec")
	write(t, filepath.Join(dir, "ok.txt"), "ok")
	write(t, filepath.Join(dir, "sub", "in.txt"), "in")
	write(t, filepath.Join(top, "secret"), "outside")
	write(t, filepath.Join(top, "spec-2", "secret"), "outside")
	link(t, "../secret", filepath.Join(dir, "out"))
	link(t, filepath.Join(top, "secret"), filepath.Join(dir, "absolute"))
	link(t, "..", filepath.Join(dir, "up"))
	link(t, "/proc/self/environ", filepath.Join(dir, "environ"))
	link(t, "/etc", filepath.Join(dir, "etc"))
	link(t, "loop", filepath.Join(dir, "loop"))
	link(t, "b", filepath.Join(dir, "a"))
	link(t, "a", filepath.Join(dir, "b"))
	link(t, "nowhere", filepath.Join(dir, "dangling"))
	link(t, "/dev/zero", filepath.Join(dir, "zero"))
	link(t, "sub/../../secret", filepath.Join(dir, "detour"))
	link(t, "sub/in.txt", filepath.Join(dir, "inside"))
	for _, name := range []string{"fifo", "sub/fifo"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link(t, "fifo", filepath.Join(dir, "tofifo"))
	if err := os.Truncate(filepath.Join(dir, "sub", "in.txt"), 2); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sparse"), "")
	if err := os.Truncate(filepath.Join(dir, "sparse"), 10<<30); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "over"), strings.Repeat("x", MaxFile+1))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir) // paths of sockets are short
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: "socket"}); err != nil {
		t.Fatal(err)
	}
	t.Chdir(wd)

	const outside, absolute, irregular = "outside the spec's directory", "the path is absolute", "not a regular file"
	tests := []struct{ path, want string }{
		{"../secret", outside},
		{"..", outside},
		{"sub/../../secret", outside},
		{"../spec-2/secret", outside},
		{"../spec/../secret", outside},
		{"/etc/hostname", absolute},
		{filepath.Join(dir, "ok.txt"), absolute},
		{"/proc/self/environ", absolute},
		{"/dev/zero", absolute},
		{"out", outside},
		{"absolute", outside},
		{"up/secret", outside},
		{"up/spec/ok.txt", outside},
		{"environ", outside},
		{"etc/hostname", outside},
		{"zero", outside},
		{"detour", outside},
		{"loop", irregular},
		{"a", irregular},
		{"dangling", "no such file"},
		{"fifo", irregular},
		{"tofifo", irregular},
		{"sub/fifo", irregular},
		{"socket", irregular},
		{"sub", irregular},
		{".", irregular},
		{"", irregular},
		{"ok.txt/x", irregular},
		{"sparse", "larger than 1 MiB"},
		{"over", "larger than 1 MiB"},
		{"ok.txt\x00", irregular},
		{"ok\n.txt", irregular},
		{strings.Repeat("x", 300), irregular},
		{strings.Repeat("x/", 3000), ""},
		{"~/.ssh/id_rsa", "~ is no home directory here"},
		{"https://example.com/x", "no file is read from the network"},
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	start := time.Now()
	for _, test := range tests {
		b, _, err := files.content(test.path, false)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q: %q, %v", test.path, b, err)
		} else if strings.Contains(err.Error(), top) {
			t.Errorf("%.40q names the directory: %v", test.path, err)
		}
	}
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if len(files.Read()) != 0 {
		t.Error("recorded what was refused")
	}
	if b, _, err := files.content("inside", false); err != nil || string(b) != "in" {
		t.Errorf("a link inside: %q, %v", b, err)
	}
	if names, err := files.list("."); err != nil || strings.Join(names, " ") != "ok.txt over sparse sub/in.txt" {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := files.list("up"); err == nil {
		t.Error("lists outside")
	}
	if _, err := files.list("ok.txt"); err == nil {
		t.Error("lists a file")
	}
}

func TestFilesTotal(t *testing.T) {
	dir := t.TempDir()
	for i := range 17 {
		write(t, filepath.Join(dir, fmt.Sprint(i)), strings.Repeat("x", MaxFile))
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	for i := range 17 {
		_, fresh, err := files.content(fmt.Sprint(i), false)
		if fresh != (i < 16) || (err != nil) != (i == 16) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, fresh, err := files.content("0", false); fresh || err != nil {
		t.Error("read again", err)
	}
}

// What was read on disk gives the same values where it was recorded.
func TestRecorded(t *testing.T) {
	dir := t.TempDir()
	for name, b := range testFiles {
		write(t, filepath.Join(dir, name), string(b))
	}
	write(t, filepath.Join(dir, "dir", "none.txt"), "never read")
	disk, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	sources := []string{
		`file("./dir/../a.txt")`, `filebase64("bin")`, `fileset(".", "**/*.txt")`, `fileset("dir", "*")`,
		`templatefile("t.tpl", {name = "x", list = []})`, `sensitive(file("dir/sub/c.yml"))`, `sensitive(file("dir/b.txt"))`,
		`sensitive(templatefile("reads.tpl", {}))`, `filesha256(sensitive("value.tpl"))`,
		`fileset("dir/sub", "*.none")`, `[for d in ["dir", "dir/sub", "nosuch", "a.txt", ".."]: can(fileset(d, "*.none"))]`,
	}
	values := func(files *Files) string {
		ctx, b := scope(files)
		var out strings.Builder
		for _, src := range sources {
			e, diags := guard.ParseExpression("x", []byte(src), b)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			v, diags := e.Value(ctx)
			if diags.HasErrors() {
				t.Error(src, diags)
			}
			fmt.Fprintf(&out, "%#v\n", v)
		}
		return out.String()
	}
	want := values(disk)
	content := map[string][]byte{}
	var names []string
	for _, f := range disk.Read() {
		content[f.Path] = f.Content
		if string(f.Content) != string(testFiles[f.Path]) {
			t.Errorf("%s: %q", f.Path, f.Content)
		}
		if f.Secret {
			f.Path += "!"
		}
		names = append(names, f.Path)
	}
	if got := strings.Join(names, " "); got != "a.txt bin dir/b.txt! dir/sub/c.yml! reads.tpl! t.tpl value.tpl!" {
		t.Error(got)
	}
	recorded := RecordedFiles(content, disk.Listed())
	if got := values(recorded); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if len(recorded.Read()) != len(content) {
		t.Error("reads of a recording are not noted")
	}
	if got := strings.Join(recorded.Listed(), " "); got != "a.txt dir/ dir/b.txt dir/none.txt dir/sub/" || got != strings.Join(disk.Listed(), " ") {
		t.Errorf("listed %s", got)
	}
	if _, _, err := recorded.content("dir/none.txt", false); !errors.Is(err, errListed) {
		t.Errorf("reads what was only listed: %v", err)
	}
	if _, _, err := recorded.content("nosuch", false); err == nil {
		t.Error("read what is not there")
	}
	if _, _, err := recorded.content("../a.txt", false); !errors.Is(err, errOutside) {
		t.Error(err)
	}
}
