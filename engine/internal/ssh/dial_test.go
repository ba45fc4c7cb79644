package ssh

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/kplan/kplan/test/wire"
	"github.com/kplan/kplan/test/wire/sshd"
)

func TestShell(t *testing.T) {
	key, pub := keyPair(t)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}})
	c := dialed(t, endpoint(t, s, key), nil)
	if AuthorizedKey(c.HostKey()) != AuthorizedKey(s.HostKeys()[0]) {
		t.Error("the host key is not the server's")
	}
	sh, err := c.Shell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Start("cat; echo done >&2; exit 7"); err != nil {
		t.Fatal(err)
	}
	if _, err := sh.Stdin().Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = sh.Stdin().Close()
	out, _ := io.ReadAll(sh.Stdout())
	errs, _ := io.ReadAll(sh.Stderr())
	err = sh.Wait()
	if string(out) != "hello" || string(errs) != "done\n" || err == nil || err.Error() != "it ended with status 7" {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
}

func TestAuthentication(t *testing.T) {
	key, pub := keyPair(t)
	other, _ := keyPair(t)
	authority := signer(t)
	certified := key
	certified.Certificate = certificate(t, pub, authority, ssh.UserCert)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(mustRaw(t, key), "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	encrypted := Key{Name: "id_locked", PEM: pem.EncodeToMemory(block)}
	for name, test := range map[string]struct {
		server sshd.Options
		change func(*Endpoint)
		want   string // part of the error; "" for success
	}{
		"key":                  {server: sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}}, change: func(e *Endpoint) { e.Keys = []Key{key} }},
		"second key":           {server: sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}}, change: func(e *Endpoint) { e.Keys = []Key{other, key} }},
		"certificate":          {server: sshd.Options{AuthorizedKeys: []ssh.PublicKey{authority.PublicKey()}}, change: func(e *Endpoint) { e.Keys = []Key{certified} }},
		"password":             {server: sshd.Options{Password: "pw"}, change: func(e *Endpoint) { e.Password = "pw" }},
		"keyboard-interactive": {server: sshd.Options{Password: "pw", Interactive: "Password: "}, change: func(e *Endpoint) { e.Password = "pw" }},
		"wrong key": {
			server: sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}}, change: func(e *Endpoint) { e.Keys = []Key{other} },
			want: "does not let tester in (tried publickey id_test SHA256:",
		},
		"wrong password": {server: sshd.Options{Password: "pw"}, change: func(e *Endpoint) { e.Password = "px" }, want: "(tried password)"},
		"expired password": {
			server: sshd.Options{Password: "pw", Interactive: "New password: "}, change: func(e *Endpoint) { e.Password = "pw" },
			want: `the machine asks "New password:", which kplan does not answer`,
		},
		"nothing to try": {server: sshd.Options{Password: "pw"}, change: func(*Endpoint) {}, want: "there was nothing to try"},
		"too many keys": {
			server: sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}, MaxAuthTries: 2},
			change: func(e *Endpoint) { e.Keys = []Key{other, mustKey(t), mustKey(t), key} }, want: "it counts each key as a try",
		},
		"encrypted key": {change: func(e *Endpoint) { e.Keys = []Key{encrypted} }, want: "id_locked is encrypted: load it into an agent"},
		"no key":        {change: func(e *Endpoint) { e.Keys = []Key{{Name: "x", PEM: []byte("SECRET")}} }, want: "the private key x cannot be read"},
		"no user":       {change: func(e *Endpoint) { e.User = "" }, want: "no user to log in as"},
		"booting": {
			server: sshd.Options{Password: "pw", Banner: "\"System is booting up. Unprivileged users are not permitted to log in yet.\""},
			change: func(e *Endpoint) { e.Password = "px" }, want: "System is booting up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, start(t, test.server), Key{})
			test.change(&e)
			c, err := Dial(t.Context(), e, nil)
			if err == nil {
				defer c.Close()
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if Temporary(err) != (name == "booting") {
				t.Errorf("temporary: %v", Temporary(err))
			}
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Error("the error holds the key")
			}
		})
	}
}

func TestAgent(t *testing.T) {
	key, pub := keyPair(t)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}})
	e := endpoint(t, s, Key{})
	e.Agent = true
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := Dial(t.Context(), e, nil); err == nil || !strings.Contains(err.Error(), "SSH_AUTH_SOCK is not set") {
		t.Errorf("without an agent: %v", err)
	}
	path := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: mustRaw(t, key)}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", path)
	dialed(t, e, nil)
}

func TestRefused(t *testing.T) {
	s := start(t, sshd.Options{})
	e := endpoint(t, s, mustKey(t))
	_ = s.Close()
	_, err := Dial(t.Context(), e, nil)
	var d *DialError
	if !errors.As(err, &d) || d.Stage != StageDial || !Temporary(err) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

// A machine that goes silent, or drips one byte at a time, at any stage, is
// given up within the deadline and a second, and leaves no goroutine.
func TestSlowLoris(t *testing.T) {
	key, pub := keyPair(t)
	allowed := []ssh.PublicKey{pub}
	const deadline = 500 * time.Millisecond
	before := runtime.NumGoroutine()
	t.Run("stages", func(t *testing.T) {
		for name, test := range map[string]struct {
			server sshd.Options
			faults wire.Faults
			stage  Stage
		}{
			"silent":          {server: sshd.Options{Stall: sshd.StallVersion}, stage: StageHandshake},
			"silent kex":      {faults: wire.Faults{HoleDown: 30}, stage: StageHandshake},
			"silent auth":     {server: sshd.Options{Stall: sshd.StallAuth}, stage: StageAuth},
			"silent session":  {server: sshd.Options{Stall: sshd.StallSession}, stage: StageSession},
			"silent exec":     {server: sshd.Options{Stall: sshd.StallExec}, stage: StageSession},
			"drips":           {faults: wire.Faults{Drip: 50 * time.Millisecond}, stage: StageHandshake},
			"request in void": {faults: wire.Faults{HoleUp: 20}, stage: StageHandshake},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test.server.AuthorizedKeys = allowed
				s := start(t, test.server)
				p := proxy(t, s)
				p.Set(test.faults)
				e := endpoint(t, s, key)
				e.Timeout = deadline
				var begun time.Time
				err := func() error {
					begun = time.Now()
					c, err := Dial(t.Context(), e, p.Dial)
					if err != nil {
						return err
					}
					defer c.Close()
					begun = time.Now()
					sh, err := c.Shell(t.Context())
					if err != nil {
						return err
					}
					begun = time.Now()
					return sh.Start("true")
				}()
				took := time.Since(begun)
				var d *DialError
				if !errors.As(err, &d) || d.Stage != test.stage || !strings.Contains(err.Error(), "no answer within 500ms") || !Temporary(err) {
					t.Errorf("%v", err)
				}
				// The handshake's deadline and that of the authentication follow
				// each other.
				if limit := deadline + time.Second; took > limit {
					t.Errorf("took %v, more than %v", took, limit)
				}
			})
		}
	})
	settled(t, before)
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		case <-tick.C:
		}
	}
}

func TestCancelled(t *testing.T) {
	key, pub := keyPair(t)
	for _, stall := range []sshd.Stage{sshd.StallVersion, sshd.StallAuth, sshd.StallSession} {
		t.Run(string(stall), func(t *testing.T) {
			t.Parallel()
			s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}, Stall: stall})
			ctx, cancel := context.WithCancel(t.Context())
			e := endpoint(t, s, key)
			e.Timeout = time.Minute
			result := make(chan error, 1)
			connected := make(chan struct{})
			go func() {
				c, err := Dial(ctx, e, func(ctx context.Context, network, address string) (net.Conn, error) {
					defer close(connected)
					return direct(ctx, network, address)
				})
				if err == nil {
					defer c.Close()
					_, err = c.Shell(ctx)
				}
				result <- err
			}()
			<-connected
			cancel()
			select {
			case err := <-result:
				if !errors.Is(err, context.Canceled) || Temporary(err) {
					t.Errorf("%v", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("still there after 5 s")
			}
		})
	}
}

func TestKeepalive(t *testing.T) {
	key, pub := keyPair(t)
	const every = 50 * time.Millisecond
	for name, test := range map[string]struct {
		server sshd.Options
		lose   func(*wire.Proxy)
		want   string
	}{
		"black hole": {lose: func(p *wire.Proxy) { p.BlackHole(true) }, want: "no sign of life for 150ms"},
		"no answers": {server: sshd.Options{NoKeepalive: true}, lose: func(*wire.Proxy) {}, want: "no sign of life"},
		"cut":        {lose: (*wire.Proxy).Cut, want: "closed the connection"},
		"reset":      {lose: (*wire.Proxy).RST, want: "connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.server.AuthorizedKeys = []ssh.PublicKey{pub}
			s := start(t, test.server)
			p := proxy(t, s)
			c, err := connect(t.Context(), endpoint(t, s, key), p.Dial, every)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			sh, err := c.Shell(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := sh.Start("cat"); err != nil {
				t.Fatal(err)
			}
			test.lose(p)
			ended := make(chan error, 1)
			go func() { ended <- sh.Wait() }()
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			case <-time.After(5 * time.Second):
				t.Error("still there after 5 s")
			}
		})
	}
}

func TestKeepaliveKeeps(t *testing.T) {
	key, pub := keyPair(t)
	s := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}})
	p := proxy(t, s)
	c, err := connect(t.Context(), endpoint(t, s, key), p.Dial, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.Reset()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.Counts().Trips < 10 {
		select {
		case <-tick.C:
		case <-c.done:
			t.Fatalf("lost: %v", c.cause)
		case <-deadline:
			t.Fatalf("%d keepalives", p.Counts().Trips)
		}
	}
}

func TestJump(t *testing.T) {
	key, pub := keyPair(t)
	options := sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}}
	gate, s := start(t, options), start(t, options)
	e := endpoint(t, s, key)
	through := endpoint(t, gate, key)
	e.Jump = &through
	c := dialed(t, e, nil)
	sh, err := c.Shell(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Start("echo hi"); err != nil {
		t.Fatal(err)
	}
	if out, _ := io.ReadAll(sh.Stdout()); string(out) != "hi\n" {
		t.Errorf("%q", out)
	}
	keys, err := Scan(t.Context(), e, nil)
	if err != nil || len(keys) != 1 || AuthorizedKey(keys[0]) != AuthorizedKey(s.HostKeys()[0]) {
		t.Errorf("scan through a jump host: %v, %v", keys, err)
	}
	// The jump host is verified itself, and before anything else.
	through.KnownHosts = nil
	_, err = Dial(t.Context(), e, nil)
	var h *HostKeyError
	if !errors.As(err, &h) || h.Trust != Unknown || !strings.HasPrefix(err.Error(), "jump host 127.0.0.1:") {
		t.Errorf("%v", err)
	}
	// A machine behind it that is not there may come.
	through = endpoint(t, gate, key)
	_ = s.Close()
	if _, err := Dial(t.Context(), e, nil); !Temporary(err) {
		t.Errorf("not temporary: %v", err)
	}
}

func TestJumpToSilence(t *testing.T) {
	key, pub := keyPair(t)
	gate := start(t, sshd.Options{AuthorizedKeys: []ssh.PublicKey{pub}})
	s := start(t, sshd.Options{Stall: sshd.StallVersion})
	e := endpoint(t, s, key)
	through := endpoint(t, gate, key)
	e.Jump, e.Timeout = &through, 200*time.Millisecond
	_, err := Dial(t.Context(), e, nil)
	var d *DialError
	if !errors.As(err, &d) || d.Stage != StageHandshake || !Temporary(err) {
		t.Errorf("%v", err)
	}
}

func mustKey(t testing.TB) Key {
	k, _ := keyPair(t)
	return k
}

func mustRaw(t testing.TB, k Key) any {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(k.PEM)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func certificate(t testing.TB, pub ssh.PublicKey, authority ssh.Signer, kind uint32, principals ...string) []byte {
	t.Helper()
	if principals == nil {
		principals = []string{"tester"}
	}
	cert := &ssh.Certificate{Key: pub, CertType: kind, ValidPrincipals: principals, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(randReader{}, authority); err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(cert)
}
