package engine

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/host"
)

// thisMachine is a host that is the machine of the test, which only reads there.
func thisMachine() *dsl.Host {
	return &dsl.Host{Name: "laptop", Address: "127.0.0.1", Connection: dsl.Connection{Local: true, Become: "none", BecomeUser: "root"}}
}

// A session on this machine shows what one over SSH would, and nothing of how
// kplan was started.
func TestHere(t *testing.T) {
	t.Setenv("KPLAN_VAR_token", "hunter2")
	link, err := NewConnector(SSHOptions{})(t.Context(), thisMachine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Session.Close()
	c, err := link.Session.Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, _ := os.ReadFile("/etc/machine-id") // containers have none
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if link.HostKey != "" || c.UID != os.Geteuid() || c.MachineID != strings.TrimSpace(string(id)) || c.Facts.Hostname != name {
		t.Errorf("host key %q, contact %+v", link.HostKey, c)
	}
	for _, err := range link.Session.Read(t.Context(), []func(context.Context, host.Host) error{
		func(ctx context.Context, h host.Host) error {
			out, err := host.Ask(ctx, h, "env")
			for line := range strings.Lines(string(out.Stdout)) {
				if name, _, _ := strings.Cut(line, "="); name != "PATH" && name != "LC_ALL" && name != "PWD" && name != "_" {
					t.Errorf("in the environment stands %q", line)
				}
			}
			return err
		},
	}) {
		if err != nil {
			t.Error(err)
		}
	}
}

// What is recorded of this machine leads back to it, and nowhere over SSH.
func TestHereIsRecorded(t *testing.T) {
	h := thisMachine()
	h.Connection.Become = "sudo"
	again := recordedHost(h.Name, hostRecord(&member{host: h, contact: &host.Contact{}}))
	if again.Address != h.Address || again.Connection != h.Connection {
		t.Errorf("%+v", again)
	}
}

func TestHereIsLinux(t *testing.T) {
	_, err := here(t.Context(), thisMachine(), "darwin")
	var refused *unusable
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "its operating system is darwin: kplan reads and changes Linux machines") {
		t.Errorf("%v", err)
	}
}
