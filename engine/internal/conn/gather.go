package conn

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kplan/kplan/modules/host"
)

var (
	errOver       = errors.New("a Host was used after its function had returned; this is a bug in kplan")
	errSuperseded = errors.New("the reading is made again, behind a later act")
)

// call is one Do that waits for its answer.
type call struct {
	ctx   context.Context
	from  int // which guest
	ops   []host.Op
	reply chan<- reply
}

type reply struct {
	results []host.Result
	err     error
}

func (c *call) answer(res []host.Result, err error) { c.reply <- reply{res, err} }

// guest is a function that runs in a goroutine of its own, with itself as its
// host. It is either working, or waiting for the answer to a call, or done;
// each step from working is one event.
type guest struct {
	index    int
	readOnly bool
	ctx      context.Context
	cancel   context.CancelFunc
	events   chan event
	over     chan struct{}
	ended    *event // once next has given it
}

// event is a call, or, where that is nil, the end of the guest.
type event struct {
	call *call
	from int
	err  error // what the guest returned
}

// invite starts fn as a guest.
func invite(ctx context.Context, index int, events chan event, readOnly bool, fn func(context.Context, host.Host) error) *guest {
	ctx, cancel := context.WithCancel(ctx)
	g := &guest{index: index, readOnly: readOnly, ctx: ctx, cancel: cancel, events: events, over: make(chan struct{})}
	go func() {
		err := fn(ctx, g)
		close(g.over)
		cancel()
		events <- event{from: index, err: err}
	}()
	return g
}

// next is the guest's next event. Its end is given as often as it is asked for.
func (g *guest) next() event {
	if g.ended != nil {
		return *g.ended
	}
	ev := <-g.events
	if ev.call == nil {
		g.ended = &ev
	}
	return ev
}

// dismiss ends a guest whose result does not count.
func (g *guest) dismiss() {
	g.cancel()
	for ev := g.next(); ev.call != nil; ev = g.next() {
		ev.call.answer(nil, errSuperseded)
	}
}

// Do implements host.Host.
func (g *guest) Do(ctx context.Context, ops ...host.Op) ([]host.Result, error) {
	select {
	case <-g.over:
		return nil, errOver
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := check(ops, g.readOnly); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	replies := make(chan reply, 1)
	g.events <- event{call: &call{ctx, g.index, ops, replies}, from: g.index}
	r := <-replies
	return r.results, r.err
}

// Read implements host.Session.
func (s *Session) Read(ctx context.Context, fns []func(context.Context, host.Host) error) []error {
	errs := make([]error, len(fns))
	events := make(chan event)
	for i, fn := range fns {
		invite(ctx, i, events, true, fn)
	}
	var pending []*call
	for working, guests := len(fns), len(fns); guests > 0; {
		ev := <-events
		working--
		if ev.call != nil {
			pending = append(pending, ev.call)
		} else {
			errs[ev.from] = ev.err
			guests--
		}
		if working == 0 && len(pending) > 0 {
			slices.SortFunc(pending, func(a, b *call) int { return cmp.Compare(a.from, b.from) })
			working = len(pending)
			s.carry(ctx, pending)
			pending = nil
		}
	}
	return errs
}

// carry brings the answers to calls, which only read, in one frame.
func (s *Session) carry(ctx context.Context, calls []*call) {
	f := newFrame()
	firsts := make([]int, len(calls))
	for i, c := range calls {
		firsts[i] = f.call("", c.ops, f.render)
	}
	answers, err := s.exchange(ctx, f)
	for i, c := range calls {
		s.deliver(c, firsts[i], answers, err)
	}
}

// deliver answers one call; err is that of its whole frame.
func (s *Session) deliver(c *call, first int, answers map[int]answer, err error) {
	if err != nil {
		c.answer(nil, err)
		return
	}
	res, err := results(c.ops, first, answers)
	if errors.Is(err, host.ErrLost) {
		s.fail(errMarker)
	}
	c.answer(res, err)
}
