package conn_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/kplan/kplan/engine/internal/conn"
	"github.com/kplan/kplan/engine/internal/ssh"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/test/needs"
	"github.com/kplan/kplan/test/wire"
	"github.com/kplan/kplan/test/wire/sshd"
)

const (
	lineage = "3f0c9a52-9f5b-4a4e-8a3c-2f3d1f6f1c11"
	runID   = "20261123T0500Z-8"
)

// target is a machine behind a proxy.
type target struct {
	proxy    *wire.Proxy
	endpoint ssh.Endpoint
	options  conn.Options
}

func newTarget(t *testing.T) *target {
	t.Helper()
	key, pub := userKey(t)
	server, err := sshd.Start(sshd.Options{AuthorizedKeys: []xssh.PublicKey{pub}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return behind(t, server.Addr().String(), ssh.Endpoint{
		Host: "127.0.0.1", Port: server.Addr().Port, User: "tester", Keys: []ssh.Key{key},
		HostKey: ssh.AuthorizedKey(server.HostKeys()[0]),
	})
}

func behind(t *testing.T, address string, e ssh.Endpoint) *target {
	t.Helper()
	proxy, err := wire.New(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	dir := t.TempDir()
	return &target{proxy, e, conn.Options{RunDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state")}}
}

func userKey(t *testing.T) (ssh.Key, xssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := xssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := xssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Key{Name: "test", PEM: pem.EncodeToMemory(block)}, pub
}

func (m *target) open(t *testing.T) *conn.Session {
	t.Helper()
	client, err := ssh.Dial(t.Context(), m.endpoint, m.proxy.Dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	shell, err := client.Shell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := conn.Open(t.Context(), shell, m.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (m *target) claimed(t *testing.T) *conn.Session {
	t.Helper()
	s := m.open(t)
	if err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: runID}); err != nil {
		t.Fatal(err)
	}
	return s
}

// chains are n readings of two calls each, the second made of the first.
func chains(t *testing.T, n int) []func(context.Context, host.Host) error {
	t.Helper()
	dir := t.TempDir()
	var fns []func(context.Context, host.Host) error
	for i := range n {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, fmt.Appendf(nil, "value %d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		fns = append(fns, func(ctx context.Context, h host.Host) error {
			f, err := host.Read(ctx, h, path)
			if err != nil {
				return err
			}
			out, err := host.Ask(ctx, h, "printf", "%s!", string(f[0].Content))
			if want := fmt.Sprintf("value %d!", i); err == nil && string(out.Stdout) != want {
				err = fmt.Errorf("got %q, want %q", out.Stdout, want)
			}
			return err
		})
	}
	return fns
}

func testTrips(t *testing.T, m *target) {
	s := m.open(t)
	fns := chains(t, 60)
	m.proxy.Reset()
	if _, err := s.Contact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Read(t.Context(), fns) {
		if err != nil {
			t.Error(err)
		}
	}
	if c := m.proxy.Counts(); c.Trips != 2 {
		t.Errorf("a contact and 60 readings of two calls took %d round trips, want 2", c.Trips)
	} else {
		t.Logf("a contact and 60 readings of two calls: %+v", c)
	}
	for _, d := range []string{m.options.RunDir, m.options.StateDir} {
		if _, err := os.Stat(d); err == nil {
			t.Errorf("reading made %s", d)
		}
	}

	if err := s.Claim(t.Context(), host.Fence{Lineage: lineage, Epoch: 1, Run: runID}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	read := func(ctx context.Context, h host.Host) error {
		f, err := host.Read(ctx, h, path)
		if err == nil && (f[0] == nil || string(f[0].Content) != "x\n") {
			err = errors.New("it is not what was written")
		}
		return err
	}
	for i, op := range []host.Op{
		host.WriteFile{Path: path, Content: []byte("x\n"), Mode: 0o600},
		host.Run{Argv: []string{"sh", "-c", `echo x >"$1"`, "sh", path}, Detached: true},
	} {
		m.proxy.Reset()
		fnErr, readErr := s.Act(t.Context(), host.ActID{Run: runID, Step: i}, 1, func(ctx context.Context, h host.Host) error {
			_, err := h.Do(ctx, op)
			return err
		}, read)
		if c := m.proxy.Counts(); fnErr != nil || readErr != nil || c.Trips != 1 {
			t.Errorf("%T: %v, %v, %d round trips, want 1", op, fnErr, readErr, c.Trips)
		}
	}
}

func TestTripsOverSSH(t *testing.T) { testTrips(t, newTarget(t)) }

// With latency the time is that of the round trips, and not of the operations.
func TestLatencyOverSSH(t *testing.T) {
	m := newTarget(t)
	s := m.open(t)
	fns := chains(t, 60)
	const oneWay = 100 * time.Millisecond
	m.proxy.Set(wire.Faults{Latency: oneWay})
	begun := time.Now()
	for _, err := range s.Read(t.Context(), fns) {
		if err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begun); took < 4*oneWay || took > 4*oneWay+5*time.Second {
		t.Errorf("took %v", took)
	} else {
		t.Logf("60 readings of two calls at a round trip of %v: %v", 2*oneWay, took)
	}
}

func TestLostOverSSH(t *testing.T) {
	for name, lose := range map[string]func(*wire.Proxy){
		"cut": (*wire.Proxy).Cut, "reset": (*wire.Proxy).RST,
		"cut on the way": func(p *wire.Proxy) { p.Set(wire.Faults{CutUp: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newTarget(t)
			s := m.claimed(t)
			id := host.ActID{Run: runID, Step: 1}
			dir := t.TempDir()
			gate, running := filepath.Join(dir, "gate"), filepath.Join(dir, "running")
			if out, err := exec.Command("mkfifo", gate, running).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			result := make(chan error, 1)
			go func() {
				err, _ := s.Act(t.Context(), id, 1, func(ctx context.Context, h host.Host) error {
					_, err := h.Do(ctx, host.Run{Argv: []string{"sh", "-c", `echo >"$1"; cat "$2"`, "sh", running, gate}, Detached: true})
					return err
				}, nil)
				result <- err
			}()
			if _, err := os.ReadFile(running); err != nil {
				t.Fatal(err)
			}
			lose(m.proxy)
			if name == "cut on the way" { // nothing moves: the next keepalive is cut
				_ = s.Close()
			}
			if err := <-result; !errors.Is(err, host.ErrLost) {
				t.Fatalf("%v", err)
			}
			m.proxy.Set(wire.Faults{})
			again := m.open(t)
			if err := os.WriteFile(gate, []byte("opened\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := again.Adopt(t.Context(), id); err != nil || string(out.Stdout) != "opened\n" {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}

// Large bodies both ways, through the windows of SSH.
func TestLargeOverSSH(t *testing.T) {
	m := newTarget(t)
	s := m.claimed(t)
	content := bytes.Repeat([]byte("0123456789abcde\n"), 1<<19) // 8 MiB
	path := filepath.Join(t.TempDir(), "f")
	var got []byte
	fnErr, readErr := s.Act(t.Context(), host.ActID{Run: runID}, 1, func(ctx context.Context, h host.Host) error {
		_, err := h.Do(ctx, host.WriteFile{Path: path, Content: content, Mode: 0o600})
		return err
	}, func(ctx context.Context, h host.Host) error {
		res, err := h.Do(ctx, host.ReadFile{Path: path, Limit: 16 << 20})
		if err == nil {
			got = res[0].File.Content
		}
		return err
	})
	if fnErr != nil || readErr != nil || !bytes.Equal(got, content) {
		t.Errorf("%v, %v, %d bytes", fnErr, readErr, len(got))
	}
}

// The same against OpenSSH, where it is installed.
func TestOpenSSH(t *testing.T) {
	program := needs.Program(t, "/usr/sbin/sshd")
	dir := t.TempDir()
	key, pub := userKey(t)
	hostKey, hostPub := userKey(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	for name, content := range map[string]string{
		"host_key": string(hostKey.PEM), "authorized_keys": ssh.AuthorizedKey(pub) + "\n",
		"config": fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host_key\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nPidFile none\nPermitRootLogin yes\nUsePAM no\n", address.Port, dir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	server := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	m := behind(t, address.String(), ssh.Endpoint{
		Host: "127.0.0.1", Port: address.Port, User: me.Username, Keys: []ssh.Key{key}, HostKey: ssh.AuthorizedKey(hostPub),
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := ssh.Dial(t.Context(), m.endpoint, m.proxy.Dial)
		if err == nil {
			_ = c.Close()
			break
		}
		if !ssh.Temporary(err) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	testTrips(t, m)
	wrong := m.endpoint
	wrong.Keys, wrong.Password = nil, "no"
	var refused *ssh.AuthError
	if _, err := ssh.Dial(t.Context(), wrong, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "tried password") {
		t.Errorf("%v", err)
	}
	if keys, err := ssh.Scan(t.Context(), m.endpoint, nil); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}
