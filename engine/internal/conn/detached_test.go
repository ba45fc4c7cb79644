package conn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
)

func TestDetached(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, l := m.claimed(t)
		id := newID()
		counter := filepath.Join(t.TempDir(), "starts")
		var out host.Output
		fn := func(ctx context.Context, h host.Host) error {
			res, err := h.Do(ctx, host.Run{
				Argv:  []string{"sh", "-c", `echo >>"$1"; printf '%s|' "$A"; cat; pwd; echo err >&2; exit 3`, "sh", counter},
				Stdin: []byte("in\x00put"), Env: []string{"A=it's\n$x"}, Dir: "/usr", AnyExit: true, Detached: true,
			})
			if err == nil {
				out = res[0].Output
			}
			return err
		}
		seen := ""
		before := l.counted()
		fnErr, readErr := s.Act(t.Context(), id, 1, fn, func(ctx context.Context, h host.Host) error {
			f, err := host.Read(ctx, h, counter)
			if err == nil && f[0] != nil {
				seen = string(f[0].Content)
			}
			return err
		})
		if fnErr != nil || readErr != nil || seen != "\n" {
			t.Fatalf("%v, %v, %q", fnErr, readErr, seen)
		}
		if n := l.counted() - before; n != 1 {
			t.Errorf("%d round trips", n)
		}
		if string(out.Stdout) != "it's\n$x|in\x00put/usr\n" || string(out.Stderr) != "err\n" || out.Code != 3 || out.Truncated {
			t.Errorf("%+v", out)
		}
		// The same act again is found, and not done again.
		if err, _ := s.Act(t.Context(), id, 1, fn, nil); err != nil || out.Code != 3 {
			t.Errorf("%v, %+v", err, out)
		}
		adopted, err := s.Adopt(t.Context(), id)
		if err != nil || string(adopted.Stdout) != string(out.Stdout) || adopted.Code != 3 {
			t.Errorf("%+v, %v", adopted, err)
		}
		if b, _ := os.ReadFile(counter); string(b) != "\n" {
			t.Errorf("it ran %d times", len(b))
		}
		dir := filepath.Join(m.run, "acts", actName(id))
		for _, f := range []string{"script", "stdin", "env", "o", "e"} {
			if exists(filepath.Join(dir, f)) {
				t.Errorf("%s is still there", f)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
			}
		}
		// One that is not there will not come: who adopts it decides on that.
		id = newID()
		if _, err := s.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("an act that is not there: %v", err)
		}
		if err, _ := s.Act(t.Context(), id, 1, run("touch", counter+"2"), nil); !errors.Is(err, host.ErrInterrupted) || exists(counter+"2") {
			t.Errorf("an act that was given up began: %v", err)
		}
	})
}

func TestDetachedOutput(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		s, _ := newMachine(t, sh).claimed(t)
		var outs []host.Output
		err, _ := s.Act(t.Context(), newID(), 1, func(ctx context.Context, h host.Host) error {
			for _, script := range []string{"head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2", "head -c 1048576 /dev/zero", "kill -9 $$"} {
				res, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", script}, Detached: true, AnyExit: true})
				if err != nil {
					return err
				}
				outs = append(outs, res[0].Output)
			}
			_, err := h.Do(ctx, host.Run{Argv: []string{"false"}, Detached: true})
			return err
		}, nil)
		var exit *host.ExitError
		if !errors.As(err, &exit) || len(outs) != 3 {
			t.Fatalf("%v", err)
		}
		if o := outs[0]; len(o.Stdout) != 1<<20 || len(o.Stderr) != 1<<20 || !o.Truncated {
			t.Errorf("%d, %d, %v", len(o.Stdout), len(o.Stderr), o.Truncated)
		}
		if o := outs[1]; len(o.Stdout) != 1<<20 || o.Truncated {
			t.Errorf("%d, %v", len(o.Stdout), o.Truncated)
		}
		if o := outs[2]; o.Code != 137 {
			t.Errorf("%+v", o)
		}
		// Alone in its call.
		_, err = act1(t, s, host.Run{Argv: []string{"true"}, Detached: true}, host.Remove{Path: "/absent"})
		if err == nil {
			t.Error("a detached operation in company was accepted")
		}
	})
}

// blocked starts an act that ends when the file is made; it returns once the
// act runs.
func blocked(t *testing.T, m machine, s *Session, id host.ActID, ctx context.Context) (release func(), result chan error) {
	t.Helper()
	dir := t.TempDir()
	running, gate := filepath.Join(dir, "running"), filepath.Join(dir, "gate")
	result = make(chan error, 1)
	go func() {
		err, _ := s.Act(ctx, id, 1, run("sh", "-c", `mkfifo "$2"; exec 3<>"$2"; echo >"$1"; read x <&3; echo released`, "sh", running, gate), nil)
		result <- err
	}()
	within(t, 20*time.Second, "the act runs", func() bool { return exists(running) })
	release = func() {
		// Without a reader, opening fails at once: the act has ended.
		if f, err := os.OpenFile(gate, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_, _ = f.WriteString("\n")
			_ = f.Close()
		}
	}
	t.Cleanup(release)
	return release, result
}

// A cut connection does not end the act; a new session finds it, and its
// result, and another lineage keeps off until then.
func TestCutConnection(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, l := m.claimed(t)
		id := newID()
		release, result := blocked(t, m, s, id, t.Context())
		_ = l.Close()
		if err := <-result; !errors.Is(err, host.ErrLost) {
			t.Fatalf("%v", err)
		}
		if _, err := do(t, s, host.Query{Argv: []string{"true"}}); !errors.Is(err, host.ErrLost) {
			t.Errorf("the session goes on: %v", err)
		}
		again, _ := m.open(t)
		c, err := again.Contact(t.Context())
		if err != nil || len(c.Acts) != 1 || c.Acts[0].ID != id || c.Acts[0].State != host.ActRunning || c.Acts[0].BootID != c.BootID {
			t.Fatalf("%+v, %v", c, err)
		}
		if err := again.Claim(t.Context(), host.Fence{Lineage: "another", Epoch: 1, Run: "r"}); !errors.Is(err, host.ErrFenced) || !strings.Contains(err.Error(), actName(id)) {
			t.Errorf("another lineage: %v", err)
		}
		must(t, again.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 2, Run: runID}))
		must(t, again.Sign(t.Context(), host.Receipt{Lineage: lineage, Epoch: 2, Run: runID}, nil)) // keeps what runs
		adopted := make(chan host.Output, 1)
		go func() {
			out, err := again.Adopt(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			adopted <- out
		}()
		release()
		if out := <-adopted; string(out.Stdout) != "released\n" || out.Code != 0 {
			t.Errorf("%+v", out)
		}
	})
}

func TestCancelledActGoesOnAndStops(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.claimed(t)
		id := newID()
		ctx, cancel := context.WithCancel(t.Context())
		_, result := blocked(t, m, s, id, ctx)
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) || !errors.Is(err, host.ErrLost) {
			t.Fatalf("%v", err)
		}
		again, _ := m.open(t)
		if c, err := again.Contact(t.Context()); err != nil || len(c.Acts) != 1 || c.Acts[0].State != host.ActRunning {
			t.Fatalf("%+v, %v", c, err)
		}
		must(t, again.Stop(t.Context(), id))
		if c, err := again.Contact(t.Context()); err != nil || len(c.Acts) != 1 || c.Acts[0].State != host.ActInterrupted {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := again.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("%v", err)
		}
		if exists(filepath.Join(m.run, "acts", actName(id), "script")) {
			t.Error("the script of an interrupted act is still there")
		}
		if err, _ := again.Act(t.Context(), id, 1, run("true"), nil); !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("an interrupted act was started again: %v", err)
		}
		must(t, again.Stop(t.Context(), id))
		must(t, again.Stop(t.Context(), newID()))
	})
}

func TestAnotherBoot(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		s, _ := m.claimed(t)
		id := newID()
		dir := filepath.Join(m.run, "acts", actName(id))
		must(t, os.Mkdir(dir, 0o700))
		for name, content := range map[string]string{"boot_id": "of another boot\n", "lock": "", "script": "secret"} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		c, err := s.Contact(t.Context())
		if err != nil || len(c.Acts) != 0 { // from before
			t.Fatalf("%+v, %v", c, err)
		}
		if c, err = s.Contact(t.Context()); err != nil || len(c.Acts) != 1 || c.Acts[0].State != host.ActInterrupted || c.Acts[0].BootID != "of another boot" {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := s.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("%v", err)
		}
		// What is not an act's is not one.
		must(t, os.Mkdir(filepath.Join(m.run, "acts", "zz\nrubbish"), 0o700))
		if c, err = s.Contact(t.Context()); err != nil || len(c.Acts) != 1 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// Two sessions that start one act start it once.
func TestStartedOnce(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		counter := filepath.Join(t.TempDir(), "starts")
		id := newID()
		const sessions = 4
		results := make(chan error, sessions)
		m.claimed(t)
		for range sessions {
			s, _ := m.open(t)
			go func() {
				err, _ := s.Act(t.Context(), id, 1, run("sh", "-c", `echo >>"$1"`, "sh", counter), nil)
				results <- err
			}()
		}
		for range sessions {
			// Who comes while another session has only begun to start it, makes
			// that it does not start at all.
			if err := <-results; err != nil && !errors.Is(err, host.ErrInterrupted) {
				t.Error(err)
			}
		}
		if b, _ := os.ReadFile(counter); len(b) > 1 {
			t.Errorf("it ran %d times", len(b))
		}
	})
}

// Wherever the connection is cut, an act is done wholly or not at all.
func TestCutAnywhere(t *testing.T) {
	m := newMachine(t, "/bin/sh")
	m.claimed(t)
	content := strings.Repeat("0123456789", 20)
	dir := t.TempDir()
	probe := func(limit int) {
		l := newLocal("sh", "-c")
		s, err := Open(t.Context(), l, m.options())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l.mu.Lock()
		l.limit = l.sent + limit
		l.mu.Unlock()
		path := filepath.Join(dir, fmt.Sprint(limit))
		err, _ = s.Act(t.Context(), host.ActID{Run: runID, Step: limit, N: 1}, 1, func(ctx context.Context, h host.Host) error {
			if _, err := h.Do(ctx, host.WriteFile{Path: path, Content: []byte(content), Mode: 0o600}); err != nil {
				return err
			}
			if _, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", `cat >"$1"`, "sh", path + ".run"}, Stdin: []byte(content)}); err != nil {
				return err
			}
			_, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", `cat >"$1"`, "sh", path + ".detached"}, Stdin: []byte(content), Detached: true})
			return err
		}, nil)
		if err != nil && !errors.Is(err, host.ErrLost) {
			t.Errorf("cut after %d bytes: %v", limit, err)
		}
	}
	for limit := 1; limit < 3600; limit += 61 {
		probe(limit)
	}
	within(t, 20*time.Second, "nothing is left half", func() bool {
		entries, err := os.ReadDir(dir)
		must(t, err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err == nil && string(b) != content {
				return false
			}
		}
		return true
	})
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".kplan") {
			t.Errorf("%s is left", e.Name())
		}
	}
	t.Logf("%d files", len(entries))
}

// An act that begins just when somebody finds that it has not is waited for, and
// keeps what it runs by. The shell's own mkdir, which decides between the two,
// is taken up here to let the act be first.
func TestAnActBeginsWhileItIsGivenUp(t *testing.T) {
	eachShell(t, func(t *testing.T, sh string) {
		m := newMachine(t, sh)
		m.claimed(t)
		dir := filepath.Join(m.run, "acts", "r.1.0")
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		must(t, err)
		must(t, os.Mkdir(dir, 0o700))
		for name, text := range map[string]string{"lock": "", "boot_id": string(boot), "script": "", "env": "", "stdin": "input\n"} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		text := assign("N", "n", "R", m.run, "V", m.state) + shellProgram + `
mkdir() {
	case $1 in
	*/begun)
		mkfifo "$R/began"
		{
			flock 9
			command mkdir "$1"
			echo >"$R/began"
			cat "$_p/stdin" >"$_p/out"
			: >"$_p/err"
			echo 0 >"$_p/rc"
		} 9<>"$_p/lock" &
		read -r _began <"$R/began"
		;;
	esac
	command mkdir "$@"
}
ended r.1.0
echo "status $? $w"
`
		words := append(strings.Fields(sh), "-c", text)
		out, err := exec.Command(words[0], words[1:]...).Output()
		if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || len(lines) < 2 || lines[len(lines)-2] != "input" || lines[len(lines)-1] != "status 0" {
			t.Errorf("%q, %v", out, err)
		}
	})
}
