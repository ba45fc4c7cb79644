// Package event is the closed set of things that happen while the engine
// works, as values in order. It knows what happened; how it looks is the
// business of who listens.
package event

import (
	"time"

	"github.com/kplan/kplan/dsl/addr"
)

// Event is one thing that happened. The set of its Data is closed: the types
// of this package with a kind method.
type Event struct {
	Seq  int64 // counts from 1 in each run, without gaps
	Time time.Time
	Data Data
}

// Data is what happened.
type Data interface {
	// Kind is the name of the event in the JSON stream.
	Kind() string
}

// Func receives events, one at a time, in order.
type Func func(Event)

// HostConnecting begins the connection to a host.
type HostConnecting struct {
	Host, Endpoint string
	Attempt        int
}

// HostReady is a host whose session is ready and whose objects are being read.
type HostReady struct {
	Host    string
	Elapsed time.Duration
}

// HostRead is a host whose objects have all been read.
type HostRead struct {
	Host    string
	Objects int
	Elapsed time.Duration
}

// HostFailed is a host that cannot be reached, or not any more.
type HostFailed struct{ Host, Reason string }

// FirstReading is the start of the reading before the first change.
type FirstReading struct{ Hosts, Objects int }

// StepStarted is a step that began.
type StepStarted struct {
	Step   int
	Addr   addr.Instance
	Action string
	Word   string // what a refresh does, such as restart; otherwise ""
}

// StepRunning is the heartbeat of a step that takes long.
type StepRunning struct {
	Step    int
	Addr    addr.Instance
	Elapsed time.Duration
}

// Outcome is how a step ended.
type Outcome string

// The outcomes of steps. The first four count as fulfilled.
const (
	Done      Outcome = "done"
	Already   Outcome = "already"    // the object was as planned when the step came
	NotNeeded Outcome = "not needed" // its condition did not hold
	Adopted   Outcome = "adopted"    // an interrupted act of an earlier run was found completed
	Failed    Outcome = "failed"
	Stale     Outcome = "stale"    // not what was printed any more
	Skipped   Outcome = "skipped"  // what it depends on did not end well
	Withheld  Outcome = "withheld" // its host was unreachable or stale
	Stopped   Outcome = "stopped"  // the run was interrupted before it
)

// StepEnded is a step that ended, after its result was recorded.
type StepEnded struct {
	Step    int
	Addr    addr.Instance
	Action  string
	Word    string // as in StepStarted
	Outcome Outcome
	// Adjusted says how the step differed from what was printed, and which
	// earlier step caused it; "" where it did not.
	Adjusted string
	Reason   string // of a failure; of a skip, its root cause
	Output   string // end of what a failed command wrote
	Elapsed  time.Duration
}

// RunEnded is the end of an apply.
type RunEnded struct {
	Run     string
	Counts  map[Outcome]int
	Elapsed time.Duration
}

// Notice is a sentence for the user that belongs to no step.
type Notice struct{ Host, Text string }

// Kind names the event in the JSON stream.
func (HostConnecting) Kind() string { return "host_connecting" }

// Kind names the event in the JSON stream.
func (HostReady) Kind() string { return "host_ready" }

// Kind names the event in the JSON stream.
func (HostRead) Kind() string { return "host_read" }

// Kind names the event in the JSON stream.
func (HostFailed) Kind() string { return "host_failed" }

// Kind names the event in the JSON stream.
func (FirstReading) Kind() string { return "first_reading" }

// Kind names the event in the JSON stream.
func (StepStarted) Kind() string { return "apply_start" }

// Kind names the event in the JSON stream.
func (StepRunning) Kind() string { return "apply_progress" }

// Kind names the event in the JSON stream.
func (StepEnded) Kind() string { return "apply_complete" }

// Kind names the event in the JSON stream.
func (RunEnded) Kind() string { return "run_complete" }

// Kind names the event in the JSON stream.
func (Notice) Kind() string { return "notice" }
