package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/needs"
)

// started is a run of the program that goes on.
type started struct {
	signals chan os.Signal
	code    chan int
	out     *bytes.Buffer // both streams; to be read after the end
}

// begin runs the program beside the test. typed is what stands at its terminal,
// which is its input and its output; "" is no terminal.
func (s *site) begin(typed string, args ...string) *started {
	s.t.Helper()
	r := &started{signals: make(chan os.Signal, 4), code: make(chan int, 1), out: &bytes.Buffer{}}
	env := Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: r.out, Stderr: r.out, Dir: s.dir, Signals: r.signals,
		Environ: []string{"TERM=xterm", "LANG=C.UTF-8"},
		Connect: func(_ context.Context, h, _ *dsl.Host) (engine.Link, error) {
			return engine.Link{Session: s.machines[h.Name].Session(), HostKey: "ssh-ed25519 " + h.Name}, nil
		},
	}
	read := make(chan struct{})
	close(read)
	closeTTY := func() {}
	if typed != "" {
		master, tty, err := pty.Open()
		if err != nil {
			needs.Missing(s.t, fmt.Sprintf("no terminal can be made: %v", err))
		}
		_ = pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 72})
		env.Stdin, env.Stdout, env.Stderr = tty, tty, tty
		if _, err := io.WriteString(master, typed); err != nil {
			s.t.Fatal(err)
		}
		read = make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(r.out, master) // ends with an error when the terminal closes
		}()
		closeTTY = func() {
			_, _ = io.WriteString(master, "\n") // whoever still reads a line gets one
			tty.Close()
		}
	}
	go func() {
		code := Main(context.Background(), env)
		closeTTY()
		<-read
		r.code <- code
	}()
	return r
}

// end waits for the run and checks its exit code.
func (r *started) end(t *testing.T, code int, contains ...string) string {
	t.Helper()
	select {
	case got := <-r.code:
		if got != code {
			t.Errorf("ended with %d, want %d:\n%s", got, code, r.out)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("does not end")
	}
	text := r.out.String()
	for _, c := range contains {
		if !strings.Contains(text, c) {
			t.Errorf("does not say %q:\n%s", c, text)
		}
	}
	return text
}

func TestApproval(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	s.begin("no\n", "apply").end(t, 1, "Do you want to perform these actions?", "Only 'yes' will be accepted", "The plan was not approved")
	s.begin("y\n", "apply").end(t, 1, "The plan was not approved")
	if s.machines["web1"].File("/etc/motd") != nil {
		t.Error("something was changed")
	}
	s.begin("yes\n", "apply", "-input=false").end(t, 1, "Nobody can be asked")
	text := s.begin("yes\n", "apply").end(t, 0, "Apply complete!", "\x1b[32m+\x1b[0m")
	if !strings.Contains(text, "steps ended") {
		t.Errorf("no live view:\n%q", text)
	}
	s.begin("yes\n", "destroy", "-no-color").end(t, 0, "Do you really want to destroy all of this?", "Destroy complete! Resources: 2 destroyed.")

	// A request to end while the question stands.
	r := s.begin(" ", "apply")
	time.AfterFunc(300*time.Millisecond, func() { r.signals <- os.Interrupt })
	r.end(t, 130)
}

func TestSignals(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	write := func(op host.Op) bool { _, ok := op.(host.WriteFile); return ok }

	// One request lets what runs end, and starts nothing new.
	entered, release := s.machines["web1"].Block(write)
	_, release2 := s.machines["web2"].Block(write)
	r := s.begin("", "apply", "--auto-approve", "--parallelism", "1")
	<-entered
	r.signals <- syscall.SIGTERM
	time.Sleep(100 * time.Millisecond)
	release()
	release2()
	r.end(t, 130, "Stopping: finishing", "press Ctrl-C again to cancel", "Apply incomplete.")
	if s.machines["web1"].File("/etc/motd") == nil {
		t.Error("what ran was not let end")
	}

	// The second cancels.
	s.machines["web2"].RemoveAll("/etc/motd")
	s.machines["web1"].RemoveAll("/etc/motd")
	entered, release = s.machines["web1"].Block(write)
	defer release()
	r = s.begin("", "apply", "--auto-approve")
	<-entered
	r.signals <- os.Interrupt
	r.signals <- os.Interrupt
	r.end(t, 130)
}
