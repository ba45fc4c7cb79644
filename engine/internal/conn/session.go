package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// Session is one standing shell on a machine.
//
// A session that fails is over: its error, and that of every later call, wraps
// host.ErrLost. A context that is done while the machine works ends the
// session too, as nobody then reads the answer; detached acts go on, and a new
// session can Adopt or Stop them.
type Session struct {
	shell    Shell
	opts     Options
	nonce    string
	out, err *stream
	contact  *host.Contact // what came with the ready line, until it is asked for
	readers  sync.WaitGroup

	once  sync.Once
	lost  chan struct{} // closed when the session is over
	cause error         // why; readable once lost is closed
}

var _ host.Session = (*Session)(nil)

// stream is one of the shell's two outputs.
type stream struct {
	parser *parser
	marks  chan mark
}

func newSession(shell Shell, opts Options) *Session {
	s := &Session{shell: shell, opts: opts, nonce: nonce(), lost: make(chan struct{})}
	s.out, s.err = s.newStream(), s.newStream()
	return s
}

func (s *Session) newStream() *stream {
	st := &stream{marks: make(chan mark, 64)}
	st.parser = newParser(s.nonce, func(m mark) {
		select {
		case st.marks <- m:
		case <-s.lost:
		}
	})
	return st
}

// listen starts to read what the shell writes.
func (s *Session) listen() {
	var both sync.WaitGroup
	both.Add(2)
	read := func(r io.Reader, p *parser) {
		defer both.Done()
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Read(buf)
			if err := p.feed(buf[:n]); err != nil {
				s.fail(err)
				return
			}
			if err != nil {
				return
			}
		}
	}
	s.readers.Go(func() { read(s.shell.Stdout(), s.out.parser) })
	s.readers.Go(func() { read(s.shell.Stderr(), s.err.parser) })
	s.readers.Go(func() {
		both.Wait()
		err := s.shell.Wait()
		if err == nil {
			err = errEnded
		}
		s.fail(err)
	})
}

var (
	errEnded  = errors.New("the shell on the machine ended")
	errClosed = errors.New("the session was closed")
)

// fail ends the session; the first reason counts.
func (s *Session) fail(reason error) {
	s.once.Do(func() {
		s.cause = fmt.Errorf("%w: %w", host.ErrLost, reason)
		close(s.lost)
		_ = s.shell.Close()
	})
}

// Close implements host.Session.
func (s *Session) Close() error {
	s.fail(errClosed)
	s.readers.Wait()
	return nil
}

// packet is what a channel of SSH takes in one message, at least (RFC 4253, 6.1).
const packet = 32 << 10

// write sends parts to the shell; it blocks while the shell does not read. What
// one message holds travels as one.
func (s *Session) write(parts ...[]byte) error {
	size := 0
	for _, b := range parts {
		size += len(b)
	}
	if size <= packet {
		parts = [][]byte{bytes.Join(parts, nil)}
	}
	for _, b := range parts {
		if len(b) == 0 {
			continue
		}
		if _, err := s.shell.Stdin().Write(b); err != nil {
			// The shell's end says more than the broken pipe.
			s.readers.Wait()
			s.fail(err)
			return s.cause
		}
	}
	return nil
}

// within calls f; a context that is done meanwhile ends the session, which
// makes f return.
func (s *Session) within(ctx context.Context, f func() error) error {
	select {
	case <-s.lost:
		return s.cause
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	return f()
}

// next is the next pair of markers, which the shell writes to both streams.
func (s *Session) next() (out, err mark, e error) {
	if out, e = s.take(s.out); e != nil {
		return out, err, e
	}
	if err, e = s.take(s.err); e != nil {
		return out, err, e
	}
	if out.id != err.id || out.word != err.word {
		s.fail(errMarker)
		return out, err, s.cause
	}
	return out, err, nil
}

// take is the next marker of one stream. What was read counts more than the
// news that the session is over.
func (s *Session) take(st *stream) (mark, error) {
	for {
		var m mark
		select {
		case m = <-st.marks:
		case <-s.lost:
			select {
			case m = <-st.marks:
			default:
				return mark{}, s.cause
			}
		}
		if m.id != markFound { // a needle that nobody waits for any more
			return m, nil
		}
	}
}

// LateError is an answer that did not come in time.
type LateError struct {
	From   string
	Within time.Duration
}

func (e *LateError) Error() string {
	return fmt.Sprintf("no answer from %s within %v", e.From, e.Within)
}

// Unwrap makes it a context.DeadlineExceeded.
func (e *LateError) Unwrap() error { return context.DeadlineExceeded }

// clean makes a line that came before the shell was ready fit for a message:
// without control characters. It is not made shorter: who shows it blanks the
// secrets in it first.
func clean(line []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(line), "\uFFFD")))
}

// message is the last line that a machine wrote, as it is; "" where it wrote
// nothing. A line that was cut does not count: half a secret is not known for
// one.
func message(m mark) string {
	text := m.data
	if m.truncated {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
	}
	text = bytes.TrimSpace(text)
	return strings.ToValidUTF8(string(text[bytes.LastIndexByte(text, '\n')+1:]), "\uFFFD")
}
