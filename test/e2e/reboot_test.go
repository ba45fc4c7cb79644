package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/test/site"
)

const bootID = "cat /proc/sys/kernel/random/boot_id"

// counted has a machine count its boots from now on.
func counted(s *site.Site, name string) {
	s.On(name, `printf '[Service]\nType=oneshot\nExecStart=/bin/sh -c "echo boot >> /var/lib/boots"\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/count.service && systemctl enable -q count && : > /var/lib/boots`)
}

func boots(s *site.Site, name string) int {
	return strings.Count(s.On(name, "cat /var/lib/boots"), "boot\n")
}

// TestMachinesRestartBetweenTwoSteps: what comes before a restart was done in
// the boot before, and what comes after it in the next one. One machine asks for it
// by a file, one by a program, and one not at all. The user is one whom a machine
// that goes down or comes up refuses (pam_nologin).
func TestMachinesRestartBetweenTwoSteps(t *testing.T) {
	s := site.New(t, `
resource "exec" "before" {
  on      = hosts
  command = "`+bootID+` > /var/lib/before; [ ! -e /run/ask ] || mv /run/ask /run/reboot-required; [ ! -x /usr/local/bin/needs-restarting ] || touch /run/asks"
}
resource "reboot" "asked" {
  on         = hosts
  timeout    = "3m"
  depends_on = [exec.before]
}
resource "exec" "after" {
  on         = hosts
  command    = "`+bootID+` > /var/lib/after"
  depends_on = [reboot.asked]
}
`)
	spec, err := os.ReadFile(filepath.Join(s.Dir, "main.kplan.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	s.Write("main.kplan.hcl", strings.Replace(string(spec), `"root"`, "\"ops2\"\n  become = \"sudo\"", 1))
	for _, m := range s.Lab.Machines() {
		counted(s, m.Name)
	}
	s.On("k8s-node1", "touch /run/ask")
	s.On("k8s-node2", `printf '#!/bin/sh\n[ "$*" != -r ] || [ ! -e /run/asks ]\n' > /usr/local/bin/needs-restarting && chmod +x /usr/local/bin/needs-restarting`)
	has(t, s.Want(0, "plan").Stdout, "3 steps run only if needed")
	r := s.Want(0, "apply", "-auto-approve")
	has(t, r.Stdout, "8 done")
	has(t, r.Stdout, "1 not needed")
	for _, m := range s.Lab.Machines() {
		before, after := s.On(m.Name, "cat /var/lib/before"), s.On(m.Name, "cat /var/lib/after")
		restarts := 1
		if m.Name == "k8s-node3" {
			restarts = 0
		}
		if n := boots(s, m.Name); n != restarts || (before == after) != (restarts == 0) {
			t.Errorf("%s was restarted %d times, boot %q before and %q after", m.Name, n, before, after)
		}
	}
	empty(t, s)
}

// TestKilledWhileAMachineRestarts kills kplan once the machine goes down. The
// next apply finds that it has restarted, and does not do it again.
func TestKilledWhileAMachineRestarts(t *testing.T) {
	s := site.New(t, `
resource "reboot" "now" {
  on       = host.k8s-node1
  when     = "triggers"
  triggers = { v = "1" }
}
resource "exec" "after" {
  on         = host.k8s-node1
  command    = "`+bootID+` > /var/lib/after"
  depends_on = [reboot.now]
}
`)
	const name = "k8s-node1"
	counted(s, name)
	m, err := s.Lab.Machine(name)
	if err != nil {
		t.Fatal(err)
	}
	before := s.On(name, bootID)
	until := func(what string, condition func(boot string, err error) bool) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; <-time.After(20 * time.Millisecond) {
			if boot, err := m.Exec(t.Context(), bootID); condition(boot, err) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("waiting for %s", what)
			}
		}
	}
	c := s.Start("apply", "-auto-approve")
	until("the machine to go down", func(boot string, err error) bool { return err != nil || boot != before })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if r := s.Wait(c); r.Code != -1 {
		t.Fatalf("it ended with %d before it was killed:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	until("the machine to come up", func(boot string, err error) bool { return err == nil && boot != before })
	s.On(name, "systemctl is-system-running --wait || true")
	has(t, s.Want(0, "apply", "-auto-approve").Stdout, "1 adopted")
	if n := boots(s, name); n != 1 {
		t.Errorf("the machine was restarted %d times", n)
	}
	if after := s.On(name, "cat /var/lib/after"); after == before {
		t.Error("what comes after the restart was done before it")
	}
	empty(t, s)
}
