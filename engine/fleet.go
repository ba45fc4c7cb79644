package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
)

// fleet is the machines of a run and the sessions to them.
type fleet struct {
	engine  *Engine
	events  *eventLog
	members map[string]*member
	order   []string // names, sorted
}

// member is one machine. While steps run, only the goroutine that holds the
// machine's lane touches it.
type member struct {
	host    *dsl.Host
	jump    *dsl.Host
	link    Link
	contact *host.Contact
	err     error       // why there is no session
	fence   *host.Fence // this run's, once it stands on the machine
	acted   actors      // the steps of this run that may have changed the machine
	peer    *peer       // for steps of other hosts; nil where the machine was not claimed
	gate    gate        // shut while the machine restarts
}

// actors are the steps that acted on one machine, however they ended, in the
// order in which they began to. Those of other hosts act beside its own.
type actors struct {
	mu    sync.Mutex
	steps []addr.Instance
}

func (a *actors) add(step addr.Instance) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.steps, step) {
		a.steps = append(a.steps, step)
	}
}

// all are the steps so far.
func (a *actors) all() []addr.Instance {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.steps)
}

// any reports whether there are any yet.
func (a *actors) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.steps) > 0
}

// Unreachable is a machine that could not be reached, or whose answer was not
// to be trusted.
type Unreachable struct {
	Host string
	Err  error // names the address
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("host %s cannot be reached: %s", e.Host, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// Temporary is implemented by connection errors that another attempt may
// overcome.
type Temporary interface{ Temporary() bool }

// attempts is how often a connection is tried, and pause how long the first
// wait between two attempts is; each further wait is twice as long. After
// patience there is no further attempt: a machine that is off is not waited
// for three times. Where something is waited for over connections that are lost
// again and again, the waits between them grow up to patience.
const (
	attempts = 3
	pause    = 500 * time.Millisecond
	patience = 5 * time.Second
)

// newFleet is the fleet of hosts. A bastion is one of them or, where none has
// its name, one of ways, which are not looked at themselves.
func newFleet(e *Engine, log *eventLog, hosts, ways []*dsl.Host) *fleet {
	f := &fleet{engine: e, events: log, members: map[string]*member{}}
	byName := map[string]*dsl.Host{}
	for _, h := range slices.Concat(ways, hosts) {
		byName[h.Name] = h
	}
	for _, h := range hosts {
		f.members[h.Name] = &member{host: h, jump: byName[h.Connection.Bastion]}
		f.order = append(f.order, h.Name)
	}
	slices.Sort(f.order)
	return f
}

// each runs fn for the members of names, as many at once as the engine's
// parallelism admits.
func (f *fleet) each(names []string, fn func(*member)) {
	slots := make(chan struct{}, max(f.engine.Parallelism, 1))
	var wg sync.WaitGroup
	for _, name := range names {
		m := f.members[name]
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			fn(m)
		})
	}
	wg.Wait()
}

// connect opens the sessions and makes first contact. What fails is left in
// each member's err.
func (f *fleet) connect(ctx context.Context) {
	f.each(f.order, func(m *member) {
		start := f.engine.Now()
		if err := f.open(ctx, m); err != nil {
			f.fail(m, err)
			return
		}
		f.events.emit(event.HostReady{Host: m.host.Name, Elapsed: f.engine.Now().Sub(start)})
	})
}

// fail leaves m without a session from now on, and says why.
func (f *fleet) fail(m *member, err error) {
	var is *Unreachable
	if !errors.As(err, &is) {
		is = &Unreachable{m.host.Name, err}
	}
	m.err = is
	f.events.emit(event.HostFailed{Host: m.host.Name, Reason: is.Err.Error()})
}

// again does fn, which uses the session of m, and where the connection was lost
// does it once more over a new one.
func (f *fleet) again(ctx context.Context, m *member, fn func() error) error {
	err := fn()
	if !errors.Is(err, host.ErrLost) || ctx.Err() != nil {
		return err
	}
	if err := f.reopen(ctx, m); err != nil {
		return err
	}
	return fn()
}

func (f *fleet) open(ctx context.Context, m *member) error {
	link, contact, err := f.dial(ctx, m)
	if err == nil {
		m.link, m.contact = link, contact
	}
	return err
}

// dial opens a session to m and makes contact.
func (f *fleet) dial(ctx context.Context, m *member) (Link, *host.Contact, error) {
	if name := m.host.Connection.Bastion; name != "" && m.jump == nil {
		return Link{}, nil, fmt.Errorf("it is reached through the bastion %s, which is neither in the spec nor recorded", name)
	}
	if way := f.members[m.host.Connection.Bastion]; way != nil {
		if err := way.gate.pass(ctx); err != nil {
			return Link{}, nil, err
		}
	}
	wait, began := pause, f.engine.Now()
	for n := 1; ; n++ {
		f.events.emit(event.HostConnecting{Host: m.host.Name, Endpoint: endpoint(m.host), Attempt: n})
		link, contact, err := f.call(ctx, m)
		if err == nil {
			return link, contact, nil
		}
		var t Temporary
		if n == attempts || f.engine.Now().Sub(began) > patience || ctx.Err() != nil || !errors.As(err, &t) || !t.Temporary() {
			return Link{}, nil, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return Link{}, nil, ctx.Err()
		}
		wait *= 2
	}
}

// call is one attempt of dial.
func (f *fleet) call(ctx context.Context, m *member) (Link, *host.Contact, error) {
	link, err := f.engine.Connect(ctx, m.host, m.jump)
	if err != nil {
		return Link{}, nil, err
	}
	contact, err := link.Session.Contact(ctx)
	if err != nil {
		link.Session.Close()
		return Link{}, nil, err
	}
	return link, contact, nil
}

// errAnother is a machine that is not the one that was there.
var errAnother = errors.New("another machine answers at this address now")

// reopen replaces a lost session. It fails where the machine is another one
// now.
func (f *fleet) reopen(ctx context.Context, m *member) error {
	m.shut()
	link, contact, err := f.dial(ctx, m)
	if err == nil {
		err = f.resume(ctx, m, link, contact)
	}
	if err != nil {
		m.err = &Unreachable{m.host.Name, err}
		return m.err
	}
	return nil
}

// resume puts a new session in the place of one that was lost. It fails where
// the machine is another one now, or another run's.
func (f *fleet) resume(ctx context.Context, m *member, link Link, contact *host.Contact) error {
	err := errAnother
	if link.HostKey == m.link.HostKey && (m.contact == nil || m.contact.MachineID == contact.MachineID) {
		m.link, m.contact = link, contact
		err = f.reclaim(ctx, m)
	}
	if err != nil {
		_ = link.Session.Close()
		m.shut()
	}
	return err
}

// reclaim tells a new session of a run that has acted on the machine before
// which fence it works behind, and puts back what a restart took with it. A
// run that has taken the machine over since is not pushed aside.
func (f *fleet) reclaim(ctx context.Context, m *member) error {
	if m.fence == nil {
		return nil
	}
	if found := m.contact.Fence; found == nil || *found != *m.fence {
		return host.ErrFenced
	}
	return m.link.Session.Claim(ctx, *m.fence)
}

func (m *member) shut() {
	if m.link.Session != nil {
		m.link.Session.Close()
	}
	m.link = Link{HostKey: m.link.HostKey}
}

func (f *fleet) close() {
	for _, m := range f.members {
		m.shut()
		if m.peer != nil {
			m.peer.shut()
		}
	}
}

// reachable reports whether the machine called name has a session.
func (f *fleet) reachable(name string) bool {
	m := f.members[name]
	return m != nil && m.err == nil && m.link.Session != nil
}

func endpoint(h *dsl.Host) string {
	c := h.Connection
	if c.Local {
		return "this machine"
	}
	address := net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	if c.User == "" {
		return address
	}
	return c.User + "@" + address
}

// eventLog numbers events and hands them on one at a time.
type eventLog struct {
	mu   sync.Mutex
	seq  int64
	now  func() time.Time
	sink event.Func
	hide func(string) string // what came from a machine passes through it; nil for nothing to hide
}

func (l *eventLog) emit(d event.Data) {
	if l.sink == nil {
		return
	}
	if l.hide != nil {
		switch e := d.(type) {
		case event.HostFailed:
			e.Reason = l.hide(e.Reason)
			d = e
		case event.Notice:
			e.Text = l.hide(e.Text)
			d = e
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	l.sink(event.Event{Seq: l.seq, Time: l.now(), Data: d})
}
