package laws

import (
	"context"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
	"github.com/kplan/kplan/test/wire"
)

// TestReadingWritesNothing reads every object of every case, on a bare machine
// and on one that has them, and looks at every file before and after.
func TestReadingWritesNothing(t *testing.T) {
	s := first(t)
	all := sixty(t)
	for _, c := range cases.All() {
		all = append(all, newObject(t, c.Type, c.Want))
	}
	for _, as := range []login{root, ops, ops2} {
		before := s.snapshot(t)
		session := s.open(t, as)
		if different := readAll(t, session, all); len(different) == 0 {
			t.Error("a bare machine is as wanted")
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		s.same(t, "as "+as.user+", reading a bare machine", before)
	}
	session := s.claimed(t, root)
	converge(t, session, sixty(t))
	before := s.snapshot(t)
	readAll(t, session, all)
	s.same(t, "reading a converged machine", before)
}

// keepalive is how often a connection asks for a sign of life, which is a round
// trip.
const keepalive = 5 * time.Second

// trips counts the round trips of fn in a new session. Where a keepalive may
// have been among them it counts again.
func (s *site) trips(t *testing.T, as login, fn func(host.Session)) wire.Counts {
	t.Helper()
	for range 5 {
		start := time.Now()
		session := s.claimed(t, as)
		s.proxy.Reset()
		fn(session)
		counts := s.proxy.Counts()
		quick := time.Since(start) < keepalive
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if quick {
			return counts
		}
	}
	t.Fatal("the machine is too slow for counting")
	return wire.Counts{}
}

// TestTripsToConnect counts from the first byte to the ready session: what a
// run waits for before it can read.
func TestTripsToConnect(t *testing.T) {
	s := measured(t)
	for _, as := range []login{root, ops, ops2} {
		s.proxy.Reset()
		start := time.Now()
		session := s.open(t, as)
		connected := s.proxy.Counts()
		if _, err := session.Contact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.proxy.Counts().Trips - connected.Trips; n != 0 {
			t.Errorf("as %s, the first contact takes %d round trips after login, expected none", as.user, n)
		}
		t.Logf("as %s: %d round trips to a ready session, %v, %d bytes up, %d down", as.user, connected.Trips, time.Since(start).Round(time.Millisecond), connected.Up, connected.Down)
	}
}

func TestTripsToRead(t *testing.T) {
	s := measured(t)
	all := sixty(t)
	session := s.claimed(t, root)
	converge(t, session, all)
	_ = session.Close()
	for _, as := range []login{root, ops} {
		var took time.Duration
		counts := s.trips(t, as, func(session host.Session) {
			start := time.Now()
			if different := readAll(t, session, all); len(different) > 0 {
				t.Errorf("a converged machine is not as wanted: %v", different)
			}
			took = time.Since(start)
		})
		if counts.Trips != 1 {
			t.Errorf("as %s, reading %d objects takes %d round trips, expected 1", as.user, len(all), counts.Trips)
		}
		t.Logf("as %s: %d objects in %d round trips, %v, %d bytes up, %d down", as.user, len(all), counts.Trips, took.Round(time.Millisecond), counts.Up, counts.Down)
	}
}

// TestTripsToAct counts a step: its reading, its act and its reading back.
func TestTripsToAct(t *testing.T) {
	s := measured(t)
	s.on(t, "mkdir /opt/kplan-law; ln -s lab-apt /srv/lab-mirror; apt-get -qq install lab-daemon >/dev/null; systemctl disable --now lab-daemon")
	for _, c := range []struct {
		name, typ string
		want      resourcetest.Values
		trips     int
	}{
		{"inline, a file", "file", resourcetest.Values{"path": "/opt/kplan-law/f", "content": "x\n", "mode": "0600"}, 2},
		{"inline, a directory", "directory", resourcetest.Values{"path": "/opt/kplan-law/d"}, 2},
		{"inline, a link", "symlink", resourcetest.Values{"path": "/opt/kplan-law/l", "target": "d"}, 2},
		{"inline, a sysctl", "sysctl", resourcetest.Values{"key": "net.ipv4.ip_forward", "value": "1"}, 2},
		{"inline, a kernel module", "kernel_module", resourcetest.Values{"name": "overlay"}, 2},
		{"inline, a unit", "systemd_unit", resourcetest.Values{"name": "law.timer", "content": "[Timer]\nOnCalendar=daily\n", "drop_ins": map[string]string{"a.conf": "[Timer]\n"}}, 2},
		{"inline, a hostname", "hostname", resourcetest.Values{"name": "law-1"}, 2},
		{"inline, a hosts file", "hosts_file", resourcetest.Values{"path": "/etc/hosts", "entries": map[string][]string{"10.0.2.15": {"k8s-node1"}}}, 2},
		{"inline, containerd", "containerd", resourcetest.Values{"version": "1.6", "registries": map[string][]string{"docker.io": {"http://10.0.2.1:5000"}}}, 2},
		{"inline, crictl", "crictl_config", resourcetest.Values{"timeout": 10}, 2},
		{"inline, swap", "swap", resourcetest.Values{"enabled": false}, 2},
		{"inline, a line", "line", resourcetest.Values{"path": "/etc/login.defs", "match": `^UMASK\s`, "line": "UMASK 027"}, 2},
		{"inline, a service at boot", "service", resourcetest.Values{"name": "lab-daemon", "enabled": true}, 2},
		{"detached, a package repository", "package_repository", resourcetest.Values{"name": "law", "uri": "file:/srv/lab-mirror", "suites": []string{"./"}, "key": s.on(t, "cat /etc/apt/keyrings/lab.asc")}, 3},
		{"detached, a package", "package", resourcetest.Values{"name": "lab-hello"}, 2},
		{"detached, a service now", "service", resourcetest.Values{"name": "lab-daemon", "running": true}, 3},
		{"detached, a command", "exec", resourcetest.Values{"name": "x", "command": "touch /opt/kplan-law/x", "creates": "/opt/kplan-law/x"}, 2},
	} {
		o := newObject(t, c.typ, c.want)
		var took time.Duration
		undo := []host.Op{
			host.Remove{Path: "/opt/kplan-law/f"},
			host.Remove{Path: "/opt/kplan-law/d"},
			host.Remove{Path: "/opt/kplan-law/l"},
			host.Remove{Path: "/opt/kplan-law/x"},
			host.Run{Argv: []string{"apt-get", "-qq", "remove", "lab-hello"}},
		}
		tries := 0
		counts := s.trips(t, root, func(session host.Session) {
			if tries++; tries > 1 {
				if _, err := act(t.Context(), session, host.ActID{Run: fence.Run}, fence.Epoch, undo...); err != nil {
					t.Fatal(err)
				}
				s.proxy.Reset()
			}
			start := time.Now()
			step(t, session, o, host.ActID{Run: c.name[:6] + c.typ, Step: tries})
			took = time.Since(start)
		})
		if counts.Trips != c.trips {
			t.Errorf("%s takes %d round trips, expected %d", c.name, counts.Trips, c.trips)
		}
		t.Logf("%-26s %d round trips, %v", c.name, counts.Trips, took.Round(time.Millisecond))
	}
}

// step reads an object, makes it as wanted where it is not, and reads it back.
func step(t *testing.T, session host.Session, o object, id host.ActID) {
	t.Helper()
	var got cty.Value
	read := func(ctx context.Context, h host.Host) error {
		var err error
		if got, _, err = o.read(ctx, h); err != nil || o.typ.IsAct {
			return err
		}
		return nil
	}
	var memory host.Memory
	before := func(ctx context.Context, h host.Host) error { return read(ctx, memory.Listen(h)) }
	if errs := session.Read(t.Context(), []func(context.Context, host.Host) error{before}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if !o.typ.IsAct && !o.differs(got, "") {
		return
	}
	prior := got
	fnErr, readErr := session.Act(t.Context(), id, fence.Epoch, func(ctx context.Context, h host.Host) error {
		if o.typ.IsAct {
			_, err := o.typ.Do(ctx, h, o.want)
			return err
		}
		return o.typ.Apply(ctx, memory.Recall(h), o.want, prior)
	}, read)
	if fnErr != nil || readErr != nil {
		t.Fatalf("%v: %v, read back: %v", o, fnErr, readErr)
	}
	if !o.typ.IsAct && o.differs(got, "") {
		t.Errorf("%v is not as wanted after its step", o)
	}
}
