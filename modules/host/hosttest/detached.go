package hosttest

import (
	"cmp"
	"context"
	"fmt"

	"github.com/kplan/kplan/modules/host"
)

// detached is an act under the machine's service manager. Its fields are
// guarded by the machine's mutex.
type detached struct {
	state host.ActState
	boot  string
	out   host.Output
	err   error // of an operation that the machine does not know
	ended chan struct{}
}

func compareIDs(a, b host.ActID) int {
	return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Step, b.Step), cmp.Compare(a.N, b.N))
}

// runDetached starts the act, or finds the one of its id, and waits for its
// end; m.mu is held, but not while it waits.
func (m *Machine) runDetached(ctx context.Context, h *handle, op host.Run) (host.Output, error) {
	id := h.id
	id.N += h.n
	h.n++
	d := m.detached[id]
	if d == nil || !h.fenced {
		d = &detached{state: host.ActRunning, boot: m.boot(), ended: make(chan struct{})}
		if h.fenced {
			m.detached[id] = d
		}
		m.acts = append(m.acts, Act{ID: h.id, Op: op})
		if hold := m.held(op); hold != nil {
			close(hold.entered)
			go func() {
				select {
				case <-hold.released:
				case <-d.ended:
				}
				m.mu.Lock()
				defer m.mu.Unlock()
				m.finish(d, op)
			}()
		} else {
			m.finish(d, op)
		}
	}
	m.mu.Unlock()
	defer m.mu.Lock()
	out, err := h.s.wait(ctx, d)
	if err == nil && out.Code != 0 && !op.AnyExit {
		err = &host.ExitError{Argv: op.Argv, Output: out}
	}
	return out, err
}

func (m *Machine) finish(d *detached, op host.Run) {
	if d.state != host.ActRunning {
		return
	}
	op.AnyExit = true
	d.out, d.err = m.run(op, false)
	d.state = host.ActDone
	close(d.ended)
}

func (m *Machine) interrupt(d *detached) {
	if d.state == host.ActRunning {
		d.state = host.ActInterrupted
		close(d.ended)
	}
}

// wait waits for the end of d. A nil session is never lost.
func (s *session) wait(ctx context.Context, d *detached) (host.Output, error) {
	var lost chan struct{}
	if s != nil {
		lost = s.lost
	}
	select {
	case <-d.ended:
	case <-lost:
		return host.Output{}, host.ErrLost
	case <-ctx.Done():
		if s != nil {
			s.m.mu.Lock()
			defer s.m.mu.Unlock()
			s.m.cut(s)
		}
		return host.Output{}, fmt.Errorf("%w: %w", host.ErrLost, context.Cause(ctx))
	}
	select {
	case <-lost: // it ended with the connection, in a restart
		return host.Output{}, host.ErrLost
	default:
	}
	if d.state == host.ActInterrupted {
		return host.Output{}, host.ErrInterrupted
	}
	return d.out, d.err
}
