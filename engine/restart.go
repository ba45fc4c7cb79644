package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what a restart of a machine means for the run: who waits for it,
// how it is reached again, and when the step is done.

// knock is the wait before each attempt to reach a machine that restarts.
const knock = time.Second

// gate keeps others away from a machine that restarts.
type gate struct {
	mu   sync.Mutex
	away chan struct{} // closed once the machine is back; nil while nothing is the matter
}

// shut closes the gate, until open is called.
func (g *gate) shut() (open func()) {
	away := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = away
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.away = nil
		close(away)
	}
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	away := g.away
	g.mu.Unlock()
	if away == nil {
		return nil
	}
	select {
	case <-away:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave waits for the calls that steps of other hosts make on m, and keeps
// further ones away, and new connections to and through m, until back is called.
func (m *member) leave(ctx context.Context) (back func(), err error) {
	done, err := m.peer.take(ctx)
	if err != nil {
		return nil, err
	}
	m.peer.shut()
	open := m.gate.shut()
	return func() { open(); done() }, nil
}

// restart does act until the machine is in another boot than it is now. What
// act does belongs to one boot: a session that is lost tells nothing, and in the
// same boot act is repeated, which restarts the machine once whatever happens.
func (s *stepRun) restart(ctx context.Context, act func() error) error {
	boot := s.m.contact.BootID
	for {
		err := act()
		if !errors.Is(err, host.ErrLost) || ctx.Err() != nil {
			return err // a refusal, a condition that does not hold, or no time left
		}
		if err := s.fleet.rejoin(ctx, s.m); err != nil {
			return fmt.Errorf("the machine was told to restart: %w", err)
		}
		if s.m.contact.BootID != boot {
			s.events.emit(event.Notice{Host: s.m.host.Name, Text: "the machine is back after its restart"})
			return nil
		}
	}
}

// quiet fails where the machine that has restarted asks for a restart again.
// Where that cannot be read, the next plan finds out.
func (s *stepRun) quiet(ctx context.Context) error {
	if s.readAgain(ctx) == nil && s.nodes[s.node].reading().verdict == resource.DueNow {
		return errors.New("the machine has restarted and asks for another restart already; look at what asks for it there, as the next apply restarts it again")
	}
	return nil
}

// notBack is the error of a machine that was to restart and is not back in time.
// The intent stays open: the next run looks at what became of it.
func (s *stepRun) notBack(within time.Duration, err error) error {
	s.m.shut()
	var u *Unreachable
	if errors.As(err, &u) {
		s.m.err = u
		return fmt.Errorf("the machine was told to restart and was not back within %s: %w. Look at its console. Once it answers, apply again: it is not restarted again where it has restarted", within, u.Err)
	}
	s.m.err = &Unreachable{s.m.host.Name, errors.New("it was told to restart, and has not gone down")}
	return fmt.Errorf("the machine was told to restart and had not gone down within %s. Look at what keeps it (systemctl list-jobs), then apply again", within)
}

// rejoin replaces the lost session of a machine that may be restarting: it tries
// until the machine answers, or ctx is done. What the machine says while it goes
// down or comes up, such as that nobody may log in now, does not count; that it
// is another machine does.
func (f *fleet) rejoin(ctx context.Context, m *member) error {
	why := host.ErrLost // then that of the last attempt which was not cut short
	for {
		m.shut()
		select {
		case <-time.After(knock):
		case <-ctx.Done():
			return &Unreachable{m.host.Name, why}
		}
		link, contact, err := f.call(ctx, m)
		if err == nil {
			err = f.resume(ctx, m, link, contact)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			why = err
		}
		var final interface{ ExitCode() int } // the spec is wrong, or the host key is
		if errors.As(err, &final) || errors.Is(err, errAnother) || errors.Is(err, host.ErrFenced) {
			m.err = &Unreachable{m.host.Name, err}
			return m.err
		}
	}
}
