package conn

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/needs"
)

// local is a Shell that is a process of this machine. It counts round trips:
// writes that come after something was read.
type local struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr io.ReadCloser
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	trips int
	spoke bool // the last to say something was us
	sent  int
	limit int // bytes after which the connection is cut; 0: never
}

// newLocal takes the login shell and its option: "sh", "-c".
func newLocal(login ...string) *local {
	l := &local{cmd: exec.Command(login[0], login[1:]...), closed: make(chan struct{})}
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return l
}

func (l *local) Start(command string) (err error) {
	l.cmd.Args = append(l.cmd.Args, command)
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return err
	}
	if l.stdout, err = l.cmd.StdoutPipe(); err != nil {
		return err
	}
	if l.stderr, err = l.cmd.StderrPipe(); err != nil {
		return err
	}
	return l.cmd.Start()
}

func (l *local) Stdin() io.WriteCloser { return writer{l} }
func (l *local) Stdout() io.Reader     { return reader{l, l.stdout} }
func (l *local) Stderr() io.Reader     { return reader{l, l.stderr} }

func (l *local) Wait() error {
	ended := make(chan error, 1)
	go func() { ended <- l.cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-l.closed:
		return io.ErrClosedPipe
	}
}

// Close does what sshd does: the streams end, the processes find out.
func (l *local) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		if l.cmd.Process != nil {
			err = errors.Join(l.stdin.Close(), l.stdout.Close(), l.stderr.Close())
		}
	})
	return err
}

func (l *local) counted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trips
}

type writer struct{ *local }

func (w writer) Close() error { return w.stdin.Close() }

func (w writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	if !w.spoke {
		w.spoke = true
		w.trips++
	}
	if w.limit > 0 && w.sent+len(b) > w.limit {
		b = b[:max(0, w.limit-w.sent)]
		w.mu.Unlock()
		_, _ = w.stdin.Write(b)
		_ = w.local.Close()
		return len(b), io.ErrClosedPipe
	}
	w.sent += len(b)
	w.mu.Unlock()
	return w.stdin.Write(b)
}

type reader struct {
	*local
	r io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if n > 0 {
		r.mu.Lock()
		r.spoke = false
		r.mu.Unlock()
	}
	return n, err
}

// eachShell runs test over every shell that hosts can have as /bin/sh.
func eachShell(t *testing.T, test func(t *testing.T, sh string)) {
	for name, argument := range map[string]string{"dash": "", "bash": " --posix", "busybox": " sh"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, needs.Program(t, name)+argument)
		})
	}
}

// machine is where the sessions of one test keep their records.
type machine struct {
	sh, run, state string
}

func newMachine(t *testing.T, sh string) machine {
	dir := t.TempDir()
	return machine{sh, filepath.Join(dir, "run"), filepath.Join(dir, "state")}
}

func (m machine) options() Options {
	return Options{RunDir: m.run, StateDir: m.state, sh: m.sh, Timeout: 20 * time.Second}
}

func (m machine) open(t *testing.T) (*Session, *local) {
	t.Helper()
	l := newLocal("sh", "-c")
	s, err := Open(t.Context(), l, m.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, l
}

const (
	lineage = "3f0c9a52-9f5b-4a4e-8a3c-2f3d1f6f1c11"
	runID   = "20261123T0500Z-7"
)

// claimed is a session that may act.
func (m machine) claimed(t *testing.T) (*Session, *local) {
	t.Helper()
	s, l := m.open(t)
	if err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: runID}); err != nil {
		t.Fatal(err)
	}
	return s, l
}

// do performs ops as one call of a reading.
func do(t *testing.T, s *Session, ops ...host.Op) (res []host.Result, err error) {
	t.Helper()
	errs := s.Read(t.Context(), []func(context.Context, host.Host) error{func(ctx context.Context, h host.Host) error {
		res, err = h.Do(ctx, ops...)
		return err
	}})
	return res, errs[0]
}

var (
	stepMu sync.Mutex
	steps  int
)

func newID() host.ActID {
	stepMu.Lock()
	defer stepMu.Unlock()
	steps++
	return host.ActID{Run: runID, Step: steps}
}

// act performs ops as one call of an act.
func act1(t *testing.T, s *Session, ops ...host.Op) (res []host.Result, err error) {
	t.Helper()
	err, _ = s.Act(t.Context(), newID(), 1, func(ctx context.Context, h host.Host) error {
		res, err = h.Do(ctx, ops...)
		return err
	}, nil)
	return res, err
}

// within waits until condition holds.
func within(t *testing.T, d time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(d)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", d, what)
		case <-tick.C:
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
