package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// swapFile is where k8s-node1 has it.
const swapFile = "var/lab.swap"

// A machine's disk is an overlay over the image, but for /var: container runtimes stack overlays of their own there, and
// ask for its device, so it is a plain directory.
//
// What makes a machine itself (machine-id, host key) is kept apart in id, so that known_hosts holds over a reset.

// create gives the machine a pristine disk. It is off.
func (m *Machine) create(ctx context.Context) error {
	for _, d := range []string{"made", "cut", "upper", "work", "root", "var"} {
		if err := os.RemoveAll(m.dir(d)); err != nil {
			return err
		}
	}
	for _, d := range []string{"id", "upper", "work", "root"} {
		if err := os.MkdirAll(m.dir(d), 0o755); err != nil {
			return err
		}
	}
	if err := m.identify(ctx); err != nil {
		return err
	}
	if _, err := run(ctx, "cp", "-a", "--reflink=auto", filepath.Join(m.lab.image.layer, "var"), m.dir("var")); err != nil {
		return err
	}
	if err := m.mount(ctx); err != nil {
		return err
	}
	if err := m.seed(ctx); err != nil {
		return err
	}
	return os.WriteFile(m.dir("made"), nil, 0o644)
}

func (m *Machine) mount(ctx context.Context) error {
	if mounted(m.dir("root")) {
		return nil
	}
	_, err := run(ctx, "mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=%s/upper:%s,upperdir=%s,workdir=%s",
		m.lab.image.layer, m.lab.image.base, m.dir("upper"), m.dir("work")), m.dir("root"))
	return err
}

func (m *Machine) unmount(ctx context.Context) error {
	if !mounted(m.dir("root")) {
		return nil
	}
	_, err := run(ctx, "umount", m.dir("root"))
	return err
}

// Disk is where the host has a path of a machine that is off: of /var, and elsewhere of what is not as in the image.
func (m *Machine) Disk(path string) string {
	if strings.HasPrefix(path, "/var/") {
		return m.dir(path)
	}
	return m.dir("upper", path)
}

// mounted says whether something is mounted at a path. The path has no characters that the kernel would write as octals.
func mounted(path string) bool {
	data, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == path {
			return true
		}
	}
	return false
}

// identify makes the machine's identity where it has none yet.
func (m *Machine) identify(ctx context.Context) error {
	if !exists(m.dir("id", "machine-id")) {
		id := make([]byte, 16)
		_, _ = rand.Read(id) // never fails
		if err := os.WriteFile(m.dir("id", "machine-id"), []byte(hex.EncodeToString(id)+"\n"), 0o444); err != nil {
			return err
		}
	}
	return makeKey(ctx, m.dir("id", "ssh_host_ed25519_key"), "root@"+m.Name)
}

// seed writes what the image does not have: the machine's identity and the lab's key.
func (m *Machine) seed(ctx context.Context) error {
	key, err := os.ReadFile(m.lab.Key() + ".pub")
	if err != nil {
		return err
	}
	type file struct {
		path, content string
		mode          os.FileMode
		owner         int
	}
	write := []file{
		{"etc/hostname", m.Name + "\n", 0o644, 0},
		{"etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\t" + m.Name + "\n", 0o644, 0},
		{"etc/resolv.conf", "nameserver " + gateway + "\n", 0o644, 0},
		{"root/.ssh/authorized_keys", string(key), 0o600, 0},
		{"home/ops/.ssh/authorized_keys", string(key), 0o600, 1000},
		{"home/ops2/.ssh/authorized_keys", string(key), 0o600, 1001},
	}
	for name, f := range map[string]file{
		"machine-id":               {path: "etc/machine-id", mode: 0o444},
		"ssh_host_ed25519_key":     {path: "etc/ssh/ssh_host_ed25519_key", mode: 0o600},
		"ssh_host_ed25519_key.pub": {path: "etc/ssh/ssh_host_ed25519_key.pub", mode: 0o644},
	} {
		data, err := os.ReadFile(m.dir("id", name))
		if err != nil {
			return err
		}
		f.content = string(data)
		write = append(write, f)
	}
	if m.first {
		write = append(write, file{"etc/fstab", "/var/lab.swap none swap sw 0 0\n", 0o644, 0})
		if err := m.makeSwap(ctx); err != nil {
			return err
		}
	}
	for _, f := range write {
		path := filepath.Join(m.dir("root"), f.path)
		if err := os.WriteFile(path, []byte(f.content), f.mode); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(path, f.mode), os.Chown(path, f.owner, f.owner)); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) makeSwap(ctx context.Context) error {
	// Written, not allocated: the kernel refuses to swap to a file with holes.
	if err := os.WriteFile(m.dir(swapFile), make([]byte, 16<<20), 0o600); err != nil {
		return err
	}
	_, err := run(ctx, "mkswap", m.dir(swapFile))
	return err
}

// makeKey makes an ssh key pair where there is none.
func makeKey(ctx context.Context, path, comment string) error {
	if exists(path) {
		return nil
	}
	_, err := run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
	return err
}

// knownHost is the machine's line in known_hosts.
func (m *Machine) knownHost() (string, error) {
	key, err := os.ReadFile(m.dir("id", "ssh_host_ed25519_key.pub"))
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(key))
	if len(f) < 2 {
		return "", fmt.Errorf("%s is not a public key", m.dir("id", "ssh_host_ed25519_key.pub"))
	}
	return m.Address + " " + f[0] + " " + f[1] + "\n", nil
}
