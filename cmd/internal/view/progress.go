package view

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kplan/kplan/engine/event"
)

// The ways of showing progress, as --progress takes them.
const (
	ProgressAuto  = "auto" // tty on a terminal, else plain
	ProgressTTY   = "tty"
	ProgressPlain = "plain"
	ProgressJSON  = "json"
	ProgressQuiet = "quiet"
)

// Progress shows events as they happen, on standard error. Its methods may be
// called by several goroutines. Close it before anything else is written.
type Progress interface {
	// Event shows one event.
	Event(event.Event)
	// Expect says how many steps the plan has that is about to run.
	Expect(steps int)
	// Stopping says that nothing new starts any more.
	Stopping()
	// Close removes what is not to stay on the screen.
	Close()
}

// How much is said beside the result, as --log-level takes it.
const (
	LogError = "error"
	LogWarn  = "warn"
	LogInfo  = "info"
	LogDebug = "debug"
)

// Progress makes the Progress of the mode and level.
func (v *View) Progress(mode, level string, env []string) Progress {
	if mode == "" || mode == ProgressAuto {
		mode = ProgressPlain
		if v.errTerminal && environ(env)("TERM") != "dumb" {
			mode = ProgressTTY
		}
	}
	switch mode {
	case ProgressTTY:
		return newLive(v.stderr, v.err, time.Now)
	case ProgressJSON:
		return v.Stream(v.stderr, "")
	case ProgressQuiet:
		return quiet{}
	}
	return &lines{out: v.stderr, look: v.err, level: level}
}

// quiet shows nothing: what matters comes in the report.
type quiet struct{}

func (quiet) Event(event.Event) {}
func (quiet) Expect(int)        {}
func (quiet) Stopping()         {}
func (quiet) Close()            {}

// lines shows one line for each thing that happened.
type lines struct {
	mu      sync.Mutex
	out     io.Writer
	look    look
	level   string
	running running
}

func (l *lines) Event(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running.note(e)
	if !said(e, l.level) {
		return
	}
	p := newPage(l.look)
	line(p, e, &l.running)
	_, _ = io.WriteString(l.out, p.String())
}

func (l *lines) Expect(steps int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running.total = steps
}

func (l *lines) Stopping() {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := newPage(l.look)
	p.say(yellow, stopping(len(l.running.steps)))
	_, _ = io.WriteString(l.out, p.String())
}

func (l *lines) Close() {}

func stopping(n int) string {
	return fmt.Sprintf("Stopping: finishing %s; press Ctrl-C again to cancel.", count(n, "running step"))
}

// said reports whether an event is for a log of the level.
func said(e event.Event, level string) bool {
	switch d := e.Data.(type) {
	case event.HostConnecting:
		return level == LogDebug || d.Attempt > 1 && level != LogError
	case event.HostReady:
		return level == LogDebug
	case event.HostFailed:
		return true
	case event.StepEnded:
		return level != LogError && level != LogWarn || !fulfilled(d.Outcome)
	case event.Notice:
		return level != LogError
	case event.RunEnded:
		return false
	}
	return level != LogError && level != LogWarn
}

// line writes what an event says to who reads a log.
func line(p *page, e event.Event, r *running) {
	switch d := e.Data.(type) {
	case event.HostConnecting:
		prefix(p, d.Host)
		p.sayf("connecting to %s, attempt %d…", d.Endpoint, d.Attempt)
	case event.HostReady:
		prefix(p, d.Host)
		p.sayf("connected [%s]", span(d.Elapsed))
	case event.HostRead:
		prefix(p, d.Host)
		p.sayf("read %s [%s]", count(d.Objects, "object"), span(d.Elapsed))
	case event.HostFailed:
		prefix(p, d.Host)
		why, _ := Reason(d.Reason) // what to do stands in the error that follows
		p.say(red, "cannot be reached: "+why)
	case event.FirstReading:
		p.sayf("Reading %s on %s again before the first change…", count(d.Objects, "object"), count(d.Hosts, "host"))
	case event.StepStarted:
		prefix(p, d.Addr.Host)
		p.sayf("%s: %s…", here(d.Addr), doing(d.Action, d.Word))
	case event.StepRunning:
		prefix(p, d.Addr.Host)
		p.sayf("%s: still %s… [%s]", here(d.Addr), r.doing(d.Step), span(d.Elapsed))
	case event.StepEnded:
		stepLine(p, d)
	case event.Notice:
		if d.Host != "" {
			prefix(p, d.Host)
		}
		p.say(plain, d.Text)
	}
}

func prefix(p *page, host string) { p.put(dim, "["+host+"] ") }

// stepLine writes how a step ended, with the end of what a failed one wrote.
func stepLine(p *page, d event.StepEnded) {
	prefix(p, d.Addr.Host)
	p.put(plain, here(d.Addr)+": ")
	p.put(styleOfOutcome(d.Outcome), ended(d))
	if d.Elapsed > 0 && (d.Outcome == event.Done || d.Outcome == event.Failed) {
		p.put(plain, " ["+span(d.Elapsed)+"]")
	}
	if d.Reason != "" && !fulfilled(d.Outcome) {
		p.put(plain, ": "+strings.TrimRight(d.Reason, "\n"))
	}
	if d.Adjusted != "" {
		p.put(yellow, " (adjusted: "+d.Adjusted+")")
	}
	p.end()
	if d.Output != "" && !fulfilled(d.Outcome) {
		p.block(dim, "    | ", lastLines(d.Output, 20))
	}
}

// lastLines is the end of an output.
func lastLines(s string, n int) string {
	all := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	if len(all) <= n {
		return strings.Join(all, "\n")
	}
	return fmt.Sprintf("… (%d lines before)\n", len(all)-n) + strings.Join(all[len(all)-n:], "\n")
}
