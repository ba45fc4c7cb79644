package hosttest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// session is one connection to a machine.
type session struct {
	m    *Machine
	lost chan struct{} // closed when the connection is
}

// Session opens a connection to the machine.
func (m *Machine) Session() host.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &session{m: m, lost: make(chan struct{})}
	m.sessions[s] = true
	if m.down {
		m.cut(s)
	}
	return s
}

// cut ends the connection; m.mu is held.
func (m *Machine) cut(s *session) {
	if m.sessions[s] {
		delete(m.sessions, s)
		close(s.lost)
	}
}

func (s *session) check(ctx context.Context) error {
	select {
	case <-s.lost:
		return host.ErrLost
	default:
		return ctx.Err()
	}
}

// enter begins a call of the session outside of Do; it holds m.mu afterwards
// unless it fails.
func (s *session) enter(ctx context.Context) error {
	s.m.mu.Lock()
	if err := s.m.arrive(ctx, s); err != nil {
		s.m.mu.Unlock()
		return err
	}
	return nil
}

// Contact implements host.Session.
func (s *session) Contact(ctx context.Context) (*host.Contact, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	m := s.m
	defer m.mu.Unlock()
	c := &host.Contact{MachineID: m.facts.MachineID, BootID: m.boot(), Ahead: m.ahead, Facts: m.facts}
	c.Facts.Interfaces = slices.Clone(m.facts.Interfaces)
	c.Facts.Hostname = strings.TrimSpace(string(m.database("/proc/sys/kernel/hostname")))
	if m.fence != nil {
		f := *m.fence
		c.Fence = &f
	}
	if m.receipt != nil {
		r := *m.receipt
		c.Receipt = &r
	}
	for id, d := range m.detached {
		c.Acts = append(c.Acts, host.Act{ID: id, State: d.state, BootID: d.boot, Code: d.out.Code})
	}
	slices.SortFunc(c.Acts, func(a, b host.Act) int { return compareIDs(a.ID, b.ID) })
	return c, nil
}

// Read implements host.Session: the calls of all fns travel together.
func (s *session) Read(ctx context.Context, fns []func(context.Context, host.Host) error) []error {
	type event struct {
		fn   int
		call *call // nil: the fn has returned
	}
	errs := make([]error, len(fns))
	events := make(chan event)
	for i, fn := range fns {
		go func() {
			errs[i] = fn(ctx, &handle{m: s.m, s: s, readOnly: true, send: func(c *call) { events <- event{i, c} }})
			events <- event{fn: i}
		}()
	}
	pending := map[int]*call{}
	for running := len(fns); running > 0; {
		for len(pending) < running {
			e := <-events
			if e.call == nil {
				running--
				delete(pending, e.fn)
			} else {
				pending[e.fn] = e.call
			}
		}
		if len(pending) == 0 {
			break
		}
		frame := make([]*call, 0, len(pending))
		for i := range fns {
			if c := pending[i]; c != nil {
				frame = append(frame, c)
			}
		}
		clear(pending)
		s.m.frame(ctx, s, frame)
	}
	return errs
}

// Act implements host.Session. The reading behind fn's calls costs no call of
// its own.
func (s *session) Act(ctx context.Context, id host.ActID, epoch int64, fn, read func(context.Context, host.Host) error) (fnErr, readErr error) {
	fnErr = fn(ctx, &handle{m: s.m, s: s, id: id, epoch: epoch, fenced: true})
	if read == nil {
		return fnErr, nil
	}
	return fnErr, read(ctx, &handle{m: s.m, s: s, readOnly: true, free: true})
}

// Adopt implements host.Session.
func (s *session) Adopt(ctx context.Context, id host.ActID) (host.Output, error) {
	if err := s.enter(ctx); err != nil {
		return host.Output{}, err
	}
	d := s.m.detached[id]
	s.m.mu.Unlock()
	if d == nil {
		return host.Output{}, fmt.Errorf("act %s.%d.%d is not there: %w", id.Run, id.Step, id.N, host.ErrInterrupted)
	}
	return s.wait(ctx, d)
}

// Stop implements host.Session.
func (s *session) Stop(ctx context.Context, id host.ActID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.m.mu.Unlock()
	if d := s.m.detached[id]; d != nil {
		s.m.interrupt(d)
	}
	return nil
}

// Claim implements host.Control.
func (s *session) Claim(ctx context.Context, f host.Fence) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	m := s.m
	defer m.mu.Unlock()
	if m.fence != nil && m.fence.Lineage == f.Lineage && m.fence.Epoch > f.Epoch {
		return host.ErrFenced
	}
	if m.fence != nil && m.fence.Lineage != f.Lineage {
		for _, d := range m.detached {
			if d.state == host.ActRunning {
				return host.ErrFenced
			}
		}
	}
	m.fence = &f
	return nil
}

// Sign implements host.Control.
func (s *session) Sign(ctx context.Context, r host.Receipt, open []host.ActID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	m := s.m
	defer m.mu.Unlock()
	m.receipt = &r
	for id, d := range m.detached {
		kept := slices.ContainsFunc(open, func(o host.ActID) bool { return o.Run == id.Run && o.Step == id.Step })
		if d.state != host.ActRunning && !kept {
			delete(m.detached, id)
		}
	}
	return nil
}

// Close implements host.Session.
func (s *session) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.cut(s)
	return nil
}
