package kube

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kplan/kplan/test/lab"
)

//go:embed packages.sh chroot.sh
var scripts embed.FS

// Payload is what a cluster is installed from, in the cache of a lab. It is in two directories, each with the digest of its
// recipe in its name, complete once it has that name, and never changed then: programs, which take long to build, and the
// site that the machines see, which is packed from them in a minute.
type Payload struct {
	lab    *lab.Lab
	out    io.Writer
	dir    string // of all payloads
	source string // the modules that programs are built from
	bin    string
	site   string
}

// New finds out what the payload of the lab would be. It has to run in a checkout of kplan: the sources are there.
func New(ctx context.Context, l *lab.Lab, out io.Writer) (*Payload, error) {
	here, err := run(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/kplan/kplan/test/lab/kube")
	if err != nil {
		return nil, fmt.Errorf("finding the sources of the payload: %w", err)
	}
	p := &Payload{lab: l, out: out, dir: filepath.Join(l.Dir(), "payload"), source: filepath.Join(strings.TrimSpace(here), "source")}
	h := sha256.New()
	if err := addFiles(h, os.DirFS(p.source)); err != nil {
		return nil, err
	}
	fmt.Fprintln(h, programs)
	p.bin = filepath.Join(p.dir, fmt.Sprintf("bin-%x", h.Sum(nil)[:6]))
	if err := addFiles(h, scripts); err != nil {
		return nil, err
	}
	fmt.Fprintln(h, debian, images)
	p.site = filepath.Join(p.dir, fmt.Sprintf("site-%x", h.Sum(nil)[:6]))
	return p, nil
}

// addFiles adds the names and contents of all files to a digest.
func addFiles(h io.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		if err == nil {
			fmt.Fprintf(h, "%s %d\n%s", path, len(data), data)
		}
		return err
	})
}

// Ready says whether the payload is there.
func (p *Payload) Ready() bool { return exists(p.site) }

// Make makes what of the payload is not there, and goes on where an earlier Make was cut off. Building the programs for the
// first time takes tens of minutes and gigabytes; jobs is how many compilers run at once. What is left of the payloads of
// older recipes is removed in the end.
func (p *Payload) Make(ctx context.Context, jobs int) error {
	if p.Ready() {
		return nil
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	unlock, err := p.lock()
	if err != nil {
		return err
	}
	defer unlock()
	start := time.Now()
	if !exists(p.bin) {
		if err := p.build(ctx, jobs); err != nil {
			return err
		}
	}
	if !exists(p.site) {
		if err := p.pack(ctx); err != nil {
			return err
		}
	}
	p.say("complete after %s: %s", time.Since(start).Round(time.Second), p.site)
	return p.clean()
}

// pack makes the site from the programs. For that minute nobody else uses the lab, whose tree of Debian it looks at.
func (p *Payload) pack(ctx context.Context) error {
	unlock, err := p.lab.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	tmp := p.site + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	for _, d := range []string{"www", "blobs"} {
		if err := os.MkdirAll(filepath.Join(tmp, d), 0o755); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func(context.Context, string) error
	}{
		{"packages", p.packages},
		{"images", p.images},
		{"manifests", p.manifests},
	} {
		start := time.Now()
		if err := step.do(ctx, tmp); err != nil {
			return fmt.Errorf("packing the %s: %w", step.what, err)
		}
		p.say("%-24s %4.0f s", step.what, time.Since(start).Seconds())
	}
	return os.Rename(tmp, p.site)
}

// manifests takes flannel's from its module.
func (p *Payload) manifests(ctx context.Context, site string) error {
	dir, err := run(ctx, "go", "list", "-C", filepath.Join(p.source, "flannel"), "-m", "-f", "{{.Dir}}", "github.com/flannel-io/flannel")
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(dir), "Documentation/kube-flannel.yml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(site, "www/kube-flannel.yml"), data, 0o644)
}

// clean removes what recipes other than this one have left.
func (p *Payload) clean() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if dir := filepath.Join(p.dir, e.Name()); e.IsDir() && dir != p.bin && dir != p.site {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock waits until nobody else makes a payload in this cache. It also ends with the process.
func (p *Payload) lock() (unlock func(), err error) {
	f, err := os.Create(filepath.Join(p.dir, "lock"))
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

func (p *Payload) say(format string, args ...any) {
	fmt.Fprintf(p.out, "payload: "+format+"\n", args...)
}

// run runs a command of the host and returns its standard output. The error has the command's standard error.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
