package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/state"
)

// mortal counts the moments of a run and dies at one of them: from then on
// nothing of it reaches the disk or a machine, as after kill -9.
type mortal struct {
	mu   sync.Mutex
	left int // moments to live; below 0 it lives for ever
	n    int
	dead bool
}

var errDead = errors.New("dead")

func (m *mortal) moment() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	if m.left == 0 {
		m.dead = true
	}
	m.left--
	if m.dead {
		return errDead
	}
	return nil
}

// around does f between two moments.
func (m *mortal) around(f func() error) error {
	if err := m.moment(); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return m.moment()
}

type mortalLease struct {
	state.Lease
	m *mortal
}

func (l mortalLease) Begin(ctx context.Context, run, digest string, steps int) (j state.Journal, err error) {
	err = l.m.around(func() error {
		j, err = l.Lease.Begin(ctx, run, digest, steps)
		return err
	})
	return mortalJournal{j, l.m}, err
}

type mortalJournal struct {
	state.Journal
	m *mortal
}

func (j mortalJournal) Intent(ctx context.Context, i ...state.Intent) error {
	return j.m.around(func() error { return j.Journal.Intent(ctx, i...) })
}

func (j mortalJournal) Result(ctx context.Context, r ...state.Result) error {
	return j.m.around(func() error { return j.Journal.Result(ctx, r...) })
}

func (j mortalJournal) Host(ctx context.Context, h state.Host) error {
	return j.m.around(func() error { return j.Journal.Host(ctx, h) })
}

func (j mortalJournal) End(ctx context.Context, complete bool, outputs map[string]ctyjson.SimpleJSONValue) error {
	return j.m.around(func() error { return j.Journal.End(ctx, complete, outputs) })
}

type mortalSession struct {
	host.Session
	m *mortal
}

func (s mortalSession) Act(ctx context.Context, id host.ActID, epoch int64, fn, read func(context.Context, host.Host) error) (fnErr, readErr error) {
	err := s.m.around(func() error {
		fnErr, readErr = s.Session.Act(ctx, id, epoch, func(ctx context.Context, h host.Host) error {
			return fn(ctx, mortalHost{h, s.m})
		}, read)
		return nil
	})
	if err != nil {
		return err, nil
	}
	return fnErr, readErr
}

type mortalHost struct {
	host.Host
	m *mortal
}

func (h mortalHost) Do(ctx context.Context, ops ...host.Op) (r []host.Result, err error) {
	err = h.m.around(func() error {
		r, err = h.Host.Do(ctx, ops...)
		return err
	})
	return r, err
}

func (s mortalSession) Claim(ctx context.Context, f host.Fence) error {
	return s.m.around(func() error { return s.Session.Claim(ctx, f) })
}

func (s mortalSession) Sign(ctx context.Context, r host.Receipt, open []host.ActID) error {
	return s.m.around(func() error { return s.Session.Sign(ctx, r, open) })
}

// live applies once, dying at a moment; printed are the addresses of the steps
// whose end was told before.
func (w *world) live(m *mortal) (printed []string) {
	w.t.Helper()
	e := w.engine()
	connect := e.Connect
	e.Connect = func(ctx context.Context, h, jump *dsl.Host) (engine.Link, error) {
		if m.dead {
			return engine.Link{}, errDead
		}
		l, err := connect(ctx, h, jump)
		l.Session = mortalSession{l.Session, m}
		return l, err
	}
	e.Events = func(ev event.Event) {
		if s, ok := ev.Data.(event.StepEnded); ok && !m.dead && s.Outcome == event.Done {
			printed = append(printed, s.Addr.String())
		}
	}
	lease, err := w.backend.Lock(w.t.Context(), 0, state.Holder{ID: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	defer lease.Release()
	in := w.input()
	in.State = lease.Snapshot()
	p, diags := e.Plan(w.t.Context(), in)
	if diags.HasErrors() {
		if m.dead {
			return nil
		}
		w.noErrors(diags)
	}
	defer p.Close()
	w.runs++
	e.Apply(w.t.Context(), mortalLease{lease, m}, p, engine.ApplyOptions{Run: fmt.Sprintf("run%d", w.runs)})
	return printed
}

const crashSpec = `
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
resource "package" "tool" { # in one act with the daemon's
  for_each = toset(["saw", "%s"])
  on       = hosts
  name     = each.key
}
resource "file" "conf" {
  on         = hosts
  path       = "/etc/daemon.conf"
  content    = "colour = %s\n"
  depends_on = [package.daemon]
}
resource "service" "daemon" {
  on         = hosts
  name       = "daemon"
  enabled    = true
  running    = true
  on_change  = [file.conf]
  depends_on = [package.daemon]
}
resource "exec" "init" {
  on         = hosts
  command    = "init-it"
  triggers   = { colour = "%s" }
  depends_on = [service.daemon]
}
resource "sysctl" "forward" {
  on    = hosts
  key   = "net.ipv4.ip_forward"
  value = "1"
}
`

// crashWorld is a machine on which a daemon reads its configuration when it
// starts: reads tells the last one that it saw.
func crashWorld(t *testing.T) (w *world, inits *int) {
	w = newWorld(t, "a")
	m := w.machines["a"]
	m.Put("/proc/sys/net/ipv4/ip_forward", "0\n")
	for _, name := range []string{"daemon", "saw", "red", "blue"} {
		m.Archive(name, "1.0")
	}
	m.Ship("daemon", map[string]string{
		"/lib/systemd/system/daemon.service": "[Install]\nWantedBy=multi-user.target\n",
		"/etc/daemon.conf":                   "colour = none\n",
	}, "daemon.service")
	inits = new(int)
	m.Script("init-it", func(*hosttest.Call) host.Output { *inits++; return host.Output{} })
	return w, inits
}

// TestCrashAtEveryMoment kills a first apply, and an apply of a change, at
// every write of the journal and every call to a machine, before and after.
func TestCrashAtEveryMoment(t *testing.T) {
	count := func(colours ...string) int { // moments of the last apply
		w, _ := crashWorld(t)
		var m *mortal
		for _, c := range colours {
			m = &mortal{left: -1}
			w.spec(strings.ReplaceAll(crashSpec, "%s", c))
			w.live(m)
		}
		return m.n
	}
	for _, colours := range [][]string{{"red"}, {"red", "blue"}} {
		moments := count(colours...)
		if moments < 20 {
			t.Fatalf("only %d moments: nothing was applied", moments)
		}
		for at := range moments {
			t.Run(fmt.Sprintf("%s at %d", strings.Join(colours, " then "), at), func(t *testing.T) {
				w, inits := crashWorld(t)
				m := w.machines["a"]
				for _, c := range colours[:len(colours)-1] {
					w.spec(strings.ReplaceAll(crashSpec, "%s", c))
					w.apply()
				}
				w.spec(strings.ReplaceAll(crashSpec, "%s", colours[len(colours)-1]))
				before, _ := m.Unit("daemon.service")
				printed := w.live(&mortal{left: at})
				if _, err := w.backend.Read(t.Context()); err != nil {
					t.Fatalf("the state cannot be read: %v", err)
				}
				initsThen := *inits
				acts := len(m.Acts())
				w.apply()
				again := m.Acts()[acts:]
				if slices.Contains(printed, "exec.init@a") && *inits != initsThen {
					t.Errorf("exec.init was done, and told to be, and is done again")
				}
				if slices.Contains(printed, "file.conf@a") && slices.ContainsFunc(again, func(a hosttest.Act) bool { return a.String() == "write /etc/daemon.conf" }) {
					t.Errorf("file.conf was done, and told to be, and is written again")
				}
				after, _ := m.Unit("daemon.service")
				if len(colours) == 2 && after.Starts < before.Starts+1 {
					t.Errorf("the daemon was not restarted after its configuration changed: %v", again)
				}
				if *inits < len(colours) || *inits > len(colours)+1 {
					t.Errorf("init-it ran %d times in all", *inits)
				}
				w.wantSteps()
			})
		}
	}
}
