package hosttest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// handle is a host.Host of a machine.
type handle struct {
	m        *Machine
	s        *session // nil: not through a session
	readOnly bool
	free     bool // its first call travels with one that was counted
	fenced   bool
	id       host.ActID
	epoch    int64
	n        int         // detached acts so far
	send     func(*call) // hands a call to Session.Read's frame; nil: it goes by itself
}

// call is one Do on its way.
type call struct {
	h    *handle
	ops  []host.Op
	done chan answer
}

type answer struct {
	res []host.Result
	err error
}

// Host is the machine without a session: acts are allowed and not fenced.
func (m *Machine) Host() host.Host { return &handle{m: m} }

// Reader is the machine without a session, for reading only.
func (m *Machine) Reader() host.Host { return &handle{m: m, readOnly: true} }

// Do implements host.Host.
func (h *handle) Do(ctx context.Context, ops ...host.Op) ([]host.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, op := range ops {
		if h.readOnly && op.Acts() {
			return nil, host.ErrReadOnly
		}
		if run, ok := op.(host.Run); ok && run.Detached && len(ops) > 1 {
			return nil, errors.New("hosttest: a detached act is not alone in its call")
		}
		if _, ok := op.(host.Restart); ok && len(ops) > 1 {
			return nil, errors.New("hosttest: a restart is not alone in its call")
		}
	}
	c := &call{h: h, ops: ops, done: make(chan answer, 1)}
	if h.send != nil {
		h.send(c)
	} else {
		h.m.frame(ctx, h.s, []*call{c})
	}
	select {
	case a := <-c.done:
		return a.res, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// frame carries out calls that travel together.
func (m *Machine) frame(ctx context.Context, s *session, calls []*call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lost error
	if h := calls[0].h; h.free {
		h.free = false
		if s != nil {
			lost = s.check(ctx)
		}
	} else {
		lost = m.arrive(ctx, s)
	}
	for _, c := range calls {
		a := answer{err: lost}
		if lost == nil {
			a = m.perform(ctx, c)
			if errors.Is(a.err, host.ErrLost) {
				lost = a.err
				if s != nil {
					m.cut(s)
				}
			}
		}
		c.done <- a
	}
}

// arrive counts a call and lets happen to it what was arranged; m.mu is held.
func (m *Machine) arrive(ctx context.Context, s *session) error {
	if m.latency > 0 {
		m.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(m.latency):
		}
		m.mu.Lock()
	}
	if s != nil {
		if err := s.check(ctx); err != nil {
			return err
		}
	}
	m.calls++
	if f := m.due(func(f *Fault) *int { return &f.Call }); f != nil {
		if s != nil && errors.Is(f.err(), host.ErrLost) {
			m.cut(s)
		}
		return f.err()
	}
	return ctx.Err()
}

func (m *Machine) perform(ctx context.Context, c *call) answer {
	h := c.h
	var a answer
	for _, op := range c.ops {
		if op.Acts() && h.fenced {
			if m.fence == nil {
				return answer{a.res, errors.New("hosttest: an act on a machine that was not claimed")}
			}
			if m.fence.Epoch > h.epoch {
				return answer{a.res, host.ErrFenced}
			}
		}
		if op.Acts() {
			if err := m.pause(ctx, op); err != nil {
				return answer{a.res, err}
			}
		}
		f := m.due(func(f *Fault) *int {
			if f.Acts && !op.Acts() {
				return nil
			}
			return &f.Op
		})
		if f != nil && !f.Done {
			return answer{a.res, f.err()}
		}
		r, err := m.op(ctx, h, op)
		if f != nil {
			err = f.err()
		}
		if err != nil {
			return answer{a.res, err}
		}
		a.res = append(a.res, r)
	}
	return a
}

func (m *Machine) op(ctx context.Context, h *handle, op host.Op) (host.Result, error) {
	var (
		r   host.Result
		err error
	)
	if run, ok := op.(host.Run); !ok || !run.Detached { // those log themselves when they start
		if op.Acts() {
			m.acts = append(m.acts, Act{ID: h.id, Op: op})
		}
	}
	switch op := op.(type) {
	case host.ReadFile:
		if err = absolute(op.Path); err == nil {
			r.File = m.readFile(op)
		}
	case host.WriteFile:
		if err = absolute(op.Path); err == nil {
			err = m.writeFile(op)
		}
	case host.MakeDir:
		if err = absolute(op.Path); err == nil {
			err = m.makeDir(op)
		}
	case host.Remove:
		if err = absolute(op.Path); err == nil {
			err = m.remove(op.Path)
		}
	case host.Query:
		r.Output, err = m.run(host.Run{Argv: op.Argv, AnyExit: op.AnyExit}, true)
	case host.Run:
		if op.Detached {
			r.Output, err = m.runDetached(ctx, h, op)
		} else {
			r.Output, err = m.run(op, false)
		}
	case host.Restart:
		m.restart()
		if h.s != nil {
			err = host.ErrLost
		}
	default:
		err = m.refuse(fmt.Sprintf("the operation %T", op))
	}
	return r, err
}

func absolute(p string) error {
	if !path.IsAbs(p) {
		return fmt.Errorf("hosttest: the path %q is not absolute", p)
	}
	return nil
}
