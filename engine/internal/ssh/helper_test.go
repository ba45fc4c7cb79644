package ssh

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kplan/kplan/test/wire"
	"github.com/kplan/kplan/test/wire/sshd"
)

// keyPair is a new user key: as a file, and its public half.
func keyPair(t testing.TB) (Key, ssh.PublicKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return Key{Name: "id_test", PEM: pem.EncodeToMemory(block)}, pub
}

func signer(t testing.TB) ssh.Signer {
	t.Helper()
	k, err := sshd.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var rsaKeys sync.Map // bits → ssh.Signer: making them takes long

func rsaSigner(t testing.TB, bits int) ssh.Signer {
	t.Helper()
	if s, ok := rsaKeys.Load(bits); ok {
		return s.(ssh.Signer)
	}
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	rsaKeys.Store(bits, s)
	return s
}

func start(t testing.TB, o sshd.Options) *sshd.Server {
	t.Helper()
	s, err := sshd.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func proxy(t testing.TB, s *sshd.Server) *wire.Proxy {
	t.Helper()
	p, err := wire.New(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// endpoint is how to reach s, whose key is known.
func endpoint(t testing.TB, s *sshd.Server, key Key) Endpoint {
	t.Helper()
	e := Endpoint{Host: "127.0.0.1", Port: s.Addr().Port, User: "tester", Timeout: 10 * time.Second}
	if key.PEM != nil {
		e.Keys = []Key{key}
	}
	e.KnownHosts = known(t, knownhosts.Line([]string{e.Address()}, s.HostKeys()[0]))
	return e
}

func known(t testing.TB, lines ...string) *KnownHosts {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := LoadKnownHosts(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func dialed(t testing.TB, e Endpoint, dial DialFunc) *Client {
	t.Helper()
	c, err := Dial(context.Background(), e, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// randReader is crypto/rand.
type randReader struct{}

func (randReader) Read(b []byte) (int, error) { return rand.Read(b) }
