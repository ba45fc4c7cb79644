package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/kplan/kplan/engine/event"
)

// live shows what runs at the foot of a terminal, redrawn in place. What has
// ended scrolls up once and is never drawn again.
type live struct {
	mu      sync.Mutex
	out     io.Writer
	look    look
	now     func() time.Time
	running running
	stopped bool // the user asked to stop
	drawn   int  // lines at the foot
	done    chan struct{}
	ticker  sync.WaitGroup
}

// most is how many running steps are listed.
const most = 12

func newLive(out io.Writer, l look, now func() time.Time) *live {
	if l.width == 0 {
		l.width = width(out)
	}
	v := &live{out: out, look: l, now: now, done: make(chan struct{})}
	v.ticker.Add(1)
	go v.tick()
	return v
}

// tick redraws the times until Close.
func (v *live) tick() {
	defer v.ticker.Done()
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-v.done:
			return
		case <-t.C:
			v.mu.Lock()
			if v.drawn > 0 {
				v.draw("")
			}
			v.mu.Unlock()
		}
	}
}

func (v *live) Event(e event.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running.note(e)
	p := newPage(v.look)
	switch e.Data.(type) {
	case event.StepEnded, event.HostFailed, event.Notice:
		line(p, e, &v.running)
	}
	v.draw(p.String())
}

func (v *live) Expect(steps int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running.total = steps
}

func (v *live) Stopping() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	v.draw("")
}

// Close removes the foot.
func (v *live) Close() {
	select {
	case <-v.done:
		return
	default:
	}
	close(v.done)
	v.ticker.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = io.WriteString(v.out, v.erase())
	v.drawn = 0
}

func (v *live) erase() string {
	if v.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", v.drawn)
}

// draw writes finished lines, then the foot again.
func (v *live) draw(finished string) {
	p := newPage(v.look)
	steps := v.running.list()
	for i, s := range steps {
		if i == most {
			v.clip(p, dim, fmt.Sprintf("  … and %d more", len(steps)-most))
			break
		}
		v.clip(p, plain, fmt.Sprintf("  %s: %s… %s", s.addr, doing(s.action, s.word), span(v.now().Sub(s.since).Truncate(time.Second))))
	}
	v.clip(p, bold, v.footer())
	foot := p.String()
	_, _ = io.WriteString(v.out, v.erase()+finished+foot)
	v.drawn = strings.Count(foot, "\n")
}

// footer is the last line: how far the run is.
func (v *live) footer() string {
	r := &v.running
	var parts []string
	switch {
	case r.total > 0 && (r.ended > 0 || len(r.steps) > 0):
		parts = append(parts, fmt.Sprintf("%d/%d steps ended", r.ended, r.total), fmt.Sprintf("%d running", len(r.steps)))
		if r.bad > 0 {
			parts = append(parts, fmt.Sprintf("%d not fulfilled", r.bad))
		}
	default:
		parts = append(parts, fmt.Sprintf("%d/%d hosts read", r.read, len(r.hosts)))
	}
	if r.unreachable > 0 {
		parts = append(parts, count(r.unreachable, "host")+" unreachable")
	}
	if v.stopped {
		parts = append(parts, stopping(len(r.steps)))
	}
	return strings.Join(parts, " · ")
}

// clip adds a line that does not wrap on the terminal.
func (v *live) clip(p *page, s style, text string) {
	text = escape(text, v.look.unicode)
	limit := max(1, v.look.width-1)
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:max(0, limit-1)]) + "…"
	}
	p.say(s, text)
}
