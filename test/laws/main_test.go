// Package laws tries on real machines what only they can show: that every
// resource type obeys its laws there, what the connection to a machine costs,
// and what a cut connection, a cut power line, a second run or a wrong host key
// come to.
//
// It goes through the engine's own connector and knows sessions and resource
// types; it knows nothing of specs, plans and state.
package laws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/lab"
	"github.com/kplan/kplan/test/wire"
)

func TestMain(m *testing.M) { lab.Main(m) }

// long tells whether there is time for the long form of tests.
var long = os.Getenv("KPLAN_CRASH") == "full"

// fence is the one that tests claim machines with, unless fences are the test.
var fence = host.Fence{Lineage: "laws", Epoch: 1, Run: "laws"}

// login is as whom to come, and how to become root.
type login struct {
	user, become, password string
}

var (
	root = login{user: "root"}
	ops  = login{user: "ops", become: "sudo", password: "ops-password"}
	ops2 = login{user: "ops2", become: "sudo"}
)

// site is one machine and the ways to it.
type site struct {
	*lab.Machine
	lab   *lab.Lab
	proxy *wire.Proxy // nil: straight
}

// newSite resets a machine.
func newSite(t *testing.T, l *lab.Lab, m *lab.Machine) *site {
	t.Helper()
	l.Reset(t, m)
	return &site{Machine: m, lab: l}
}

// first is the lab's first machine, reset.
func first(t *testing.T) *site {
	t.Helper()
	l := lab.Open(t)
	return newSite(t, l, l.Machines()[0])
}

// measured is first with a proxy on the way.
func measured(t *testing.T) *site {
	t.Helper()
	s := first(t)
	p, err := wire.New(s.Address + ":22")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	s.proxy = p
	return s
}

// host is the machine as a spec would have it.
func (s *site) host(as login) *dsl.Host {
	return &dsl.Host{Name: s.Name, Address: s.Address, Connection: dsl.Connection{
		Host: s.Address, Port: 22, User: as.user, PrivateKeyFile: s.lab.Key(), KnownHostsFile: s.lab.KnownHosts(),
		Become: as.become, BecomeUser: "root", BecomePassword: as.password, Timeout: 10 * time.Second,
	}}
}

func (s *site) connect(ctx context.Context, h *dsl.Host) (engine.Link, error) {
	o := engine.SSHOptions{}
	if s.proxy != nil {
		o.Dial = s.proxy.Dial
	}
	return engine.NewConnector(o)(ctx, h, nil)
}

// open returns a session that ends with the test.
func (s *site) open(t *testing.T, as login) host.Session {
	t.Helper()
	link, err := s.connect(t.Context(), s.host(as))
	if err != nil {
		t.Fatalf("as %s: %v", as.user, err)
	}
	t.Cleanup(func() { _ = link.Session.Close() })
	return link.Session
}

// claimed is open with the tests' fence.
func (s *site) claimed(t *testing.T, as login) host.Session {
	t.Helper()
	session := s.open(t, as)
	if err := session.Claim(t.Context(), fence); err != nil {
		t.Fatal(err)
	}
	return session
}

// restarted does an act that restarts the machine under the old session, and
// returns a claimed one of the next boot.
func (s *site) restarted(t *testing.T, as login, old host.Session, act func() error) (host.Session, error) {
	t.Helper()
	before, err := old.Contact(t.Context())
	if err != nil {
		return old, err
	}
	if err := act(); !errors.Is(err, host.ErrLost) {
		return old, fmt.Errorf("a machine that restarts gives the error %w", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		if link, err := s.connect(ctx, s.host(as)); err == nil {
			t.Cleanup(func() { _ = link.Session.Close() })
			if now, err := link.Session.Contact(ctx); err == nil && now.BootID != before.BootID {
				if now.MachineID != before.MachineID || now.Fence == nil || *now.Fence != fence {
					t.Errorf("after its restart, the machine says %+v; before, %+v", now, before)
				}
				return link.Session, link.Session.Claim(ctx, fence)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return old, ctx.Err()
		}
	}
}

// on runs a script on the machine, beside the connection.
func (s *site) on(t *testing.T, script string) string {
	t.Helper()
	out, err := s.Exec(t.Context(), script)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return out
}

// until waits for a script on the machine to succeed.
func (s *site) until(t *testing.T, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	loop := fmt.Sprintf("until { %s\n} >/dev/null 2>&1; do sleep 0.05; done", script)
	if _, err := s.Exec(ctx, loop); err != nil {
		t.Fatalf("waiting for %q: %v", script, err)
	}
}

// snapshot is all files of the machine.
func (s *site) snapshot(t *testing.T) map[string]string {
	t.Helper()
	files, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// same reports files that are not as they were.
func (s *site) same(t *testing.T, what string, before map[string]string) {
	t.Helper()
	after := s.snapshot(t)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if before[path] != after[path] {
			t.Errorf("%s changed %s\nwas %q\nis  %q", what, path, before[path], after[path])
		}
	}
}

// act performs operations as the act id, with epoch 1.
func act(ctx context.Context, s host.Session, id host.ActID, epoch int64, ops ...host.Op) (res []host.Result, err error) {
	err, _ = s.Act(ctx, id, epoch, func(ctx context.Context, h host.Host) error {
		res, err = h.Do(ctx, ops...)
		return err
	}, nil)
	return res, err
}
