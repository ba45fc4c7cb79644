// Package inprocess kills the real kplan as package crash does, many times
// faster than in the lab: its machines are SSH servers in the process of the
// test, whose commands run in namespaces of their own. It runs kplan on such a
// machine too, as a host of its spec.
//
// They have no systemd: what is detached runs in a session of its own, and the
// spec's service is kept by a script. Package crash has the same on machines
// that have one.
package inprocess

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kplan/kplan/test/crash"
	"github.com/kplan/kplan/test/site"
)

// newKey is a key to log in with; private as in a file.
func newKey(t *testing.T) (key ssh.PublicKey, private string) {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	if key, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(block))
}

func TestKill(t *testing.T) {
	possible(t)
	key, private := newKey(t)
	p := crash.Place{Program: site.NewProgram(t), Pause: 100 * time.Millisecond, First: 300 * time.Millisecond}
	var spec, known strings.Builder
	spec.WriteString(`
connection {
  user             = "root"
  private_key_file = "key"
  known_hosts_file = "known_hosts"
}
`)
	machines := map[string]*machine{}
	for i, name := range []string{"one", "two"} {
		m := newMachine(t, name, key)
		machines[name] = m
		p.Machines = append(p.Machines, name)
		addr := m.server.Addr()
		fmt.Fprintf(&spec, "host %q {\n  address = \"192.0.2.%d\"\n  connection {\n    host = %q\n    port = %d\n  }\n}\n", name, i+1, addr.IP, addr.Port)
		fmt.Fprintln(&known, knownhosts.Line([]string{addr.String()}, m.server.HostKeys()[0]))
	}
	p.On = func(machine, script string) string { return machines[machine].run(t, script) }
	p.Write("main.kplan.hcl", spec.String()+crash.Spec)
	p.Write("known_hosts", known.String())
	p.Write("key", private)

	kills := 20
	if crash.Full {
		kills = 100
	}
	crash.Kill(t, p, kills)
}
