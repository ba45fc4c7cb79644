package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine is one machine of a lab. Its name is its host name.
type Machine struct {
	Name    string
	Address string

	lab   *Lab
	first bool
}

// bootTime is how long a boot may take on a busy host; a quiet one takes two seconds.
const bootTime = 2 * time.Minute

func (m *Machine) dir(elem ...string) string {
	return filepath.Join(append([]string{m.lab.dir, "machines", m.Name}, elem...)...)
}

// cgroups returns the machine's cgroups, none where it is off and was put away.
func (m *Machine) cgroups() []string {
	data, _ := os.ReadFile(m.dir("cgroups"))
	return strings.Fields(string(data))
}

// On says whether the machine has power. Whether it has booted is another matter.
func (m *Machine) On() bool {
	c := m.cgroups()
	return len(c) > 0 && len(processes(c[0])) > 0
}

// PowerOn boots the machine with the disk it has and returns once systemd has started everything, sshd included.
func (m *Machine) PowerOn(ctx context.Context) error {
	if err := m.start(ctx); err != nil {
		return fmt.Errorf("%s: power on: %w", m.Name, err)
	}
	return m.ready(ctx, 0)
}

// PowerOff cuts the power: nothing on the machine hears of it, and nobody on the network hears of the machine. The disk stays,
// with all that was written: unlike a real one it does not lose what was not synced yet, as the host keeps that.
func (m *Machine) PowerOff(ctx context.Context) error {
	if err := m.stop(ctx); err != nil {
		return fmt.Errorf("%s: power off: %w", m.Name, err)
	}
	return nil
}

// Reboot has the machine reboot itself in good order, and returns once it is up again.
func (m *Machine) Reboot(ctx context.Context) error {
	before := m.init()
	// That it answers is not certain: it goes down.
	_, _ = m.Exec(ctx, "systemctl reboot")
	return m.ready(ctx, before)
}

func (m *Machine) start(ctx context.Context) error {
	if m.On() {
		return nil
	}
	if err := m.mount(ctx); err != nil {
		return err
	}
	cgroups, err := makeCgroups(m.Name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.dir("cgroups"), []byte(strings.Join(cgroups, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	script, err := files.ReadFile("supervise.sh")
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.dir("supervise.sh"), script, 0o755); err != nil {
		return err
	}
	console, err := os.Create(m.dir("console.log"))
	if err != nil {
		return err
	}
	defer console.Close()
	// It outlives this process, whose session and terminal it therefore leaves.
	cmd := exec.Command("sh", m.dir("supervise.sh"), m.Name, m.Address, m.dir())
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return poll(ctx, "the power", func() (bool, error) { return m.On(), nil })
}

func (m *Machine) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// The swap file is the kernel's while it is on, and the kernel is the host's.
	if m.first && m.On() {
		_, _ = run(ctx, "swapoff", m.dir(swapFile))
	}
	// The network goes first: a machine without power does not say that its connections are closed.
	_, _ = run(ctx, "ip", "-n", netns, "link", "del", "lab-"+m.Name)
	if err := clearCgroups(ctx, m.cgroups()); err != nil {
		return err
	}
	if err := os.RemoveAll(m.dir("cgroups")); err != nil {
		return err
	}
	_, _ = run(ctx, "ip", "netns", "del", netns+"-"+m.Name)
	return m.unmount(ctx)
}

// ready waits until systemd has started all it wanted to, in a boot whose init is not the given one.
func (m *Machine) ready(ctx context.Context, before int) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	last := "no process yet"
	err := poll(ctx, m.Name+" to boot", func() (bool, error) {
		if !m.On() {
			return false, fmt.Errorf("it went off; the end of its console, %s:\n%s", m.dir("console.log"), tail(m.dir("console.log"), 10))
		}
		if pid := m.init(); pid == 0 || pid == before {
			return false, nil
		}
		state, err := m.Exec(ctx, "systemctl is-system-running --wait")
		state = strings.TrimSpace(state)
		if ctx.Err() == nil {
			last = fmt.Sprintf("systemd is %q, %v", state, err)
		}
		// "degraded", with an error, is up as well: some unit failed.
		return state == "running" || state == "degraded", nil
	})
	if err != nil {
		return fmt.Errorf("%w (last seen: %s)", err, last)
	}
	// Whoever asked for the machine's address while it was off does not ask again for a second or three, unless the machine
	// asks first. Whether it may be answered (it may be cut off) does not matter.
	_, _ = m.Exec(ctx, "ping -c 1 -W 1 "+gateway)
	return nil
}

// init is the machine's first process as the host sees it, 0 where it has none.
func (m *Machine) init() int {
	c := m.cgroups()
	if len(c) == 0 {
		return 0
	}
	for _, pid := range processes(c[0]) {
		data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		for line := range strings.Lines(string(data)) {
			// One pid here and one, the first, in the machine; in a container of the machine there would be three.
			if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
				if f := strings.Fields(pids); len(f) == 2 && f[1] == "1" {
					return pid
				}
			}
		}
	}
	return 0
}

// Exec runs a shell script on the machine as root and returns its standard output. It does not go over the network, so it
// tells what is there whatever ssh says; the error has the script's standard error.
func (m *Machine) Exec(ctx context.Context, script string) (stdout string, err error) {
	pid := m.init()
	if pid == 0 {
		return "", fmt.Errorf("%s is off", m.Name)
	}
	return output(exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(pid), "--all", "--",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb",
		"DEBIAN_FRONTEND=noninteractive", "sh", "-c", script), m.Name)
}
