package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// open returns the lab with its machines as they come out of the box.
func open(t *testing.T) (*Lab, []*Machine) {
	t.Helper()
	l := Open(t)
	start := time.Now()
	l.Reset(t)
	t.Logf("reset of %d machines: %s", len(l.Machines()), time.Since(start).Round(time.Millisecond))
	return l, l.Machines()
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// must runs a script on a machine and returns its output without the last newline.
func must(t *testing.T, m *Machine, script string) string {
	t.Helper()
	out, err := m.Exec(deadline(t), script)
	if err != nil {
		t.Fatalf("%s\n%v", script, err)
	}
	return strings.TrimRight(out, "\n")
}

// dial logs in with a password, or where that is empty with the lab's key. It checks the host's key against known_hosts.
func dial(t *testing.T, m *Machine, user, password string) (*ssh.Client, error) {
	t.Helper()
	hosts, err := knownhosts.New(m.lab.KnownHosts())
	if err != nil {
		t.Fatal(err)
	}
	auth := ssh.Password(password)
	if password == "" {
		data, err := os.ReadFile(m.lab.Key())
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParsePrivateKey(data)
		if err != nil {
			t.Fatal(err)
		}
		auth = ssh.PublicKeys(key)
	}
	return ssh.Dial("tcp", net.JoinHostPort(m.Address, "22"), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: hosts, Timeout: 2 * time.Second,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
}

// login runs a command over ssh.
func login(t *testing.T, m *Machine, user, password, command string) string {
	t.Helper()
	c, err := dial(t, m, user, password)
	if err != nil {
		t.Fatalf("%s@%s: %v", user, m.Name, err)
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.CombinedOutput(command)
	if err != nil {
		t.Fatalf("%s@%s: %s: %v: %s", user, m.Name, command, err, out)
	}
	return strings.TrimRight(string(out), "\n")
}

func TestMachines(t *testing.T) {
	l, ms := open(t)
	if len(ms) < DefaultMachines || ms[0].Address != "10.0.2.15" || ms[1].Address != "10.0.2.24" || ms[2].Address != "10.0.2.25" {
		t.Fatalf("machines are %v", ms)
	}
	ids := map[string]string{}
	for _, m := range ms {
		if got := must(t, m, "systemctl is-system-running"); got != "running" {
			t.Errorf("%s is %s: %s", m.Name, got, must(t, m, "systemctl --failed"))
		}
		if got := login(t, m, "root", "", "hostname"); got != m.Name {
			t.Errorf("the machine at %s is called %s, not %s", m.Address, got, m.Name)
		}
		id := must(t, m, "cat /etc/machine-id; cat /etc/ssh/ssh_host_ed25519_key.pub")
		if other := ids[id]; other != "" {
			t.Errorf("%s and %s are the same machine", m.Name, other)
		}
		ids[id] = m.Name
		for _, to := range ms {
			must(t, m, "ping -c 1 -W 2 "+to.Address)
		}
	}
	if m, err := l.Machine("10.0.2.24"); err != nil || m.Name != "k8s-node2" {
		t.Errorf("the machine at 10.0.2.24 is %v, %v", m, err)
	}
	if _, err := l.Machine("k8s-node0"); err == nil {
		t.Error("there is a machine called k8s-node0")
	}
}

func TestUsers(t *testing.T) {
	_, ms := open(t)
	m := ms[0]
	for _, c := range []struct{ user, password, command, want string }{
		{"root", "vagrant", "id -u", "0"},
		{"ops", "", "sudo -n id -u 2>/dev/null || echo asks", "asks"},
		{"ops", "ops-password", "echo ops-password | sudo -S -p '' id -u", "0"},
		{"ops2", "", "sudo -n id -u", "0"},
		{"ops2", "ops2-password", "id -u", "1001"},
	} {
		if got := login(t, m, c.user, c.password, c.command); got != c.want {
			t.Errorf("%s with password %q: %s: got %q, want %q", c.user, c.password, c.command, got, c.want)
		}
	}
	if _, err := dial(t, m, "ops", "wrong"); err == nil {
		t.Error("a wrong password was taken")
	}
}

// read waits for a byte.
func read(r io.Reader) error {
	_, err := r.Read(make([]byte, 1))
	return err
}

func TestPower(t *testing.T) {
	_, ms := open(t)
	m, boot := ms[0], "cat /proc/sys/kernel/random/boot_id"
	before := must(t, m, boot)
	must(t, m, "echo kept >/root/a; echo kept >/var/a")
	conn, err := net.Dial("tcp", net.JoinHostPort(m.Address, "22"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil { // what sshd says first
		t.Fatal(err)
	}
	if err := m.PowerOff(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)), read(conn)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("whoever was connected to a machine that lost power hears of it: %v", err)
	}
	for path, want := range map[string]string{"/root/a": "kept\n", "/var/a": "kept\n"} {
		if got, err := os.ReadFile(m.Disk(path)); string(got) != want {
			t.Errorf("on its disk, %s is %q, %v", path, got, err)
		}
	}
	if _, err := dial(t, m, "root", ""); err == nil || m.On() {
		t.Error("a machine without power answers")
	}
	if _, err := m.Exec(deadline(t), "true"); err == nil {
		t.Error("a machine without power runs commands")
	}
	start := time.Now()
	if err := m.PowerOn(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("power on: %s", time.Since(start).Round(time.Millisecond))
	if got := login(t, m, "root", "", "cat /root/a /var/a"); got != "kept\nkept" {
		t.Errorf("after cutting the power the files are %q", got)
	}
	second := must(t, m, boot)
	start = time.Now()
	if err := m.Reboot(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("reboot: %s", time.Since(start).Round(time.Millisecond))
	third := login(t, m, "root", "", boot)
	if before == second || second == third {
		t.Errorf("boots are not told apart: %s, %s, %s", before, second, third)
	}
	login(t, ms[1], "root", "", "ping -c 1 -W 2 "+m.Address)
}

func TestReset(t *testing.T) {
	l, ms := open(t)
	m, other := ms[0], ms[1]
	identity := "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
	before := must(t, m, identity)
	must(t, m, "touch /root/a /var/a /etc/a && rm /etc/hosts && apt-get install -qy lab-conf")
	must(t, other, "touch /root/a")
	l.Reset(t, m)
	must(t, m, "! ls /root/a /var/a /etc/a && cat /etc/hosts && ! dpkg -s lab-conf")
	must(t, other, "ls /root/a")
	if after := must(t, m, identity); after != before {
		t.Errorf("the machine is another after a reset:\n%s\nwas\n%s", after, before)
	}
	login(t, m, "root", "", "true")
}

func TestPartition(t *testing.T) {
	l, ms := open(t)
	m := ms[1]
	l.Partition(t, m, true)
	if _, err := dial(t, m, "root", ""); err == nil {
		t.Error("a machine without a network answers")
	}
	must(t, m, "true")
	if err := m.Reboot(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, m, "root", ""); err == nil {
		t.Error("a reboot has put the plug in")
	}
	l.Partition(t, m, false)
	login(t, m, "root", "", "true")
}

func TestPackages(t *testing.T) {
	_, ms := open(t)
	m := ms[2]
	must(t, m, "apt-get install -qy lab-hello=1.0-1")
	if got := must(t, m, "lab-hello"); got != "hello 1.0" {
		t.Errorf("lab-hello 1.0-1 says %q", got)
	}
	must(t, m, "apt-get update && apt-get install -qy lab-hello lab-daemon lab-conf")
	if got := must(t, m, "lab-hello; systemctl is-active lab-daemon; systemctl is-enabled lab-daemon"); got != "hello 2.0\nactive\nenabled" {
		t.Errorf("after installing the newest: %q", got)
	}
	if got := must(t, m, "dpkg-query -W -f '${Conffiles}' lab-conf"); !strings.Contains(got, "/etc/lab-conf.conf") {
		t.Errorf("the configuration files of lab-conf are %q", got)
	}
	must(t, m, "apt-get purge -qy lab-daemon && ! systemctl is-active lab-daemon")
}

// A program runs beside the machines, on their network, until another takes its place or the lab goes down.
func TestStart(t *testing.T) {
	l, _ := open(t)
	id := func(path string) string {
		t.Helper()
		link, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	t.Cleanup(func() { os.Remove(filepath.Join(l.Dir(), "neighbour.log")) })
	var pids []int
	start := func() int {
		t.Helper()
		if err := l.Start(deadline(t), "neighbour", func() bool { return true }, "sleep", "infinity"); err != nil {
			t.Fatal(err)
		}
		cgroups, err := os.ReadFile(filepath.Join(l.services(), "neighbour"))
		if err != nil {
			t.Fatal(err)
		}
		if err := poll(deadline(t), "one sleep", func() (bool, error) {
			pids = processes(strings.Fields(string(cgroups))[0])
			if len(pids) != 1 {
				return false, nil
			}
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pids[0]))
			return string(comm) == "sleep\n", nil
		}); err != nil {
			t.Fatal(err)
		}
		return pids[0]
	}
	first := start()
	if got, want := id(fmt.Sprintf("/proc/%d/ns/net", first)), id("/proc/self/ns/net"); got != want {
		t.Errorf("the program is in the network %s, not %s", got, want)
	}
	if second := start(); second == first {
		t.Error("the first program is still there")
	}
	if err := l.Stop(deadline(t), "neighbour"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pids[0])); err == nil {
		t.Error("the program has not ended")
	}
	err := l.Start(deadline(t), "neighbour", func() bool { return false }, "sh", "-c", "echo no luck; exit 3")
	if err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("a program that ends at once: %v", err)
	}
	if err := l.Stop(deadline(t), "neighbour"); err != nil {
		t.Fatal(err)
	}
}

func TestSwap(t *testing.T) {
	_, ms := open(t)
	m := ms[0]
	if got := must(t, m, "swapon --show --noheadings"); got != "" {
		t.Errorf("a boot has turned swap on: %s", got)
	}
	if got := must(t, m, "swapon -a && swapon --show=name --noheadings"); got != "/var/lab.swap" {
		t.Errorf("swap is %q", got)
	}
	if err := m.PowerOff(deadline(t)); err != nil {
		t.Fatal(err)
	}
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil || strings.Contains(string(swaps), "lab.swap") {
		t.Errorf("the host swaps to a machine without power: %s %v", swaps, err)
	}
	if err := m.PowerOn(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshot(t *testing.T) {
	_, ms := open(t)
	m := ms[0]
	snapshot := func() map[string]string {
		t.Helper()
		start := time.Now()
		s, err := m.Snapshot(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("snapshot of %d files: %s", len(s), time.Since(start).Round(time.Millisecond))
		return s
	}
	changed := func(a, b map[string]string) (paths []string) {
		for _, p := range slices.Sorted(maps.Keys(merge(a, b))) {
			if a[p] != b[p] {
				paths = append(paths, p)
			}
		}
		return paths
	}
	before := snapshot()
	for _, p := range []string{"/", "/etc/hosts", "/var/lib/dpkg/status", "/run/dbus", "/usr/bin/env"} {
		if before[p] == "" {
			t.Errorf("%s is not in the snapshot", p)
		}
	}
	// To look is not to write: logins of all kinds, sudo, reading.
	login(t, m, "root", "", "cat /etc/hosts; dpkg -l; systemctl list-units; apt-cache policy >/dev/null")
	login(t, m, "ops", "ops-password", "echo ops-password | sudo -S -p '' id -u")
	login(t, m, "ops2", "", "sudo -n id -u")
	if _, err := dial(t, m, "root", "wrong"); err == nil {
		t.Error("a wrong password was taken")
	}
	after := snapshot()
	for _, p := range changed(before, after) {
		t.Errorf("nothing was done, but %s\nwas %s\nis  %s", p, before[p], after[p])
	}
	// The smallest changes show: the same content again, a mode and back, a file in a directory that holds login records.
	must(t, m, "cp /etc/hosts /tmp/h && cat /tmp/h >/etc/hosts; chmod 700 /var/opt; chmod 755 /var/opt; touch /var/log/x")
	want := []string{"/etc/hosts", "/tmp", "/tmp/h", "/var/log/x", "/var/opt"}
	if got := changed(after, snapshot()); !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
}
