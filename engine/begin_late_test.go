package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/state"
)

// lateSession does late just before the run that it belongs to takes the
// machine over.
type lateSession struct {
	host.Session
	late func()
}

func (s lateSession) Claim(ctx context.Context, f host.Fence) error {
	s.late()
	return s.Session.Claim(ctx, f)
}

// What a killed run has sent may come to the machine late: when the next run
// has seen that the exec was not begun, and has not taken the machine over yet.
func TestAnExecThatBeginsLateRunsOnce(t *testing.T) {
	for _, how := range []string{"ends", "is killed"} {
		t.Run(how, func(t *testing.T) {
			tried := 0
			for at := 0; ; at++ {
				w := newWorld(t, "a")
				ran := counted(w, 0)
				w.spec(once)
				m := &mortal{left: at}
				w.live(m)
				if !m.dead {
					break
				}
				snap, err := w.backend.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if *ran > 0 || len(snap.Interrupted) == 0 {
					continue
				}
				tried++
				for _, cut := range snap.Interrupted {
					w.applyLate(func() { w.begin(cut, how == "is killed") })
				}
				if *ran != 1 {
					t.Errorf("killed at moment %d: it ran %d times", at, *ran)
				}
				w.wantSteps()
				if c, err := w.machines["a"].Session().Contact(t.Context()); err != nil || len(c.Acts) > 0 {
					t.Errorf("killed at moment %d: acts %v are left, %v", at, c.Acts, err)
				}
			}
			if tried == 0 {
				t.Error("no run was killed before the exec began")
			}
		})
	}
}

// begin does what the run of an intent sent for an exec; killed, it does not
// come to the command.
func (w *world) begin(cut state.Intent, killed bool) {
	w.t.Helper()
	m := w.machines[cut.Host]
	s := m.Session()
	defer s.Close()
	op := host.Run{Argv: []string{"/bin/sh", "-c", "make-it"}, Detached: true}
	act := func() (err error) {
		err, _ = s.Act(w.t.Context(), host.ActID{Run: cut.Run, Step: cut.Step}, cut.Epoch, func(ctx context.Context, h host.Host) error {
			_, err := h.Do(ctx, op)
			return err
		}, nil)
		return err
	}
	if !killed {
		if err := act(); err != nil {
			w.t.Error(err)
		}
		return
	}
	entered, _ := m.Block(nil)
	ended := make(chan error, 1)
	go func() { ended <- act() }()
	<-entered
	m.Interrupt()
	if err := <-ended; !errors.Is(err, host.ErrInterrupted) {
		w.t.Error(err)
	}
}

// applyLate applies, doing late just before the machine is taken over.
func (w *world) applyLate(late func()) {
	w.t.Helper()
	e := w.engine()
	connect := e.Connect
	e.Connect = func(ctx context.Context, h, jump *dsl.Host) (engine.Link, error) {
		l, err := connect(ctx, h, jump)
		l.Session = lateSession{l.Session, sync.OnceFunc(late)}
		return l, err
	}
	lease, err := w.backend.Lock(w.t.Context(), 0, state.Holder{ID: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	defer lease.Release()
	in := w.input()
	in.State = lease.Snapshot()
	p, diags := e.Plan(w.t.Context(), in)
	w.noErrors(diags)
	defer p.Close()
	w.runs++
	_, diags = e.Apply(w.t.Context(), lease, p, engine.ApplyOptions{Run: fmt.Sprintf("run%d", w.runs)})
	w.noErrors(diags)
}
