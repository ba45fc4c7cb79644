package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// CannotRun says that this host is not one for a lab, and what it is missing.
type CannotRun struct{ Why string }

func (e *CannotRun) Error() string { return e.Why }

// commands is what the host needs, beside what every Linux has, and the Debian package that brings it.
var commands = []struct{ name, pkg string }{
	{"debootstrap", "debootstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"ip", "iproute2"},
	{"ssh", "openssh-client"},
	{"ssh-keygen", "openssh-client"},
	{"nsenter", "util-linux"},
	{"unshare", "util-linux"},
}

// prepare sees that the host has what a lab needs. What is missing is installed if that is allowed and the host is a Debian;
// otherwise the error is a *CannotRun that names it.
func (l *Lab) prepare(ctx context.Context, install bool) error {
	if err := usable(l.dir); err != nil {
		return err
	}
	names, pkgs := missing()
	if len(names) == 0 {
		return nil
	}
	what := strings.Join(names, ", ") + " not installed"
	if _, err := exec.LookPath("apt-get"); err != nil || !debian() {
		return &CannotRun{what + ", and this is not a Debian on which apt-get could install " + strings.Join(pkgs, " ")}
	}
	if !install {
		return &CannotRun{what + "; `go run ./test/lab/cmd/lab up` installs " + strings.Join(pkgs, " ") + " with apt-get"}
	}
	l.say("installing %s with apt-get (it stays installed)", strings.Join(pkgs, " "))
	args := append([]string{"-qy", "--no-install-recommends", "install"}, pkgs...)
	if err := aptGet(ctx, args...); err != nil {
		l.say("updating the package lists first")
		if err := aptGet(ctx, "-q", "update"); err != nil {
			return &CannotRun{what + ": " + err.Error()}
		}
		if err := aptGet(ctx, args...); err != nil {
			return &CannotRun{what + ": " + err.Error()}
		}
	}
	if names, _ := missing(); len(names) > 0 {
		return &CannotRun{strings.Join(names, ", ") + " still missing after apt-get install " + strings.Join(pkgs, " ")}
	}
	return nil
}

// usable says what no installation can change.
func usable(dir string) error {
	switch {
	case runtime.GOOS != "linux":
		return &CannotRun{"the lab's machines are Linux containers, and this is " + runtime.GOOS}
	case os.Geteuid() != 0:
		return &CannotRun{"not root: containers, mounts and network namespaces need it; run it with sudo"}
	case !capable(21) || !capable(12):
		return &CannotRun{"root here lacks CAP_SYS_ADMIN or CAP_NET_ADMIN; in a container, start it with --privileged"}
	}
	if _, err := os.Stat("/sys/fs/cgroup"); err != nil {
		return &CannotRun{"no cgroups in /sys/fs/cgroup; mount them there"}
	}
	if strings.ContainsAny(dir, " \t\n\\,:") {
		return &CannotRun{fmt.Sprintf("%q has a character that mount options do not take; set KPLAN_LAB_DIR to another directory", dir)}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if kind := filesystem(dir); kind == "overlay" {
		return &CannotRun{dir + " is on an overlay filesystem, on which no other can be stacked; set KPLAN_LAB_DIR to a directory on a disk"}
	}
	return nil
}

func missing() (names, pkgs []string) {
	seen := map[string]bool{}
	for _, c := range commands {
		if _, err := exec.LookPath(c.name); err == nil {
			continue
		}
		names = append(names, c.name)
		if !seen[c.pkg] {
			pkgs = append(pkgs, c.pkg)
		}
		seen[c.pkg] = true
	}
	return names, pkgs
}

func debian() bool {
	data, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if (key == "ID" || key == "ID_LIKE") && strings.Contains(value, "debian") {
			return true
		}
	}
	return false
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	_, err := output(cmd, "apt-get "+strings.Join(args, " "))
	return err
}

// capable says whether the process has a capability, by its number.
func capable(number uint) bool {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && bits&(1<<number) != 0
		}
	}
	return false
}

// cacheDir is where images, keys and machines are: $KPLAN_LAB_DIR, else kplan-lab in the user's cache directory.
func cacheDir() (string, error) {
	dir := os.Getenv("KPLAN_LAB_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache directory for the lab; set KPLAN_LAB_DIR: %w", err)
		}
		dir = filepath.Join(cache, "kplan-lab")
	}
	return filepath.Abs(dir)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
