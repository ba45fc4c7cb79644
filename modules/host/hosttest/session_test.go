package hosttest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

type fn = func(context.Context, host.Host) error

var id = host.ActID{Run: "r1", Step: 3}

func touch(detached bool) fn {
	return func(ctx context.Context, h host.Host) error {
		_, err := h.Do(ctx, host.Run{Argv: []string{"touch", "/tmp/x"}, Detached: detached})
		return err
	}
}

func claimed(t *testing.T, m *hosttest.Machine) host.Session {
	t.Helper()
	s := m.Session()
	if err := s.Claim(t.Context(), host.Fence{Lineage: "l", Epoch: 2, Run: "r1"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadsTravelTogether(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := m.Session()
	chain := func(n int) fn {
		return func(ctx context.Context, h host.Host) error {
			for range n {
				if _, err := host.Read(ctx, h, "/etc/passwd"); err != nil {
					return err
				}
			}
			return nil
		}
	}
	errs := s.Read(t.Context(), []fn{chain(1), chain(3), chain(0), chain(2), touch(false)})
	for i, err := range errs {
		if (i == 4) != errors.Is(err, host.ErrReadOnly) {
			t.Errorf("fn %d: error %v", i, err)
		}
	}
	if m.Calls() != 3 || len(m.Acts()) > 0 {
		t.Errorf("%d calls, acts %v", m.Calls(), m.Acts())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Read(ctx, []fn{chain(1), chain(2)}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: error %v", err)
		}
	}
}

func TestActIsFenced(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	if err, _ := m.Session().Act(t.Context(), id, 2, touch(false), nil); err == nil {
		t.Error("an act without a claim")
	}
	old := claimed(t, m)
	if err := m.Session().Claim(t.Context(), host.Fence{Lineage: "l", Epoch: 1}); !errors.Is(err, host.ErrFenced) {
		t.Errorf("claim of a lower epoch: error %v", err)
	}
	if err := m.Session().Claim(t.Context(), host.Fence{Lineage: "l", Epoch: 3}); err != nil {
		t.Error(err)
	}
	if err, _ := old.Act(t.Context(), id, 2, touch(false), nil); !errors.Is(err, host.ErrFenced) {
		t.Errorf("act of a lower epoch: error %v", err)
	}
	if len(m.Acts()) > 0 {
		t.Errorf("acts %v", m.Acts())
	}
}

func TestActReadsBack(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := claimed(t, m)
	calls := m.Calls()
	seen := false
	fnErr, readErr := s.Act(t.Context(), id, 2, touch(false), func(ctx context.Context, h host.Host) error {
		files, err := host.Read(ctx, h, "/tmp/x")
		seen = files[0] != nil
		return err
	})
	if fnErr != nil || readErr != nil || !seen || m.Calls() != calls+1 {
		t.Errorf("errors %v, %v; seen %v; %d calls", fnErr, readErr, seen, m.Calls()-calls)
	}
	if a := m.Acts(); len(a) != 1 || a[0].ID != id || a[0].String() != "run touch /tmp/x" {
		t.Errorf("acts %v", a)
	}
}

func TestLostConnection(t *testing.T) {
	for _, done := range []bool{false, true} {
		m := hosttest.New(hosttest.Report(t.Errorf))
		s := claimed(t, m)
		m.Arrange(hosttest.Fault{Op: 1, Done: done})
		if err, _ := s.Act(t.Context(), id, 2, touch(true), nil); !errors.Is(err, host.ErrLost) {
			t.Errorf("error %v", err)
		}
		if _, err := s.Contact(t.Context()); !errors.Is(err, host.ErrLost) {
			t.Errorf("the session lives on: error %v", err)
		}
		c, err := m.Session().Contact(t.Context())
		if err != nil || (len(c.Acts) == 1) != done || m.Pending() {
			t.Fatalf("acts %+v, error %v", c.Acts, err)
		}
		if err, _ := m.Session().Act(t.Context(), id, 2, touch(true), nil); err != nil || len(m.Acts()) != 1 {
			t.Errorf("done again: error %v, acts %v", err, m.Acts())
		}
	}
}

func TestFaultAtACall(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := m.Session()
	broken := errors.New("broken")
	m.Arrange(hosttest.Fault{Call: 2, Err: broken})
	if _, err := s.Contact(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Contact(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := s.Contact(t.Context()); err != nil {
		t.Errorf("the session ended: error %v", err)
	}
	m.Down()
	if _, err := m.Session().Contact(t.Context()); !errors.Is(err, host.ErrLost) {
		t.Errorf("error %v", err)
	}
	m.Up()
	if _, err := m.Session().Contact(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDetachedActOutlivesItsSession(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := claimed(t, m)
	entered, release := m.Block(nil)
	ended := make(chan error, 1)
	go func() {
		err, _ := s.Act(t.Context(), id, 2, touch(true), nil)
		ended <- err
	}()
	<-entered
	m.Cut()
	if err := <-ended; !errors.Is(err, host.ErrLost) {
		t.Errorf("error %v", err)
	}
	next := m.Session()
	c, err := next.Contact(t.Context())
	if err != nil || len(c.Acts) != 1 || c.Acts[0].ID != id || c.Acts[0].State != host.ActRunning || c.Acts[0].BootID != c.BootID {
		t.Errorf("%+v, error %v", c, err)
	}
	if err := next.Claim(t.Context(), host.Fence{Lineage: "other", Epoch: 1}); !errors.Is(err, host.ErrFenced) {
		t.Errorf("another lineage claims while an act runs: error %v", err)
	}
	release()
	if out, err := next.Adopt(t.Context(), id); err != nil || out.Code != 0 || m.File("/tmp/x") == nil {
		t.Errorf("%+v, error %v", out, err)
	}
	if err := next.Sign(t.Context(), host.Receipt{Lineage: "l", Run: "r1"}, []host.ActID{{Run: id.Run, Step: id.Step}}); err != nil {
		t.Error(err)
	}
	if c, err = next.Contact(t.Context()); err != nil || len(c.Acts) != 1 {
		t.Errorf("an act whose outcome is not recorded is gone: %+v, error %v", c, err)
	}
	if err := next.Sign(t.Context(), host.Receipt{Lineage: "l", Run: "r1", Serial: 1}, nil); err != nil {
		t.Error(err)
	}
	if c, err = next.Contact(t.Context()); err != nil || len(c.Acts) != 0 || c.Receipt.Run != "r1" || c.Fence.Epoch != 2 {
		t.Errorf("%+v, error %v", c, err)
	}
}

func TestRebootInterrupts(t *testing.T) {
	for name, interrupt := range map[string]func(*hosttest.Machine){"reboot": (*hosttest.Machine).Reboot, "kill": (*hosttest.Machine).Interrupt} {
		m := hosttest.New(hosttest.Report(t.Errorf))
		boot := m.Boot()
		s := claimed(t, m)
		entered, _ := m.Block(nil)
		ended := make(chan error, 1)
		go func() {
			err, _ := s.Act(t.Context(), id, 2, touch(true), nil)
			ended <- err
		}()
		<-entered
		interrupt(m)
		want := host.ErrInterrupted
		if name == "reboot" {
			want = host.ErrLost
		}
		if err := <-ended; !errors.Is(err, want) {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := m.Session().Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("%s: error %v", name, err)
		}
		if (m.Boot() != boot) != (name == "reboot") || m.File("/tmp/x") != nil {
			t.Errorf("%s: boot %s, then %s", name, boot, m.Boot())
		}
	}
}

func TestBlockEndsWithItsContext(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := claimed(t, m)
	entered, _ := m.Block(func(op host.Op) bool { return op.Acts() })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if err, _ := s.Act(ctx, id, 2, touch(false), nil); !errors.Is(err, context.Canceled) || len(m.Acts()) > 0 {
		t.Errorf("error %v, acts %v", err, m.Acts())
	}
}

func TestPackageScriptsStartTheirService(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Archive("nginx", "1")
	m.Ship("nginx", map[string]string{"/lib/systemd/system/nginx.service": "[Install]\n", "/etc/nginx.conf": "new"}, "nginx.service")
	m.Put("/etc/nginx.conf", "mine")
	if _, err := host.Exec(t.Context(), m.Host(), "apt-get", "-y", "install", "nginx"); err != nil {
		t.Fatal(err)
	}
	if u, ok := m.Unit("nginx.service"); !ok || !u.Running || !u.Enabled || m.Content("/etc/nginx.conf") != "mine" {
		t.Errorf("%+v", u)
	}
}

// A restart ends the session; one that outlives it sees the next boot.
func TestRestart(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	s := m.Session()
	if err := s.Claim(t.Context(), host.Fence{Lineage: "l", Epoch: 1, Run: "r"}); err != nil {
		t.Fatal(err)
	}
	m.Put("/run/x", "")
	boot := m.Boot()
	restart := func(ops ...host.Op) error {
		err, _ := s.Act(t.Context(), host.ActID{Run: "r"}, 1, func(ctx context.Context, h host.Host) error {
			_, err := h.Do(ctx, ops...)
			return err
		}, nil)
		return err
	}
	if err := restart(host.Restart{}, host.Remove{Path: "/x"}); err == nil || m.Boot() != boot {
		t.Errorf("a restart that is not alone: %v, boot %s", err, m.Boot())
	}
	if err := restart(host.Restart{}); !errors.Is(err, host.ErrLost) || m.Boot() == boot || m.File("/run/x") != nil {
		t.Errorf("the error is %v, the boot %s", err, m.Boot())
	}
	boot = m.Boot()
	if _, err := m.Host().Do(t.Context(), host.Restart{}); err != nil || m.Boot() == boot {
		t.Errorf("the error is %v, the boot %s", err, m.Boot())
	}
	if _, err := m.Reader().Do(t.Context(), host.Restart{}); !errors.Is(err, host.ErrReadOnly) {
		t.Errorf("as a reading, the error is %v", err)
	}
}
