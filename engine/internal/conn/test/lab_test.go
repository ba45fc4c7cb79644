// Package test tries package conn on machines: OpenSSH, systemd, sudo, su, a
// restart.
package test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/engine/internal/conn"
	"github.com/kplan/kplan/engine/internal/ssh"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/lab"
	"github.com/kplan/kplan/test/wire"
)

func TestMain(m *testing.M) { lab.Main(m) }

const lineage = "3f0c9a52-9f5b-4a4e-8a3c-2f3d1f6f1c11"

// real is one machine of the lab, behind a proxy, and who logs in.
type real struct {
	*lab.Machine
	proxy    *wire.Proxy
	endpoint ssh.Endpoint
	options  conn.Options
}

func newReal(t *testing.T, user string) *real {
	t.Helper()
	l := lab.Open(t)
	m := l.Machines()[0]
	key, err := os.ReadFile(l.Key())
	if err != nil {
		t.Fatal(err)
	}
	known, err := ssh.LoadKnownHosts(l.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := wire.New(net.JoinHostPort(m.Address, "22"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return &real{Machine: m, proxy: proxy, endpoint: ssh.Endpoint{
		Host: m.Address, User: user, Keys: []ssh.Key{{Name: "lab", PEM: key}}, KnownHosts: known,
	}}
}

func (m *real) try(t *testing.T) (*conn.Session, error) {
	t.Helper()
	client, err := ssh.Dial(t.Context(), m.endpoint, m.proxy.Dial)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = client.Close() })
	shell, err := client.Shell(t.Context())
	if err != nil {
		return nil, err
	}
	s, err := conn.Open(t.Context(), shell, m.options)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func (m *real) open(t *testing.T) *conn.Session {
	t.Helper()
	s, err := m.try(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (m *real) claimed(t *testing.T, run string) *conn.Session {
	t.Helper()
	s := m.open(t)
	if err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: run}); err != nil {
		t.Fatal(err)
	}
	return s
}

// sh runs a script on the machine, beside SSH.
func (m *real) sh(t *testing.T, script string) string {
	t.Helper()
	out, err := m.Exec(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func read(t *testing.T, s *conn.Session, ops ...host.Op) (res []host.Result) {
	t.Helper()
	err := s.Read(t.Context(), []func(context.Context, host.Host) error{func(ctx context.Context, h host.Host) (err error) {
		res, err = h.Do(ctx, ops...)
		return err
	}})[0]
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Reading a machine leaves no trace on it, and costs two round trips.
func TestReadingLeavesNoTrace(t *testing.T) {
	for _, user := range []string{"root", "ops2"} {
		t.Run(user, func(t *testing.T) {
			m := newReal(t, user)
			m.options.Become.Method = conn.Sudo
			before, err := m.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s := m.open(t)
			m.proxy.Reset()
			c, err := s.Contact(t.Context())
			if err != nil || c.UID != 0 || c.Facts.OS != "debian" || c.Facts.ServiceManager != "systemd" || c.Facts.PackageManager != "apt" || len(c.Facts.Interfaces) == 0 {
				t.Errorf("%+v, %v", c, err)
			}
			t.Logf("%+v", c.Facts)
			var fns []func(context.Context, host.Host) error
			for range 60 {
				fns = append(fns, func(ctx context.Context, h host.Host) error {
					f, err := host.Read(ctx, h, "/etc/shadow")
					if err != nil {
						return err
					}
					_, err = host.Ask(ctx, h, "systemctl", "is-active", "ssh.service", "--", "x"+f[0].Owner)
					var exit *host.ExitError
					if errors.As(err, &exit) {
						err = nil
					}
					return err
				})
			}
			begun := time.Now()
			for _, err := range s.Read(t.Context(), fns) {
				if err != nil {
					t.Error(err)
				}
			}
			counts := m.proxy.Counts()
			t.Logf("%+v in %v", counts, time.Since(begun))
			if counts.Trips != 2 {
				t.Errorf("%d round trips, want 2", counts.Trips)
			}
			_ = s.Close()
			after, err := m.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(before, after) {
				for _, p := range slices.Sorted(maps.Keys(after)) {
					if before[p] != after[p] {
						t.Errorf("%s: %s, before %s", p, after[p], before[p])
					}
				}
			}
		})
	}
}

func TestBecome(t *testing.T) {
	for name, test := range map[string]struct {
		user   string
		become conn.Become
		want   string // part of the error
	}{
		"sudo":                {user: "ops2", become: conn.Become{Method: conn.Sudo}},
		"sudo with password":  {user: "ops", become: conn.Become{Method: conn.Sudo, Password: "ops-password"}},
		"sudo wrong password": {user: "ops", become: conn.Become{Method: conn.Sudo, Password: "x"}, want: "the password was refused"},
		"sudo no password":    {user: "ops", become: conn.Become{Method: conn.Sudo}, want: "it asks for a password"},
		"su":                  {user: "ops", become: conn.Become{Method: conn.Su, Password: "vagrant"}},
		"su wrong password":   {user: "ops", become: conn.Become{Method: conn.Su, Password: "x"}, want: "Authentication failure"},
		"root":                {user: "root", become: conn.Become{Method: conn.Sudo}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newReal(t, test.user)
			m.options.Become = test.become
			s, err := m.try(t)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if res := read(t, s, host.Query{Argv: []string{"id", "-u"}}); string(res[0].Output.Stdout) != "0\n" {
				t.Errorf("%+v", res)
			}
		})
	}
}

func TestRequireTTY(t *testing.T) {
	m := newReal(t, "ops2")
	m.sh(t, "echo 'Defaults requiretty' >/etc/sudoers.d/zz-tty")
	defer m.sh(t, "rm /etc/sudoers.d/zz-tty")
	m.options.Become.Method = conn.Sudo
	if _, err := m.try(t); err == nil || !strings.Contains(err.Error(), "requiretty is set") {
		t.Errorf("%v", err)
	}
}

// A detached act is a unit of systemd's, which neither a cut connection nor the
// end of sudo ends.
func TestDetached(t *testing.T) {
	m := newReal(t, "ops2")
	m.options.Become.Method = conn.Sudo
	run := fmt.Sprintf("r%d", time.Now().UnixNano())
	s := m.claimed(t, run)
	act := func(s *conn.Session, step int, script string, stdin string) (out host.Output, err error) {
		err, _ = s.Act(t.Context(), host.ActID{Run: run, Step: step}, 1, func(ctx context.Context, h host.Host) error {
			res, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", script}, Stdin: []byte(stdin), Env: []string{"A=b'c"}, Detached: true, AnyExit: true})
			if err == nil {
				out = res[0].Output
			}
			return err
		}, nil)
		return out, err
	}
	m.proxy.Reset()
	begun := time.Now()
	out, err := act(s, 1, `echo "$A"; cat; cat /proc/self/cgroup >&2; exit 3`, "input")
	if err != nil || string(out.Stdout) != "b'c\ninput" || out.Code != 3 || !strings.Contains(string(out.Stderr), "kplan-"+run+".1.0.service") {
		t.Errorf("%+v, %v", out, err)
	}
	t.Logf("%+v in %v", m.proxy.Counts(), time.Since(begun))
	if n := m.proxy.Counts().Trips; n != 1 {
		t.Errorf("%d round trips", n)
	}

	// A second unit, whose connection is cut.
	id := host.ActID{Run: run, Step: 2}
	result := make(chan error, 1)
	go func() {
		_, err := act(s, 2, "mkfifo /tmp/gate; echo >/tmp/running; cat /tmp/gate", "")
		result <- err
	}()
	for m.sh(t, "[ -e /tmp/running ] && echo yes || true") != "yes" {
		if t.Context().Err() != nil {
			t.Fatal("it never ran")
		}
	}
	m.proxy.Cut()
	if err := <-result; !errors.Is(err, host.ErrLost) {
		t.Fatalf("%v", err)
	}
	again := m.claimed(t, run)
	c, err := again.Contact(t.Context())
	if err != nil || !slices.Contains(c.Acts, host.Act{ID: id, State: host.ActRunning, BootID: c.BootID}) {
		t.Errorf("%+v, %v", c.Acts, err)
	}
	m.sh(t, "echo opened >/tmp/gate")
	if out, err := again.Adopt(t.Context(), id); err != nil || string(out.Stdout) != "opened\n" {
		t.Errorf("%+v, %v", out, err)
	}

	// A third, which is stopped with all its processes.
	go func() {
		_, err := act(again, 3, "sleep 1234 & rm /tmp/running; sleep 1235", "secret")
		result <- err
	}()
	for m.sh(t, "[ -e /tmp/running ] && echo yes || true") == "yes" {
		if t.Context().Err() != nil {
			t.Fatal("it never ran")
		}
	}
	third := m.open(t)
	id.Step = 3
	if err := third.Stop(t.Context(), id); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("%v", err)
	}
	if left := m.sh(t, "pgrep -fa 'sleep 123[45]' || true"); left != "" {
		t.Errorf("left running: %s", left)
	}
	if left := m.sh(t, "find /run/kplan/acts -name stdin -o -name script -o -name env | grep "+run+"; systemctl list-units --all --no-legend 'kplan-"+run+"*'"); left != "" {
		t.Errorf("left: %s", left)
	}
	if err := third.Sign(t.Context(), host.Receipt{Lineage: lineage, Epoch: 1, Run: run}, nil); err != nil {
		t.Error(err)
	}
	if left := m.sh(t, "ls /run/kplan/acts | grep "+run+" || true"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// A restart takes the act with it; who comes back sees that.
func TestReboot(t *testing.T) {
	m := newReal(t, "root")
	run := fmt.Sprintf("r%d", time.Now().UnixNano())
	s := m.claimed(t, run)
	before, err := s.Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := host.ActID{Run: run, Step: 1}
	err, _ = s.Act(t.Context(), id, 1, func(ctx context.Context, h host.Host) error {
		_, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", "systemctl reboot; sleep 100"}, Detached: true})
		return err
	}, nil)
	if !errors.Is(err, host.ErrLost) && !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("%v", err)
	}
	t.Logf("the act ended so: %v", err)
	var again *conn.Session
	for deadline := time.Now().Add(90 * time.Second); ; {
		if again, err = m.try(t); err == nil {
			c, err := again.Contact(t.Context())
			if err == nil && c.BootID != before.BootID {
				if c.MachineID != before.MachineID || c.Fence == nil || len(c.Acts) != 0 {
					t.Errorf("%+v", c)
				}
				break
			}
			_ = again.Close()
		} else if !ssh.Temporary(err) && !errors.Is(err, host.ErrLost) {
			t.Logf("not temporary: %v", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the machine did not come back")
		}
	}
	if _, err := again.Adopt(t.Context(), id); !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

func TestWrongHostKey(t *testing.T) {
	m := newReal(t, "root")
	m.endpoint.HostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	_, err := m.try(t)
	var refused *ssh.HostKeyError
	if !errors.As(err, &refused) || refused.Trust != ssh.Changed {
		t.Errorf("%v", err)
	}
}
