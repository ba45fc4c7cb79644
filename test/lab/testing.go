package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/kplan/kplan/test/needs"
)

// inside is set in the test process that runs in the lab's network.
const inside = "KPLAN_LAB_INSIDE"

// Main is the TestMain of a package whose tests need the lab:
//
//	func TestMain(m *testing.M) { lab.Main(m) }
//
// It waits for its turn, brings up a lab of KPLAN_LAB_MACHINES machines (3), runs the tests in a second process in the lab's
// network, and leaves the lab as it found it, up or down. The machines are as the tests before left them: see [Lab.Reset].
//
// Where no lab can be it says so and exits with 0; with KPLAN_REQUIRE_LAB=1 with 1. Only with that does it install packages
// on the host.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do: it returns the exit code.
func Run(m *testing.M) int {
	flag.Parse()
	if os.Getenv(inside) != "" || flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := outside(ctx)
	var cannot *CannotRun
	switch {
	case errors.As(err, &cannot):
		fmt.Printf("\nLAB DID NOT RUN: %v\n\n", err)
		if needs.Required() {
			return 1
		}
		return 0
	case err != nil:
		fmt.Printf("lab: %v\n", err)
		return 1
	}
	return code
}

// outside brings the lab up and has the tests run in its network. It returns their exit code.
func outside(ctx context.Context) (code int, err error) {
	n := DefaultMachines
	if s := os.Getenv("KPLAN_LAB_MACHINES"); s != "" {
		if n, err = strconv.Atoi(s); err != nil {
			return 0, fmt.Errorf("KPLAN_LAB_MACHINES is not a number: %w", err)
		}
	}
	l, err := New(ctx, os.Stderr)
	if err != nil {
		return 0, err
	}
	unlock, err := l.Lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	if err := l.Refresh(); err != nil {
		return 0, err
	}
	if !l.Running() {
		defer func() {
			// Also when interrupted: what is up has to come down.
			err = errors.Join(err, l.Refresh(), l.Down(context.WithoutCancel(ctx)))
		}()
	}
	if err := l.Up(ctx, n, needs.Required()); err != nil {
		return 0, err
	}
	return l.again(ctx)
}

// again runs this test binary once more, in the lab's network.
func (l *Lab) again(ctx context.Context) (int, error) {
	// The child ends with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args, err := l.InNetwork(append([]string{exe}, os.Args[1:]...)...)
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(cmd.SysProcAttr)
	// go test asks a test that takes too long for its stacks: the one that has them is the child.
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	defer signal.Stop(quit)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-quit:
				_ = cmd.Process.Signal(s)
			case <-ctx.Done():
				_ = cmd.Process.Signal(syscall.SIGTERM)
				return
			case <-done:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// Open returns the lab that Main brought up.
func Open(tb testing.TB) *Lab {
	tb.Helper()
	if os.Getenv(inside) == "" {
		tb.Fatal("the lab is not up: the package's TestMain has to call lab.Main")
	}
	l, err := New(tb.Context(), tb.Output())
	if err != nil {
		tb.Fatal(err)
	}
	if !l.Running() {
		tb.Fatal("the lab is gone: it was brought down while the tests ran")
	}
	return l
}

// Reset is ResetMachines for tests.
func (l *Lab) Reset(tb testing.TB, ms ...*Machine) {
	tb.Helper()
	if err := l.ResetMachines(tb.Context(), ms...); err != nil {
		tb.Fatal(err)
	}
}

// Partition pulls a machine's network plug, or with cut false puts it in again. It stays out over a reboot, not over a reset.
func (l *Lab) Partition(tb testing.TB, m *Machine, cut bool) {
	tb.Helper()
	link, err := "up", os.RemoveAll(m.dir("cut"))
	if cut {
		link, err = "down", os.WriteFile(m.dir("cut"), nil, 0o644)
	}
	if err == nil {
		_, err = run(tb.Context(), "ip", "-n", netns, "link", "set", "lab-"+m.Name, link)
	}
	if err != nil {
		tb.Fatal(err)
	}
}
