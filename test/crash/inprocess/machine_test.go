package inprocess

import (
	"bufio"
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/kplan/kplan/test/needs"
	"github.com/kplan/kplan/test/wire/sshd"
)

//go:embed machine.sh
var machineScript string

//go:embed systemctl.sh
var systemctlScript string

// namespaces are what unshare(1) gives each machine of its own.
var namespaces = []string{"--mount", "--uts", "--pid", "--fork"}

// possible skips the test where there can be no machine, unless it is required.
func possible(t *testing.T) {
	t.Helper()
	out, err := exec.Command("unshare", slices.Concat(namespaces, []string{"true"})...).CombinedOutput()
	if err != nil {
		needs.Missing(t, fmt.Sprintf("no namespaces can be made, which needs root: %v: %s", err, out))
	}
}

// machine is an SSH server and the namespaces that its commands run in.
type machine struct {
	server *sshd.Server
	enter  []string // a command of the host that runs the one that follows there
}

// newMachine makes a machine that the key may log in to. Everything that
// runs on it ends with the test.
func newMachine(t *testing.T, name string, key ssh.PublicKey) *machine {
	t.Helper()
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	cmd := exec.Command("unshare", slices.Concat(namespaces,
		[]string{"sh", "-c", machineScript, "sh", t.TempDir(), name, hex.EncodeToString(id), systemctlScript})...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up, _ := bufio.NewReader(stdout).ReadString('\n')
	if up != "up\n" {
		_ = cmd.Wait()
		t.Fatalf("machine %s is not up: %s", name, &stderr)
	}
	ns := fmt.Sprintf("/proc/%d/ns/", cmd.Process.Pid)
	m := &machine{enter: []string{"nsenter", "--mount=" + ns + "mnt", "--uts=" + ns + "uts", "--pid=" + ns + "pid_for_children", "--"}}
	m.server, err = sshd.Start(sshd.Options{AuthorizedKeys: []ssh.PublicKey{key}, Shell: slices.Concat(m.enter, []string{"sh", "-c"})})
	t.Cleanup(func() {
		_ = alive.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("machine %s: %v: %s", name, err, &stderr)
		}
		if m.server != nil {
			_ = m.server.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// command is a script of the machine, beside the server.
func (m *machine) command(script string) *exec.Cmd {
	return exec.Command(m.enter[0], slices.Concat(m.enter[1:], []string{"sh", "-c", script})...)
}

// run runs a script on the machine, beside the server.
func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := m.command(script)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, &stderr)
	}
	return string(out)
}
