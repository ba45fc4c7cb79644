package hosttest

import (
	"context"
	"fmt"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// Fault is something that goes wrong: at the Op-th operation or the Call-th
// call from now, counted from 1 over all sessions.
type Fault struct {
	Op   int
	Call int
	Acts bool  // count only operations that act
	Done bool  // the operation is carried out and its answer is lost
	Err  error // nil: host.ErrLost, which also ends the session
}

func (f *Fault) err() error {
	if f.Err == nil {
		return host.ErrLost
	}
	return f.Err
}

// Arrange lets f happen once.
func (m *Machine) Arrange(f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, &f)
}

// Pending reports whether an arranged fault has not happened yet.
func (m *Machine) Pending() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.faults) > 0
}

// Forgive drops the faults that have not happened yet.
func (m *Machine) Forgive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = nil
}

// due counts down the faults that count what counter points to, and takes out
// the one that is reached.
func (m *Machine) due(counter func(*Fault) *int) *Fault {
	for i, f := range m.faults {
		n := counter(f)
		if n == nil || *n == 0 {
			continue
		}
		if *n--; *n == 0 {
			m.faults = append(m.faults[:i:i], m.faults[i+1:]...)
			return f
		}
	}
	return nil
}

// hold is an act that waits.
type hold struct {
	match    func(host.Op) bool
	entered  chan struct{}
	released chan struct{}
}

// Block makes the next act that match accepts (nil: any) wait before it is
// carried out. entered is closed once it waits; release lets it go on.
func (m *Machine) Block(match func(host.Op) bool) (entered <-chan struct{}, release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &hold{match: match, entered: make(chan struct{}), released: make(chan struct{})}
	m.holds = append(m.holds, h)
	return h.entered, func() { close(h.released) }
}

func (m *Machine) held(op host.Op) *hold {
	for i, h := range m.holds {
		if h.match == nil || h.match(op) {
			m.holds = append(m.holds[:i:i], m.holds[i+1:]...)
			return h
		}
	}
	return nil
}

// pause waits where an inline act was arranged to; m.mu is held, but not while
// it waits.
func (m *Machine) pause(ctx context.Context, op host.Op) error {
	if run, ok := op.(host.Run); ok && run.Detached {
		return nil // waits on the machine, whatever becomes of the connection
	}
	h := m.held(op)
	if h == nil {
		return nil
	}
	close(h.entered)
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case <-h.released:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cut ends all connections to the machine; detached acts go on.
func (m *Machine) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cutAll()
}

func (m *Machine) cutAll() {
	for s := range m.sessions {
		m.cut(s)
	}
}

// Down cuts all connections, and those opened later, until Up.
func (m *Machine) Down() {
	m.Cut()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = true
}

// Up lets connections through again.
func (m *Machine) Up() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = false
}

// Reboot restarts the machine: connections are cut, detached acts are over and
// their directories gone, enabled units run, and the boot id is another.
func (m *Machine) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reboot()
}

// restart is Reboot with the time that it takes.
func (m *Machine) restart() {
	m.reboot()
	if m.boots > 0 {
		m.down = true
		time.AfterFunc(m.boots, m.Up)
	}
}

func (m *Machine) reboot() {
	m.cutAll()
	m.bootID++
	for id, d := range m.detached {
		m.interrupt(d)
		delete(m.detached, id)
	}
	m.removeAll("/run")
	m.putDir("/run")
	for _, u := range m.units {
		u.Running = u.Enabled && !u.Masked
	}
}

// Interrupt kills the detached acts that are running.
func (m *Machine) Interrupt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.detached {
		m.interrupt(d)
	}
}

// Boot is the id of the current boot.
func (m *Machine) Boot() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot()
}

func (m *Machine) boot() string {
	return fmt.Sprintf("%08d-0000-4000-8000-000000000000", m.bootID)
}
