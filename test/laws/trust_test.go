package laws

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl"
)

// sshdLog lists what sshd logged since it did so last.
const sshdLog = "journalctl --quiet --output=cat --cursor-file=/root/cursor _COMM=sshd"

// TestHostKeys connects to a machine whose key is not to be trusted. Nothing of
// ours is offered to it.
func TestHostKeys(t *testing.T) {
	s := first(t)
	s.on(t, "echo 'LogLevel DEBUG1' > /etc/ssh/sshd_config.d/loud.conf && systemctl reload ssh")
	key := strings.TrimSpace(s.on(t, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"))
	other := strings.TrimSpace(s.on(t, "ssh-keygen -q -t ed25519 -N '' -f /root/other && cut -d' ' -f1,2 /root/other.pub"))
	for _, c := range []struct {
		name, known, pinned, says string
		refused                   bool
	}{
		{name: "known", known: s.Address + " " + key},
		{name: "pinned", pinned: key},
		{name: "unknown", known: "10.9.9.9 " + key, refused: true, says: "is not known"},
		{name: "no file", refused: true, says: "is not known"},
		{name: "changed", known: s.Address + " " + other, refused: true, says: "is not the recorded one"},
		{name: "revoked", known: fmt.Sprintf("%s %s\n@revoked * %s", s.Address, key, key), refused: true, says: "is revoked"},
		{name: "pinned to another", known: s.Address + " " + key, pinned: other, refused: true, says: "is not the recorded one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := s.host(ops)
			h.Connection.HostKey = c.pinned
			h.Connection.Password = "ops-password"
			h.Connection.KnownHostsFile = filepath.Join(t.TempDir(), "known_hosts")
			h.Connection.Bootstrap = &dsl.Bootstrap{User: "root", Password: "vagrant"}
			if c.known != "" {
				if err := os.WriteFile(h.Connection.KnownHostsFile, []byte(c.known+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s.on(t, sshdLog)
			link, err := s.connect(t.Context(), h)
			if err == nil {
				_ = link.Session.Close()
			}
			s.until(t, sshdLog+" >> /root/log; grep -E 'Connection (closed|reset) by|Disconnected from|Received disconnect' /root/log")
			log := s.on(t, "cat /root/log; rm /root/log")
			tried := strings.Contains(log, "userauth-request for user")
			if !c.refused {
				if err != nil || !tried {
					t.Errorf("a trusted machine gives the error %v, and its sshd logs:\n%s", err, log)
				}
				return
			}
			var exit interface{ ExitCode() int }
			if !errors.As(err, &exit) || exit.ExitCode() != 6 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v; expected exit code 6 and %q", err, c.says)
			}
			if tried || strings.Contains(log, "Accepted") || strings.Contains(log, "Failed") {
				t.Errorf("sshd saw an attempt to log in:\n%s", log)
			}
			t.Log(err)
		})
	}
}
