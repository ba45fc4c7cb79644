package lab

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const suite = "bookworm"

// packages is what debootstrap adds to Debian's smallest system.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "iproute2", "iputils-ping", "kmod", "procps", "sudo",
	"util-linux", "ca-certificates", "curl", "gnupg",
}

// offered is what the machines' own repository holds of Debian's packages, for specs that install real ones.
var offered = []string{"conntrack", "socat"}

//go:embed image supervise.sh service.sh
var files embed.FS

// An image is two trees: Debian's, which takes minutes to make, and the lab's changes to it, which take seconds. Each is in
// a directory with the digest of its recipe in its name, is complete once it has that name, and is never changed then.
type image struct{ base, layer string }

// digest is the name of what the image is made from. The kernel's release is in it as modprobe looks for that.
func (l *Lab) images(ctx context.Context) (image, error) {
	release, err := run(ctx, "uname", "-rm")
	if err != nil {
		return image{}, err
	}
	h := sha256.New()
	fmt.Fprintln(h, suite, packages, offered, strings.Fields(release)[1])
	base := fmt.Sprintf("%x", h.Sum(nil))[:12]
	fmt.Fprintln(h, release)
	for _, name := range recipe() {
		data, err := files.ReadFile("image/" + name)
		if err != nil {
			return image{}, err
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
	}
	layer := fmt.Sprintf("%x", h.Sum(nil))[:12]
	return image{filepath.Join(l.dir, "image", "base-"+base), filepath.Join(l.dir, "image", "layer-"+layer)}, nil
}

func recipe() (names []string) {
	entries, err := fs.ReadDir(files, "image")
	if err != nil {
		panic(err) // the files are in the binary
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// build makes what of the image is not in the cache, and removes what an older recipe left there. No machine may be up.
func (l *Lab) build(ctx context.Context, img image) error {
	parent := filepath.Dir(img.base)
	if err := l.buildBase(ctx, img.base); err != nil {
		return err
	}
	if !exists(img.layer) {
		if err := l.makeLayer(ctx, img); err != nil {
			return fmt.Errorf("making the image: %w", err)
		}
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if dir := filepath.Join(parent, e.Name()); dir != img.base && dir != img.layer && e.IsDir() {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) buildBase(ctx context.Context, base string) error {
	if exists(base) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return err
	}
	if err := l.debootstrap(ctx, base); err != nil {
		return &CannotRun{"the image cannot be made: " + err.Error()}
	}
	return nil
}

// Base returns the tree of the Debian that machines begin as, and makes it where the cache has none. Whoever calls it holds
// the lock for as long as the tree is in use, and writes nothing into it. With install it may install packages on the host.
func (l *Lab) Base(ctx context.Context, install bool) (string, error) {
	if err := l.prepare(ctx, install); err != nil {
		return "", err
	}
	return l.image.base, l.buildBase(ctx, l.image.base)
}

// debootstrap makes the base tree. The packages that it fetches stay in the cache for the next time.
func (l *Lab) debootstrap(ctx context.Context, base string) error {
	start := time.Now()
	mirror := mirror(ctx)
	l.say("making a Debian %s from %s, once; this takes minutes", suite, mirror)
	tmp, debs, log := base+".tmp", filepath.Join(l.dir, "debs"), filepath.Join(l.dir, "debootstrap.log")
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close()
	// In a mount namespace of its own, so that an interrupted debootstrap leaves no mounts.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "debootstrap",
		"--variant=minbase", "--cache-dir="+debs, "--include="+strings.Join(packages, ","), suite, tmp, mirror)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("debootstrap from %s: %w; its last words, of %s:\n%s", mirror, err, log, tail(log, 10))
	}
	// It has left copies of the packages in the tree.
	if err := os.RemoveAll(filepath.Join(tmp, "var/cache/apt/archives")); err != nil {
		return err
	}
	if err := l.offer(ctx, tmp); err != nil {
		return err
	}
	l.say("made in %s", time.Since(start).Round(time.Second))
	return os.Rename(tmp, base)
}

// offer fetches the offered packages, with what they need, into the repository in the tree.
func (l *Lab) offer(ctx context.Context, tree string) error {
	const script = `set -e
apt-get -q update
apt-get -q --yes --no-install-recommends --download-only install "$@"
mkdir -p /srv/lab-apt
mv /var/cache/apt/archives/*.deb /srv/lab-apt/
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin`
	if data, err := os.ReadFile("/etc/resolv.conf"); err == nil { // the mirror's name has to be found
		if err := os.WriteFile(filepath.Join(tree, "etc/resolv.conf"), data, 0o644); err != nil {
			return err
		}
	}
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "chroot", tree, "/bin/sh", "-c", script, "sh"}, offered...)
	if _, err := run(ctx, "unshare", args...); err != nil {
		return fmt.Errorf("fetching %s: %w", strings.Join(offered, ", "), err)
	}
	return nil
}

// makeLayer makes the lab's own tree over the base.
func (l *Lab) makeLayer(ctx context.Context, img image) error {
	l.say("making the image of the machines")
	tmp := img.layer + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	seed := filepath.Join(tmp, "seed")
	if err := os.MkdirAll(seed, 0o755); err != nil {
		return err
	}
	for _, name := range recipe() {
		data, err := files.ReadFile("image/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(seed, name), data, 0o755); err != nil {
			return err
		}
	}
	if _, err := run(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child",
		"sh", filepath.Join(seed, "layer.sh"), img.base, tmp); err != nil {
		return err
	}
	for _, d := range []string{"seed", "root", "work"} {
		if err := os.RemoveAll(filepath.Join(tmp, d)); err != nil {
			return err
		}
	}
	return os.Rename(tmp, img.layer)
}

// mirror is where this machine gets its own Debian packages from.
func mirror(ctx context.Context) string {
	if m := os.Getenv("KPLAN_LAB_MIRROR"); m != "" {
		return m
	}
	targets, _ := run(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(RELEASE) $(REPO_URI)")
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "Debian" && !strings.Contains(f[1], "-") {
			return strings.TrimSuffix(f[2], "/")
		}
	}
	return "http://deb.debian.org/debian"
}

// tail returns the last lines of a file, or nothing.
func tail(path string, lines int) string {
	data, _ := os.ReadFile(path)
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
