// Package hosttest is a machine in memory, for tests: it carries out the
// operations of package host on a file system and a table of commands, and
// outlives the sessions opened to it.
//
// It knows the commands that kplan's resource types run, with the behaviour
// that their manual pages give them. What it does not know fails: no command,
// option or script succeeds by default. It knows nothing of SSH, plans or
// resource types.
package hosttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// Machine is one machine. Its methods may be called at any time, also while
// sessions work on it.
type Machine struct {
	mu       sync.Mutex
	tree     tree
	commands map[string]Command
	scripts  map[string]Command
	units    map[string]*Unit
	archive  map[string]*offer
	packages map[string]*Package
	signed   map[string]string // keys by the address of a repository
	runtime  *runtime          // nil: no containerd
	cluster  *Cluster          // of which it is a control plane; nil otherwise
	node     string            // what it is called in the cluster
	plane    *Machine          // whose API server it reaches
	facts    host.Facts
	latency  time.Duration
	ahead    time.Duration  // of the clock
	listens  map[int]string // TCP ports, and the program behind each
	space    int            // KiB that are free on every file system
	report   func(format string, args ...any)

	bootID   int
	fence    *host.Fence
	receipt  *host.Receipt
	detached map[host.ActID]*detached
	sessions map[*session]bool
	down     bool
	boots    time.Duration // how long it is down when it restarts

	calls   int
	faults  []*Fault
	holds   []*hold
	acts    []Act
	unknown []string
}

// Option is a property that a machine starts with.
type Option func(*Machine)

// Report hands every unknown operation to errorf, such as a test's Errorf,
// beside failing it.
func Report(errorf func(format string, args ...any)) Option {
	return func(m *Machine) { m.report = errorf }
}

// Latency is how long each call takes.
func Latency(d time.Duration) Option { return func(m *Machine) { m.latency = d } }

// Boots is how long the machine is down when it restarts.
func Boots(d time.Duration) Option { return func(m *Machine) { m.boots = d } }

// Named sets the machine's hostname and a machine-id made of it.
func Named(name string) Option {
	return func(m *Machine) {
		m.facts.Hostname = name
		m.facts.MachineID = fmt.Sprintf("%032x", name)[:32]
		m.put("/etc/hostname", name+"\n")
		m.put("/etc/machine-id", m.facts.MachineID+"\n")
		m.proc("/proc/sys/kernel/hostname", name+"\n")
	}
}

// Facts changes what the machine says of itself.
func Facts(change func(*host.Facts)) Option { return func(m *Machine) { change(&m.facts) } }

// New makes a bare Debian 12 machine under systemd, with root and a user
// vagrant (1000), and nothing of kplan's on it.
func New(opts ...Option) *Machine {
	m := &Machine{
		tree:     tree{"/": &node{kind: host.KindDir, mode: 0o755}},
		commands: maps.Clone(commands),
		scripts:  merged(scripts, runtimeScripts, kubeadmScripts),
		units:    map[string]*Unit{},
		archive:  map[string]*offer{},
		packages: map[string]*Package{},
		signed:   map[string]string{},
		detached: map[host.ActID]*detached{},
		sessions: map[*session]bool{},
		listens:  map[int]string{22: "sshd"},
		space:    20 << 20,
		report:   func(string, ...any) {},
		bootID:   1,
		facts: host.Facts{
			OS: "debian", OSVersion: "12", Arch: "x86_64", Kernel: "6.1.0-18-amd64", CPUs: 2, MemoryMiB: 4096,
			CgroupVersion: 2, PackageManager: "apt", ServiceManager: "systemd", Interfaces: []string{"eth0 10.0.2.15/24"},
		},
	}
	bare(m)
	for _, o := range append([]Option{Named("machine")}, opts...) {
		o(m)
	}
	m.kernel()
	return m
}

// Act is an operation that was carried out and may have changed the machine.
type Act struct {
	ID host.ActID // zero outside of Session.Act
	Op host.Op
}

// String is the operation in words, without what it carries: "write /etc/x",
// "run systemctl restart nginx.service".
func (a Act) String() string { return describe(a.Op) }

func describe(op host.Op) string {
	switch op := op.(type) {
	case host.ReadFile:
		return "read " + op.Path
	case host.Query:
		return "query " + strings.Join(op.Argv, " ")
	case host.WriteFile:
		return "write " + op.Path
	case host.MakeDir:
		return "make directory " + op.Path
	case host.Remove:
		return "remove " + op.Path
	case host.Run:
		return "run " + strings.Join(op.Argv, " ")
	case host.Restart:
		return "restart"
	}
	return fmt.Sprintf("%T", op)
}

// Acts are all acts since the machine was made, in order.
func (m *Machine) Acts() []Act {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.acts)
}

// Calls counts the calls that reached the machine, from all sessions. Calls
// that travelled together count as one.
func (m *Machine) Calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// Unknown lists the operations that the machine refused because it does not
// know them.
func (m *Machine) Unknown() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.unknown)
}

// UnknownError is an operation, command or script that the machine does not
// know.
type UnknownError struct{ What string }

func (e *UnknownError) Error() string {
	return "hosttest: the machine in memory does not know " + e.What
}

func (m *Machine) refuse(what string) error {
	m.unknown = append(m.unknown, what)
	m.report("hosttest: the machine in memory does not know %s", what)
	return &UnknownError{What: what}
}
