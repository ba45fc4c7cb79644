package engine_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/state/local"
)

const slow = `
resource "exec" "slow" {
  on      = hosts
  command = "make-it"
  timeout = "1m"
}
`

// A step that runs out of time leaves nothing running, and the machine is
// there for the steps that do not need it.
func TestAStepThatTakesTooLongIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		m := w.machines["a"]
		ran := counted(w, 0)
		w.spec(slow + strings.ReplaceAll(motd, `"motd" {`, `"zone" {`))
		p := w.plan()
		m.Block(isDetached)
		r, diags := w.run(p)
		if r.Counts[event.Failed] != 1 || r.Counts[event.Done] != 1 || !strings.Contains(diags.Error(), "It took longer than 1m0s, and was stopped") {
			t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
		}
		c, err := m.Session().Contact(t.Context())
		if err != nil || len(c.Acts) != 1 || c.Acts[0].State != host.ActInterrupted {
			t.Errorf("acts on the machine: %+v, %v", c, err)
		}
		w.wantSteps("create exec.slow@a")
		w.apply()
		if *ran != 1 {
			t.Errorf("it ran %d times to its end", *ran)
		}
		w.wantSteps()
	})
}

func isDetached(op host.Op) bool {
	run, ok := op.(host.Run)
	return ok && run.Detached
}

// Where it cannot be stopped, that is said.
func TestAStepThatTakesTooLongOnAMachineThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		w.spec(slow + strings.ReplaceAll(motd, `"motd" {`, `"zone" {`))
		p := w.plan()
		entered, _ := w.machines["a"].Block(isDetached)
		go func() {
			<-entered
			w.mu.Lock()
			defer w.mu.Unlock()
			w.down["a"] = true
		}()
		r, diags := w.run(p)
		if r.Counts[event.Failed] != 1 || r.Counts[event.Withheld] != 1 || !strings.Contains(diags.Error(), "it may still run") {
			t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
		}
		w.machines["a"].Interrupt() // nothing of the test may wait for ever
	})
}

// A machine that is lost for good in the middle of a run fails the step that
// it was lost in, and no more.
func TestAMachineIsLostInTheMiddle(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.machines["b"].Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.down["a"] = true
		return host.Output{}
	})
	w.spec(`
resource "exec" "x" {
  on      = hosts
  command = "make-it"
}
resource "file" "y" {
  on         = hosts
  path       = "/etc/y"
  content    = "y\n"
  depends_on = [exec.x]
}
` + strings.ReplaceAll(motd, `"motd" {`, `"zone" {`))
	p := w.plan()
	w.machines["a"].Arrange(hosttest.Fault{Op: 1, Acts: true, Done: true})
	r, diags := w.run(p)
	if r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 1 || r.Counts[event.Withheld] != 1 || r.Counts[event.Done] != 3 || len(diags) != 1 {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
	w.down["a"] = false
	w.apply()
	w.wantSteps()
}

// A connection that is lost before the first step is made again; a machine
// that cannot be reached then is withheld, as one that was off before.
func TestAConnectionIsLostAtTheClaim(t *testing.T) {
	for name, c := range map[string]struct {
		gone  bool
		calls []int // that are lost: contact, first reading, claim; again contact, claim
	}{"once": {false, []int{3}}, "for good": {true, []int{3}}, "twice": {true, []int{3, 4}}} {
		w := newWorld(t, "a", "b")
		w.spec(motd)
		p := w.plan()
		calls := w.machines["a"].Calls()
		for _, n := range c.calls {
			w.machines["a"].Arrange(hosttest.Fault{Call: n})
		}
		w.down["a"] = c.gone && len(c.calls) == 1
		r, diags := w.run(p)
		w.noErrors(diags)
		want := 2
		if c.gone {
			want = 1
		}
		if r.Counts[event.Done] != want || r.Counts[event.Withheld] != 2-want {
			t.Errorf("%s: after %d calls, counts %v", name, w.machines["a"].Calls()-calls, r.Counts)
		}
		w.down["a"] = false
		w.apply()
		w.wantSteps()
	}
}

// An act of a run that was cancelled is waited for, but not for ever.
func TestAnActThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		counted(w, 0)
		w.spec(slow)
		entered, release := w.machines["a"].Block(isDetached)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		w.runIn(ctx, w.plan())

		p := w.plan()
		began := time.Now()
		_, diags := w.run(p)
		if !diags.HasErrors() || diags[0].Extra != engine.CodeLocked || !strings.Contains(diags[0].Detail, "still runs") {
			t.Errorf("diagnostics: %v", diags)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %v", waited)
		}
		release()
		synctest.Wait()
		if r := w.apply(); r.Counts[event.Adopted] != 1 {
			t.Errorf("counts: %v", r.Counts)
		}
		w.wantSteps()
	})
}

// The wait for such an act outlasts the connection: what is read afterwards is
// what the act has left.
func TestAConnectionIsLostWhileAnActIsWaitedFor(t *testing.T) {
	for _, gone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			m := w.machines["a"]
			ran := counted(w, 0)
			w.machines["b"].Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
			w.spec(slow)
			release := cutShort(w)
			p := w.plan()
			time.AfterFunc(10*time.Second, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.down["a"] = gone
				m.Cut()
			})
			time.AfterFunc(20*time.Second, release)
			began, before := time.Now(), len(w.events)
			r, diags := w.run(p)
			w.noErrors(diags)
			if gone {
				if r.Counts[event.Withheld] != 1 {
					t.Errorf("counts %v", r.Counts)
				}
				w.down["a"] = false
				time.Sleep(20 * time.Second)
				synctest.Wait()
				r = w.apply()
			}
			for _, e := range w.events[before:] {
				if _, ok := e.Data.(event.FirstReading); ok && !gone && e.Time.Sub(began) != 20*time.Second {
					t.Errorf("it is read after %v", e.Time.Sub(began))
				}
			}
			if r.Counts[event.Adopted] != 1 || *ran != 1 {
				t.Errorf("counts %v, it ran %d times", r.Counts, *ran)
			}
			w.wantSteps()
		})
	}
}

// A machine on which no connection lasts is not run at: the pauses grow.
func TestConnectionsAreLostWhileAnActIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		counted(w, 0)
		w.spec(slow)
		release := cutShort(w)
		p := w.plan()
		for n := range 6 {
			w.machines["a"].Arrange(hosttest.Fault{Call: n + 2}) // each time the one after contact
		}
		time.AfterFunc(20*time.Second, release)
		began, before := time.Now(), len(w.events)
		r, diags := w.run(p)
		w.noErrors(diags)
		if w.machines["a"].Pending() || r.Counts[event.Adopted] != 1 {
			t.Errorf("counts %v", r.Counts)
		}
		var at []string
		for _, e := range w.events[before:] {
			if _, ok := e.Data.(event.HostConnecting); ok {
				at = append(at, e.Time.Sub(began).String())
			}
		}
		if got := strings.Join(at, " "); got != "500ms 1.5s 3.5s 7.5s 12.5s 17.5s" {
			t.Errorf("connected again after %s", got)
		}
	})
}

// A connection that is lost in the first reading is made again, as at any other
// moment.
func TestAConnectionIsLostInTheFirstReading(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.spec(motd)
	p := w.plan()
	w.machines["a"].Arrange(hosttest.Fault{Call: 2}) // contact, first reading
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Done] != 2 {
		t.Errorf("counts %v", r.Counts)
	}
	w.wantSteps()
}

// An act of another state is not waited for: its machine is taken over once it
// has ended, and until then nothing is changed.
func TestAnActOfAnotherStateStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		ran := counted(w, 0)
		w.spec(slow)
		release := cutShort(w)
		w.backend = local.New(filepath.Join(t.TempDir(), ".kplan"), "test")
		began := time.Now()
		_, diags := w.run(w.plan())
		if len(diags) != 1 || diags[0].Extra != engine.CodeLocked || !strings.Contains(diags[0].Detail, "Nothing was changed; apply again once that run has ended.") {
			t.Errorf("diagnostics: %v", diags)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		release()
		synctest.Wait()
		w.apply()
		if *ran != 2 { // by each state
			t.Errorf("it ran %d times", *ran)
		}
		w.wantSteps()
	})
}
