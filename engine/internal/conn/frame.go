package conn

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// answer is what came back for one operation.
type answer struct{ out, err mark }

// frame is calls that travel together.
type frame struct {
	text   strings.Builder
	bodies [][]byte
	size   int // of bodies
	ops    int
	limit  int
	acts   bool
}

func newFrame() *frame { return &frame{limit: streamCap} }

// op appends one operation, a call of a function of shell.sh, and returns its
// id. anyExit: the operations behind it in its call run whatever its status.
func (f *frame) op(anyExit bool, function string) int {
	id := f.ops
	f.ops++
	lenient := "0"
	if anyExit {
		lenient = "1"
	}
	f.text.WriteString("o " + strconv.Itoa(id) + " " + lenient + " " + function)
	return id
}

// body appends bytes that the operation takes from standard input.
func (f *frame) body(b []byte) string {
	f.bodies = append(f.bodies, b)
	f.size += len(b)
	return strconv.Itoa(len(b))
}

// call appends ops, which stop at the first that fails, and returns the id of
// the first. guard, if any, is a command that must succeed before them; its
// failure is told as the first one's status, "fenced".
func (f *frame) call(guard string, ops []host.Op, render func(host.Op)) int {
	first := f.ops
	if guard != "" {
		fmt.Fprintf(&f.text, "if ! %s; then mark %d fenced; else ", guard, first)
	}
	for i, op := range ops {
		if i > 0 {
			f.text.WriteString(" && ")
		}
		render(op)
	}
	if guard != "" {
		f.text.WriteString("; fi")
	}
	f.text.WriteByte('\n')
	return first
}

// exchange sends f and returns the answers by id. Operations that did not run
// have none.
func (s *Session) exchange(ctx context.Context, f *frame) (map[int]answer, error) {
	if !f.acts {
		late := &LateError{"the machine", s.opts.ReadTimeout}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.opts.ReadTimeout, late)
		defer cancel()
	}
	var answers map[int]answer
	err := s.within(ctx, func() (err error) {
		s.out.parser.limit.Store(int64(f.limit))
		text := f.text.String()
		header := fmt.Sprintf("%s %d %d\n", s.nonce, len(text), f.size)
		// The header and the text in one write: one packet where it fits.
		if err := s.write(append([][]byte{[]byte(header + text)}, f.bodies...)...); err != nil {
			return err
		}
		answers, err = s.collect()
		return err
	})
	return answers, err
}

// collect reads one whole answer.
func (s *Session) collect() (map[int]answer, error) {
	answers := map[int]answer{}
	begun := false
	for {
		out, err, lost := s.next()
		if lost != nil {
			return nil, lost
		}
		switch {
		case out.id == markBegin && !begun:
			begun = true
			continue
		case out.id == markEnd && begun:
			return answers, nil
		}
		id, bad := strconv.Atoi(out.id)
		if _, twice := answers[id]; bad != nil || twice || !begun {
			s.fail(errMarker)
			return nil, s.cause
		}
		answers[id] = answer{out, err}
	}
}
