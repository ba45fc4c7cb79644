package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

const stubborn = `
resource "exec" "x" {
  on      = hosts
  command = "make-it"
  retry {
    attempts = 10
    delay    = "60s"
  }
}
`

// Whoever asks to stop waits for what runs, and for no further attempt.
func TestNoAttemptIsBegunAfterAStop(t *testing.T) {
	for name, asked := range map[string]time.Duration{"while it runs": 0, "between two attempts": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "a")
				stop, ran := make(chan struct{}), 0
				w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
					if ran++; asked == 0 && ran == 1 {
						close(stop)
					}
					return host.Output{Code: 1}
				})
				w.spec(stubborn)
				p := w.plan()
				if asked > 0 {
					time.AfterFunc(asked, func() { close(stop) })
				}
				began := time.Now()
				r, _ := w.runWith(p, engine.ApplyOptions{Stop: stop})
				if ran != 1 || time.Since(began) != asked || r.Counts[event.Failed] != 1 {
					t.Errorf("it ran %d times in %v, counts %v", ran, time.Since(began), r.Counts)
				}
			})
		})
	}
}

// cutShort leaves an act on the machine that still runs; release lets it end.
func cutShort(w *world) (release func()) {
	entered, release := w.machines["a"].Block(isDetached)
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	go func() { <-entered; cancel() }()
	w.runIn(ctx, w.plan())
	return release
}

// Before the first step there is nothing to end: the run is over at once.
func TestAStopEndsTheWaitForAnEarlierAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		ran := counted(w, 0)
		w.spec(slow)
		release := cutShort(w)

		p := w.plan()
		stop, acts := make(chan struct{}), len(w.machines["a"].Acts())
		time.AfterFunc(10*time.Second, func() { close(stop) })
		began := time.Now()
		r, diags := w.runWith(p, engine.ApplyOptions{Stop: stop})
		if len(diags) != 1 || diags[0].Extra != engine.CodeInterrupted {
			t.Errorf("diagnostics: %v", diags)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
		if n := len(w.machines["a"].Acts()) - acts; n != 0 || len(r.Steps) != 0 {
			t.Errorf("%d acts, steps %v", n, r.Steps)
		}

		release()
		synctest.Wait()
		if r := w.apply(); r.Counts[event.Adopted] != 1 || *ran != 1 {
			t.Errorf("counts %v, it ran %d times", r.Counts, *ran)
		}
		w.wantSteps()
	})
}

// Who cancels while the machines are taken over has not made a mistake.
func TestARunIsCancelledAtTheClaim(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd)
	ctx, cancel := context.WithCancel(t.Context())
	e := w.engine()
	connect := e.Connect
	e.Connect = func(ctx context.Context, h, jump *dsl.Host) (engine.Link, error) {
		l, err := connect(ctx, h, jump)
		l.Session = lateSession{l.Session, cancel}
		return l, err
	}
	p, diags := e.Plan(ctx, w.input())
	w.noErrors(diags)
	defer p.Close()
	_, diags = w.runIn(ctx, p)
	if len(diags) != 1 || diags[0].Extra != engine.CodeInterrupted || len(w.machines["a"].Acts()) != 0 {
		t.Errorf("diagnostics %v, acts %v", diags, w.machines["a"].Acts())
	}
}
