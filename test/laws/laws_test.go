package laws

import (
	"context"
	"slices"
	"testing"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
	"github.com/kplan/kplan/test/lab"
)

// TestLaws tries every type as root, and with sudo those that between them
// make all kinds of operations.
func TestLaws(t *testing.T) {
	l := lab.Open(t)
	free := make(chan *lab.Machine, len(l.Machines()))
	for _, m := range l.Machines() {
		free <- m
	}
	try := func(name string, as login, types []*resource.Type) {
		for _, typ := range types {
			t.Run(name+"/"+typ.Name, func(t *testing.T) {
				t.Parallel()
				m := <-free
				defer func() { free <- m }()
				obey(t, l, m, as, typ)
			})
		}
	}
	try("root", root, slices.DeleteFunc(modules.All(), func(typ *resource.Type) bool { return !canHave(typ) }))
	try("sudo with a password", ops, types(t, "directory", "file", "package"))
	try("sudo without a password", ops2, types(t, "exec"))
}

// obey tries the laws of one type on one machine.
func obey(t *testing.T, l *lab.Lab, m *lab.Machine, as login, typ *resource.Type) {
	t.Helper()
	var reads, acts longest
	resourcetest.Laws(t, typ, func(t *testing.T) resourcetest.Machine {
		s := newSite(t, l, m)
		if typ.Name == "swap" {
			// Swap is the kernel's, which all machines and the host share.
			t.Cleanup(func() { _, _ = m.Exec(context.Background(), "swapoff -a") })
		}
		return &machine{session: s.claimed(t, as), restart: func(old host.Session, act func() error) (host.Session, error) { return s.restarted(t, as, old, act) }, reads: &reads, acts: &acts}
	}, slices.DeleteFunc(cases.All(), cannotTry))
	t.Logf("%s: the longest chain of calls is %d to read, %d to act", typ.Name, reads, acts)
}

func types(t *testing.T, names ...string) []*resource.Type {
	t.Helper()
	var list []*resource.Type
	for _, name := range names {
		typ, ok := modules.Lookup(name)
		if !ok {
			t.Fatalf("there is no type %s", name)
		}
		list = append(list, typ)
	}
	return list
}

// machine is a session as the laws see a machine. It is used by one goroutine
// at a time.
type machine struct {
	session     host.Session
	reads, acts *longest
	// restart does an act that restarts the machine, and gives its next session.
	restart func(old host.Session, act func() error) (host.Session, error)
	act     host.ActID // the last one
}

// longest is the longest chain of calls.
type longest int

// Has implements resourcetest.Machine.
func (m *machine) Has(need string) bool { return !slices.Contains(lacks, need) }

// lacks are the needs that no machine here fulfils: the kernel is the host's, so
// that nothing is loaded into it and nothing taken out; there is no containerd,
// and no cluster. Cases that need one are tried on the machine in memory, and
// what they are about in package test/kube.
var lacks = []string{"modules", "containerd", "cluster", "kubeadm"}

// cannotTry tells of a case that no machine here is fit for.
func cannotTry(c resourcetest.Case) bool {
	return slices.ContainsFunc(c.Needs, func(need string) bool { return slices.Contains(lacks, need) })
}

// Host acts; each of its calls is an act of its own.
func (m *machine) Host() host.Host {
	calls := 0
	return doing(func(ctx context.Context, ops ...host.Op) ([]host.Result, error) {
		calls++
		*m.acts = max(*m.acts, longest(calls))
		m.act = host.ActID{Run: fence.Run, N: m.act.N + 1}
		if _, ok := ops[0].(host.Restart); ok {
			next, err := m.restart(m.session, func() error {
				_, err := act(ctx, m.session, m.act, fence.Epoch, ops...)
				return err
			})
			m.session = next
			return make([]host.Result, 1), err
		}
		return act(ctx, m.session, m.act, fence.Epoch, ops...)
	})
}

// Reader reads; the session refuses it acts.
func (m *machine) Reader() host.Host {
	calls := 0
	return doing(func(ctx context.Context, ops ...host.Op) (res []host.Result, err error) {
		calls++
		*m.reads = max(*m.reads, longest(calls))
		errs := m.session.Read(ctx, []func(context.Context, host.Host) error{func(ctx context.Context, h host.Host) error {
			res, err = h.Do(ctx, ops...)
			return err
		}})
		return res, errs[0]
	})
}

// doing is a host.Host.
type doing func(ctx context.Context, ops ...host.Op) ([]host.Result, error)

// Do implements host.Host.
func (d doing) Do(ctx context.Context, ops ...host.Op) ([]host.Result, error) { return d(ctx, ops...) }
