package hosttest

import (
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// containerdSocket is there once containerd has run, until the next boot.
const containerdSocket = "/run/containerd/containerd.sock"

// runtime is the containerd of a machine.
type runtime struct {
	running bool
	offers  []string        // images that can be pulled
	images  map[string]bool // of the namespace k8s.io
}

// Containerd installs and starts containerd behind kplan's back. It can pull
// the images called refs.
func (m *Machine) Containerd(refs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runtime = &runtime{running: true, offers: refs, images: map[string]bool{}}
	m.putDir(path.Dir(containerdSocket))
	m.tree[containerdSocket] = &node{kind: host.KindOther, mode: 0o660}
}

// KillContainerd ends containerd, which leaves its socket behind.
func (m *Machine) KillContainerd() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runtime.running = false
}

// runtimes are the commands that talk to containerd, and the scripts with them.
var (
	runtimes       = map[string]Command{"ctr": ctr, "crictl": crictl}
	runtimeScripts = map[string]Command{
		script.FindImage:   withSocket(0, func(c *Call, ref string) host.Output { return c.Run(ctrList(ref)...) }),
		script.RemoveImage: withSocket(0, func(c *Call, ref string) host.Output { return c.Run("ctr", "-n", "k8s.io", "images", "rm", ref) }),
		script.PullImages:  withSocket(1, pullImage),
	}
)

func ctrList(ref string) []string {
	return []string{"ctr", "--connect-timeout", "10s", "-n", "k8s.io", "images", "ls", "-q", "name==" + ref}
}

// withSocket is a script for images, which ends at once where containerd has no
// socket. It fails as the last of those fails.
func withSocket(code int, then func(c *Call, ref string) host.Output) Command {
	return func(c *Call) (out host.Output) {
		if len(c.Argv) < 5 {
			return c.Unknown()
		}
		if !c.Exists(containerdSocket) {
			if code != 0 {
				return fail(code, "containerd is not running: there is no "+containerdSocket)
			}
			return host.Output{}
		}
		for _, ref := range c.Argv[4:] {
			one := then(c, ref)
			out.Stdout, out.Stderr = append(out.Stdout, one.Stdout...), append(out.Stderr, one.Stderr...)
			if one.Code != 0 {
				out.Code = one.Code
			}
		}
		return out
	}
}

func pullImage(c *Call, ref string) host.Output {
	endpoint := "unix://" + containerdSocket
	if c.Exists("/usr/local/bin/crictl") {
		return c.Run("crictl", "--runtime-endpoint", endpoint, "--image-endpoint", endpoint, "pull", ref)
	}
	return c.Run("ctr", "-n", "k8s.io", "images", "pull", "--hosts-dir", "/etc/containerd/certs.d", ref)
}

// ctr knows the images of the namespace k8s.io: a list of one name, pull and rm.
func ctr(c *Call) host.Output {
	r := c.m.runtime
	if r == nil {
		return fail(127, "ctr: not found")
	}
	if len(c.Argv) < 2 {
		return c.Unknown()
	}
	ref := c.Argv[len(c.Argv)-1]
	switch words := strings.Join(c.Argv[1:len(c.Argv)-1], " "); {
	case !r.running:
		return fail(1, `ctr: failed to dial "`+containerdSocket+`": connection refused`)
	case words == "--connect-timeout 10s -n k8s.io images ls -q" && strings.HasPrefix(ref, "name=="):
		if ref = strings.TrimPrefix(ref, "name=="); r.images[ref] {
			return say(ref + "\n")
		}
		return host.Output{}
	case words == "-n k8s.io images pull --hosts-dir /etc/containerd/certs.d":
		return c.pull("ctr: ", ref)
	case words == "-n k8s.io images rm": // says of one that is not there that it is not, and succeeds
		c.Change()
		delete(r.images, ref)
		return say(ref + "\n")
	}
	return c.Unknown()
}

// crictl knows pull from containerd.
func crictl(c *Call) host.Output {
	endpoint := "unix://" + containerdSocket
	if len(c.Argv) != 7 || !slices.Equal(c.Argv[1:6], []string{"--runtime-endpoint", endpoint, "--image-endpoint", endpoint, "pull"}) {
		return c.Unknown()
	}
	if c.m.runtime == nil || !c.m.runtime.running {
		return fail(1, "FATA[0002] validate service connection: connection refused")
	}
	return c.pull("FATA[0000] pulling image: ", c.Argv[6])
}

func (c *Call) pull(prefix, ref string) host.Output {
	c.Change()
	if !slices.Contains(c.m.runtime.offers, ref) {
		return fail(1, prefix+`failed to resolve reference "`+ref+`": not found`)
	}
	c.m.runtime.images[ref] = true
	return host.Output{}
}
