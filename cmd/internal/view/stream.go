package view

import (
	"encoding/json"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
)

// streamVersion is that of the stream's vocabulary: a minor version adds keys
// and types of messages.
const streamVersion = "1.0"

// Stream writes what happens as JSON, one message a line, in the vocabulary of
// `terraform apply -json`. Its first line is the message of type version.
type Stream struct {
	mu      sync.Mutex
	out     io.Writer
	seq     int
	run     string
	running running
	now     func() time.Time
	failed  error
}

// message is one line of the stream, without what every line has.
type message map[string]any

// Stream begins a stream on w. Version is kplan's.
func (v *View) Stream(w io.Writer, version string) *Stream { return newStream(w, version, time.Now) }

// ResultStream begins a stream on standard output.
func (v *View) ResultStream(version string) *Stream { return v.Stream(v.stdout, version) }

func newStream(w io.Writer, version string, now func() time.Time) *Stream {
	s := &Stream{out: w, now: now}
	s.send("info", "kplan "+version, "version", message{"kplan": version, "ui": streamVersion})
	return s
}

// Run names the run that the following messages are of.
func (s *Stream) Run(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = id
}

// Failed is the first failure to write; nil where all lines arrived.
func (s *Stream) Failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Expect is of no use to a stream: the change summary says it.
func (s *Stream) Expect(int) {}

// Close ends the stream; there is no last line.
func (s *Stream) Close() {}

// Stopping tells that nothing new starts any more.
func (s *Stream) Stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.now(), "warn", stopping(len(s.running.steps)), "notice", nil)
}

// send writes one line.
func (s *Stream) send(level, text, kind string, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.now(), level, text, kind, m)
}

// write is send for who holds the lock.
func (s *Stream) write(at time.Time, level, text, kind string, m message) {
	s.seq++
	line := message{
		"@level": level, "@message": text, "@module": "kplan.ui",
		"@timestamp": at.UTC().Format(time.RFC3339Nano), "type": kind, "seq": s.seq,
	}
	if s.run != "" {
		line["run"] = s.run
	}
	maps.Copy(line, m)
	b, err := json.Marshal(line)
	if err != nil { // only values of our own making come here
		panic("view: " + err.Error())
	}
	if _, err := s.out.Write(append(safeJSON(b), '\n')); err != nil && s.failed == nil {
		s.failed = err
	}
}

// resource names an instance as Terraform's messages do.
func resource(a addr.Instance) message {
	var key any
	if k, ok := a.Key.Str(); ok {
		key = k
	} else if n, ok := a.Key.Int(); ok {
		key = n
	}
	return message{
		"addr": a.String(), "module": string(a.Module), "resource": here(a), "resource_type": a.Type,
		"resource_name": a.Name, "resource_key": key, "host": a.Host,
	}
}

// Event writes one event.
func (s *Stream) Event(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running.note(e)
	p := newPage(look{unicode: true})
	line(p, e, &s.running)
	text := strings.TrimSuffix(p.String(), "\n")
	level, kind, m := "info", e.Data.Kind(), message{}
	switch d := e.Data.(type) {
	case event.HostConnecting:
		m["host"], m["endpoint"], m["attempt"] = d.Host, d.Endpoint, d.Attempt
	case event.HostReady:
		m["host"], m["elapsed_ms"] = d.Host, d.Elapsed.Milliseconds()
	case event.HostRead:
		m["host"], m["objects"], m["elapsed_ms"] = d.Host, d.Objects, d.Elapsed.Milliseconds()
	case event.HostFailed:
		level = "error"
		m["host"], m["reason"] = d.Host, d.Reason
	case event.FirstReading:
		m["hosts"], m["objects"] = d.Hosts, d.Objects
	case event.StepStarted:
		m["hook"] = message{"resource": resource(d.Addr), "action": d.Action, "step": d.Step}
	case event.StepRunning:
		m["hook"] = message{
			"resource": resource(d.Addr), "action": s.running.action(d.Step), "step": d.Step,
			"elapsed_seconds": int(d.Elapsed.Seconds()), "elapsed_ms": d.Elapsed.Milliseconds(),
		}
	case event.StepEnded:
		level, kind = endedAs(d.Outcome)
		m["hook"] = stepHook(d)
	case event.RunEnded:
		counts := message{}
		for o, n := range d.Counts {
			counts[string(o)] = n
		}
		m["outcomes"], m["elapsed_ms"] = counts, d.Elapsed.Milliseconds()
		text = "the run has ended"
	case event.Notice:
		if d.Host != "" {
			m["host"] = d.Host
		}
		text = d.Text
	}
	s.write(e.Time, level, text, kind, m)
}

// endedAs is the level and type of the message of a step that ended.
func endedAs(o event.Outcome) (level, kind string) {
	switch o {
	case event.Failed, event.Stale:
		return "error", "apply_errored"
	case event.Skipped, event.Withheld, event.Stopped:
		return "warn", "apply_skipped"
	}
	return "info", "apply_complete"
}

func stepHook(d event.StepEnded) message {
	h := message{
		"resource": resource(d.Addr), "action": d.Action, "step": d.Step, "outcome": string(d.Outcome),
		"elapsed_seconds": int(d.Elapsed.Seconds()), "elapsed_ms": d.Elapsed.Milliseconds(),
	}
	for key, text := range map[string]string{"adjusted": d.Adjusted, "reason": d.Reason, "output": d.Output} {
		if text != "" {
			h[key] = text
		}
	}
	return h
}
