package resourcetest

import (
	"context"
	"slices"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// Machine is a machine that laws are tried on.
type Machine interface {
	// Host may act. Reader refuses acts with host.ErrReadOnly.
	Host() host.Host
	Reader() host.Host
	// Has tells whether the machine has what a case needs.
	Has(need string) bool
}

// Peered is a Machine that has others beside it, for types whose acts need them.
type Peered interface {
	Peer(ctx context.Context, name string) (host.Host, error)
}

// Breaker is a Machine that can be broken: at its n-th operation from now,
// before it or, with done, after it was carried out, with err.
type Breaker interface {
	Break(n int, done bool, err error)
	// Mend takes back what did not happen yet, and tells whether it had
	// happened.
	Mend() (happened bool)
}

// Memory is a machine in memory; errorf hears of every operation that it does
// not know.
func Memory(errorf func(format string, args ...any)) Machine {
	m := hosttest.New(hosttest.Report(errorf))
	for name, versions := range Archive() {
		m.Archive(name, versions...)
	}
	_, key := Repository()
	for _, uri := range []string{"file:/opt/kplan-law", "copy:/opt/kplan-law"} {
		m.Repository(uri, key)
	}
	m.Containerd(Images()...)
	return &memory{Machine: m}
}

type memory struct {
	*hosttest.Machine
	plane *hosttest.Machine
}

// Has gives the machine a cluster where a case needs one, and only there: on
// others kubeadm makes it.
func (m *memory) Has(need string) bool {
	if need == "cluster" {
		m.Cluster("k8s-node1")
	}
	return slices.Contains([]string{"systemd", "apt", "archive", "swap", "modules", "containerd", "kubeadm", "cluster"}, need)
}

// Peer is the control plane of a cluster, whatever its name.
func (m *memory) Peer(ctx context.Context, _ string) (host.Host, error) {
	if m.plane == nil {
		m.plane = hosttest.New(hosttest.Named("plane"))
		if err := m.plane.Found(ctx); err != nil {
			return nil, err
		}
		m.Reaches(m.plane)
	}
	return m.plane.Host(), nil
}

func (m *memory) Break(n int, done bool, err error) {
	m.Arrange(hosttest.Fault{Op: n, Done: done, Err: err})
}

func (m *memory) Mend() bool {
	happened := !m.Pending()
	m.Forgive()
	return happened
}

// counting is a Host that counts calls.
type counting struct {
	host.Host
	calls int
}
