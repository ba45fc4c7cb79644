package conn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/needs"
)

// Whatever the login shell is, and whatever its start files print, the session
// is the same.
func TestLoginShells(t *testing.T) {
	noise := "echo welcome; echo 'not\na marker' >&2; printf 'no line end'; printf prompt >&2; "
	for name, login := range map[string][]string{
		"noisy sh":   {"sh", "-c", noise + `eval "$0"`},
		"bash login": {"bash", "-c", noise + `exec bash -c "$0"`},
		"binary":     {"sh", "-c", `printf '\000\377\033[31m'; eval "$0"`},
		"csh":        {"csh", "-c"}, "tcsh": {"tcsh", "-c"}, "fish": {"fish", "-c"}, "zsh": {"zsh", "-c"}, "ksh": {"ksh", "-c"}, "mksh": {"mksh", "-c"},
	} {
		t.Run(name, func(t *testing.T) {
			needs.Program(t, login[0])
			m := newMachine(t, "/bin/sh")
			s, err := Open(t.Context(), newLocal(login...), m.options())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if res, err := do(t, s, host.Query{Argv: []string{"echo", "hi"}}); err != nil || string(res[0].Output.Stdout) != "hi\n" {
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
}

// The command of a session passes every login shell: csh(1) and fish(1) have
// other rules within single quotes than sh.
func TestBootstrapIsPlain(t *testing.T) {
	for _, program := range []string{reading, greeting} {
		if strings.ContainsAny(program, "'!\n") || strings.Contains(program, `\\`) {
			t.Errorf("%q", program)
		}
	}
}

func TestNoUsableShell(t *testing.T) {
	for name, test := range map[string]struct {
		login []string
		want  string
	}{
		"nologin": {[]string{"sh", "-c", "echo This account is currently not available.; exit 1"}, "the login did not start a POSIX shell (exit status 1): This account is currently not available."},
		"false":   {[]string{"false"}, "the login did not start a POSIX shell (exit status 1)"},
		"ends":    {[]string{"true"}, "the login did not start a POSIX shell (the shell on the machine ended)"},
		"silent":  {[]string{"sh", "-c", "exec sleep 60"}, "no answer from the shell within 300ms"},
		"asks":    {[]string{"sh", "-c", `printf 'Choose a region: '; exec sleep 60`}, "no answer from the shell within 300ms; the machine said: Choose a region:"},
		"menu":    {[]string{"cat"}, "No such file"},
		"flood":   {[]string{"sh", "-c", "exec cat /dev/zero"}, "more than 1 MiB came before the shell was ready"},
		"fake":    {[]string{"sh", "-c", `printf '\n%s begin 0\n' 00000000000000000000000000000000; exec sleep 60`}, "no answer from the shell"},
		"escape":  {[]string{"sh", "-c", `printf '\033]0;title\007\033[2Jno\n' >&2; exit 2`}, "(exit status 2): ]0;title[2Jno"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLocal(test.login...)
			begun := time.Now()
			opts := Options{Timeout: 300 * time.Millisecond}
			if !strings.Contains(test.want, "no answer") {
				opts.Timeout = 20 * time.Second
			}
			s, err := Open(t.Context(), l, opts)
			if err == nil {
				_ = s.Close()
				t.Fatal("a session")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q", err, test.want)
			}
			if strings.Contains(test.want, "no answer") {
				if took := time.Since(begun); took > 1300*time.Millisecond {
					t.Errorf("took %v", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("it is no DeadlineExceeded")
				}
			}
			end(t, l)
		})
	}
}

// end ends a process that does not end with its streams.
func end(t *testing.T, l *local) {
	t.Helper()
	if l.cmd.Process != nil {
		_ = l.cmd.Process.Kill()
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := newLocal("sh", "-c", "exec sleep 60")
	if _, err := Open(ctx, l, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	end(t, l)
}

// stub is a program in a directory of its own, ahead of the usual ones.
func stub(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755))
	}
	return dir + ":" + searchPath
}

const (
	notRoot = `if [ "$1" = -u ] && [ -z "$KPLAN_BECAME" ]; then echo 1000; else exec /usr/bin/id "$@"; fi`

	// asking is a sudo that wants the password hunter2, in at most two tries.
	asking = `
log=$0.log
printf '%s ' "$@" >>"$log"
while [ "$1" != -- ]; do [ "$1" = -p ] && p=$2; shift; done; shift
for try in 1 2; do
	printf %s "$p" >&2
	IFS= read -r pw || { echo "sudo: no password was provided" >&2; exit 1; }
	[ "$pw" = "hunter2 'x" ] && exec /usr/bin/env KPLAN_BECAME=1 "$@"
	echo "Sorry, try again." >&2
done
echo "sudo: 2 incorrect password attempts" >&2
exit 1`

	allowing = `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`
)

func TestBecome(t *testing.T) {
	const password = "hunter2 'x"
	for name, test := range map[string]struct {
		stubs  map[string]string
		become Become
		want   string // part of the error; "" for success
	}{
		"sudo without password": {stubs: map[string]string{"sudo": allowing}, become: Become{Method: Sudo}},
		"sudo with password":    {stubs: map[string]string{"sudo": asking}, become: Become{Method: Sudo, Password: password}},
		"sudo unneeded password": {
			stubs: map[string]string{"sudo": allowing}, become: Become{Method: Sudo, Password: password},
		},
		"sudo lecture": {
			stubs:  map[string]string{"sudo": "printf 'We trust you have received the usual lecture.\\n\\n' >&2\n" + asking},
			become: Become{Method: Sudo, Password: password},
		},
		"sudo wrong password": {
			stubs: map[string]string{"sudo": asking}, become: Become{Method: Sudo, Password: "SECRET"},
			want: "cannot become root with sudo: the password was refused",
		},
		"sudo no password": {
			stubs: map[string]string{"sudo": asking}, become: Become{Method: Sudo, User: "app"},
			want: "cannot become app with sudo: it asks for a password, and become_password is not set",
		},
		"sudo not allowed": {
			stubs: map[string]string{"sudo": "echo 'me is not in the sudoers file.' >&2; exit 1"}, become: Become{Method: Sudo, Password: "SECRET"},
			want: "cannot become root with sudo: me is not in the sudoers file.",
		},
		"sudo requiretty": {
			stubs: map[string]string{"sudo": "echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1"}, become: Become{Method: Sudo},
			want: "requiretty is set in sudoers(5)",
		},
		"sudo other question": {
			stubs: map[string]string{"sudo": "printf 'Verification code: ' >&2; exec sleep 60"}, become: Become{Method: Sudo, Password: "SECRET"},
			want: "no answer from sudo within 1s; the machine said: Verification code:",
		},
		"sudo absent": {become: Become{Method: "sudo-absent"}, want: "is not one of sudo, doas, su"},
		"doas": {
			stubs:  map[string]string{"doas": `[ "$1 $2 $3" = "-n -u root" ] || exit 9; shift 3; exec "$@"`},
			become: Become{Method: Doas},
		},
		"doas with password": {
			stubs: map[string]string{"doas": "echo 'doas: Authentication required' >&2; exit 1"}, become: Become{Method: Doas, Password: "SECRET"},
			want: "doas reads passwords from terminals only",
		},
		"su": {
			stubs: map[string]string{"su": `printf 'Password: ' >&2; IFS= read -r pw; [ "$pw" = "hunter2 'x" ] || { echo "su: Authentication failure" >&2; exit 1; }
[ "$1 $2" = "app -c" ] && exec sh -c "$3"`},
			become: Become{Method: Su, User: "app", Password: password},
		},
		"su wrong password": {
			stubs: map[string]string{"su": `printf 'Password: ' >&2; IFS= read -r pw; echo; echo "su: Authentication failure" >&2; exit 1`}, become: Become{Method: Su, Password: "SECRET"},
			want: "cannot become root with su: su: Authentication failure",
		},
		"option for a user": {become: Become{Method: Sudo, User: "-s"}, want: "begins with a dash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.stubs == nil {
				test.stubs = map[string]string{}
			}
			test.stubs["id"] = notRoot
			m := newMachine(t, "/bin/sh")
			opts := m.options()
			opts.Become, opts.path = test.become, stub(t, test.stubs)
			if strings.Contains(test.want, "within 1s") {
				opts.Timeout = time.Second
			}
			l := newLocal("sh", "-c")
			s, err := Open(t.Context(), l, opts)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "SECRET") {
					t.Errorf("got %v, want %q", err, test.want)
				}
				end(t, l)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 2 {
				if res, err := do(t, s, host.Query{Argv: []string{"echo", "hi"}}); err != nil || string(res[0].Output.Stdout) != "hi\n" {
					t.Errorf("%+v, %v", res, err)
				}
			}
			log, _ := os.ReadFile(filepath.Join(strings.Split(opts.path, ":")[0], "sudo.log"))
			if strings.Contains(string(log), "hunter2") || strings.Contains(string(log), s.nonce) {
				t.Errorf("arguments of sudo: %q", log)
			}
			if strings.Contains(strings.Join(l.cmd.Args, " "), "hunter2") {
				t.Error("the command holds the password")
			}
		})
	}
}

// Who is root does not ask for anything.
func TestRootDoesNotBecome(t *testing.T) {
	needs.Root(t)
	m := newMachine(t, "/bin/sh")
	opts := m.options()
	opts.Become = Become{Method: Sudo, User: "daemon"}
	opts.path = stub(t, map[string]string{"sudo": "exit 1"})
	s, err := Open(t.Context(), newLocal("sh", "-c"), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if c, err := s.Contact(t.Context()); err != nil || c.UID != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// script is a Shell that answers as a test says, whatever it is asked.
type script struct {
	in       *io.PipeReader
	stdin    *io.PipeWriter
	out, err *io.PipeReader
	ended    chan struct{}
	first    func(nonce string, out, err io.Writer) // after the program came
	then     func(nonce string, out, err io.Writer) // after a frame came
}

func (s *script) Start(string) error {
	var out, err *io.PipeWriter
	s.in, s.stdin = io.Pipe()
	s.out, out = io.Pipe()
	s.err, err = io.Pipe()
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(s.in)
		lines.Scan()
		nonce := strings.Trim(lines.Text(), "N='")
		for lines.Scan() && lines.Text()+"\n" != runLine {
		}
		s.first(nonce, out, err)
		lines.Scan()
		go func() { _, _ = io.Copy(io.Discard, s.in) }()
		s.then(nonce, out, err)
		_ = out.Close()
		_ = err.Close()
	}()
	return nil
}

func (s *script) Stdin() io.WriteCloser { return s.stdin }
func (s *script) Stdout() io.Reader     { return s.out }
func (s *script) Stderr() io.Reader     { return s.err }
func (s *script) Wait() error           { <-s.ended; return nil }
func (s *script) Close() error {
	return errors.Join(s.in.Close(), s.out.Close(), s.err.Close())
}

// A machine that does not keep to the protocol gets an error and no more.
func TestHostileMachine(t *testing.T) {
	hello := "uid\x000\x00"
	both := func(out, err io.Writer, s string) {
		_, _ = io.WriteString(err, s)
		_, _ = io.WriteString(out, s)
	}
	for name, test := range map[string]struct {
		first string // after the first begin; N stands for the nonce
		then  string // after the next
		want  string
	}{
		"not a number":   {first: "\nN x y z\n", want: "broke the protocol"},
		"long marker":    {first: "\nN " + strings.Repeat("x", 1<<16), want: "broke the protocol"},
		"end at once":    {first: "\nN end 0\n", want: "did not say as whom"},
		"begin again":    {first: "\nN begin 0\n", want: "broke the protocol"},
		"unknown id":     {first: "\nN zzz 0\n", want: "broke the protocol"},
		"twice":          {first: "\nN 0 0\n\nN 0 0\n", want: "broke the protocol"},
		"no result":      {then: "\nN begin 0\n\nN end 0\n", want: "broke the protocol"},
		"bad status":     {then: "\nN begin 0\n\nN 0 1e9\n\nN end 0\n", want: "broke the protocol"},
		"negative":       {then: "\nN begin 0\n\nN 0 -1\n\nN end 0\n", want: "broke the protocol"},
		"bad stat":       {then: "\nN begin 0\nrubbish\nN 0 0\n\nN end 0\n", want: "stat(1) gave something else"},
		"bad mode":       {then: "\nN begin 0\nzz:1:0:0:a:b\n\nN 0 0\n\nN end 0\n", want: "stat(1) gave something else"},
		"half an answer": {then: "\nN begin 0\n\nN 0", want: "the connection was lost"},
		"huge claim":     {then: "\nN begin 0\n81a4:99999999999999999999:0:0:a:b\nx\nN 0 0\n\nN end 0\n", want: "stat(1) gave something else"},
		"other digest":   {then: "\nN begin 0\n81a4:9999999:0:0:a:b\nx\nN 0 0\n\nN end 0\n", want: "gave no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.first == "" {
				test.first = hello + "\nN 0 0\n\nN end 0\n"
			}
			say := func(text string) func(string, io.Writer, io.Writer) {
				return func(nonce string, out, err io.Writer) { both(out, err, strings.ReplaceAll(text, "N ", nonce+" ")) }
			}
			sh := &script{first: say("\nN begin 0\n" + test.first), then: say(test.then)}
			s, err := Open(t.Context(), sh, Options{Timeout: 5 * time.Second})
			if err == nil {
				defer s.Close()
				_, err = do(t, s, host.ReadFile{Path: "/x"})
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestEndlessAnswer(t *testing.T) {
	s, _ := newMachine(t, "/bin/sh").open(t)
	var ops []host.Op
	for range 40 {
		ops = append(ops, host.Query{Argv: []string{"head", "-c", "1048576", "/dev/zero"}})
	}
	if _, err := do(t, s, ops...); !errors.Is(err, host.ErrLost) || !errors.Is(err, errFlood) {
		t.Errorf("%v", err)
	}
	s, l := newMachine(t, "/bin/sh").open(t)
	if _, err := do(t, s, host.Query{Argv: []string{"cat", "/dev/zero"}}); !errors.Is(err, errFlood) {
		t.Errorf("%v", err)
	}
	_ = l
}

func TestReadTimeout(t *testing.T) {
	m := newMachine(t, "/bin/sh")
	opts := m.options()
	opts.ReadTimeout = 300 * time.Millisecond
	s, err := Open(t.Context(), newLocal("sh", "-c"), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begun := time.Now()
	_, err = do(t, s, host.Query{Argv: []string{"sleep", "5"}})
	if !errors.Is(err, host.ErrLost) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer from the machine within 300ms") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 1300*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestReadCancelled(t *testing.T) {
	s, _ := newMachine(t, "/bin/sh").open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := s.Read(ctx, []func(context.Context, host.Host) error{
		func(ctx context.Context, h host.Host) error { _, err := host.Ask(ctx, h, "true"); return err },
		func(context.Context, host.Host) error { return nil },
	})
	if !errors.Is(errs[0], context.Canceled) || errs[1] != nil {
		t.Errorf("%v", errs)
	}
	// Nothing was sent: the session goes on.
	if _, err := do(t, s, host.Query{Argv: []string{"true"}}); err != nil {
		t.Error(err)
	}
}

// inBecome is set in the process of TestRealBecome that has an /etc of its own.
const inBecome = "KPLAN_TEST_IN_BECOME"

// etc makes that /etc, in which a user may use sudo and doas, and su wants a
// password of root's that the test knows; then it runs the test once more.
const etc = `set -e
cp -a /etc "$1"
mount --bind "$1/etc" /etc
useradd --no-log-init --no-create-home --shell /bin/sh "$2"
printf '%s:%s\n' "$2" "$3" root "$3" | chpasswd
printf 'Defaults env_reset, lecture = never, timestamp_timeout = 0\n%s ALL=(ALL:ALL) ALL\n' "$2" >/etc/sudoers
printf 'permit nopass %s as root\n' "$2" >/etc/doas.conf
chmod 440 /etc/sudoers /etc/doas.conf
shift 3
exec "$@"`

// The real programs. The host's own users and passwords stay as they are.
func TestRealBecome(t *testing.T) {
	const login, password = "kplan-become", "a word"
	needs.Root(t)
	if os.Getenv(inBecome) == "" {
		for _, name := range []string{"sudo", "su", "doas", "runuser", "useradd", "chpasswd", "unshare", "mount"} {
			needs.Program(t, name)
		}
		if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
			needs.Missing(t, fmt.Sprintf("root here may not mount: %s", out))
		}
		cmd := exec.Command("unshare", "--mount", "sh", "-c", etc, "sh", t.TempDir(), login, password, os.Args[0], "-test.run=^TestRealBecome$", "-test.v")
		cmd.Env = append(os.Environ(), inBecome+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, strings.ReplaceAll(string(out), "--- ", "")) // not to be counted as tests of their own
		}
		return
	}
	for name, test := range map[string]struct {
		become Become
		want   string
	}{
		"sudo":          {become: Become{Method: Sudo, Password: password}},
		"sudo wrong":    {become: Become{Method: Sudo, Password: "x" + password}, want: "the password was refused"},
		"sudo none":     {become: Become{Method: Sudo}, want: "it asks for a password"},
		"sudo other":    {become: Become{Method: Sudo, User: "daemon", Password: password}},
		"sudo stranger": {become: Become{Method: Sudo, User: "no-such", Password: password}, want: "unknown user"},
		"su":            {become: Become{Method: Su, Password: password}},
		"su wrong":      {become: Become{Method: Su, Password: "x" + password}, want: "Authentication failure"},
		"su none":       {become: Become{Method: Su}, want: "it asks for a password"},
		"doas":          {become: Become{Method: Doas}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := newMachine(t, "/bin/sh").options()
			opts.Become = test.become
			s, err := Open(t.Context(), newLocal("runuser", "-u", login, "--", "sh", "-c"), opts)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			res, err := do(t, s, host.Query{Argv: []string{"id", "-un"}}, host.Query{Argv: []string{"env"}})
			want := "root\n"
			if test.become.User != "" {
				want = test.become.User + "\n"
			}
			if err != nil || string(res[0].Output.Stdout) != want {
				t.Fatalf("%+v, %v", res, err)
			}
			for line := range strings.Lines(string(res[1].Output.Stdout)) {
				if n, _, _ := strings.Cut(line, "="); n != "PATH" && n != "_" && n != "LC_ALL" {
					t.Errorf("environment: %q", line)
				}
			}
		})
	}
}
