package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// DefaultMachines is how many machines a lab has unless somebody says otherwise.
const DefaultMachines = 3

// Lab is the lab of this host: there is one at most.
type Lab struct {
	dir   string
	out   io.Writer
	image image
	state *state // nil while it is down
}

// New finds out about the lab, up or not. What goes on is told to out. The error is a *CannotRun where no lab can be here.
func New(ctx context.Context, out io.Writer) (*Lab, error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, out: out}
	if err := usable(dir); err != nil {
		return nil, err
	}
	if l.image, err = l.images(ctx); err != nil {
		return nil, err
	}
	return l, l.Refresh()
}

// Refresh looks again whether the lab is up, which another process may have changed until this one holds the lock.
func (l *Lab) Refresh() (err error) {
	l.state, err = loadState()
	if err == nil && l.state != nil && l.state.Dir != l.dir {
		return fmt.Errorf("a lab is up from %s, and there is one at a time: bring it down with KPLAN_LAB_DIR=%s first", l.state.Dir, l.state.Dir)
	}
	return err
}

// Dir is the cache directory: images, keys, machines.
func (l *Lab) Dir() string { return l.dir }

// Key is the file with the private key that root, ops and ops2 accept.
func (l *Lab) Key() string { return filepath.Join(l.dir, "id_ed25519") }

// KnownHosts is the file with the machines' host keys by address.
func (l *Lab) KnownHosts() string { return filepath.Join(l.dir, "known_hosts") }

// Running says whether the lab is up. Machines of a lab that is up may be off.
func (l *Lab) Running() bool { return l.state != nil }

// Machines returns all machines, in order; none while the lab is down.
func (l *Lab) Machines() []*Machine {
	var ms []*Machine
	if l.state != nil {
		for i := range l.state.Machines {
			ms = append(ms, &Machine{Name: fmt.Sprintf("k8s-node%d", i+1), Address: address(i), lab: l, first: i == 0})
		}
	}
	return ms
}

// Machine finds one by name or address.
func (l *Lab) Machine(name string) (*Machine, error) {
	var names []string
	for _, m := range l.Machines() {
		if m.Name == name || m.Address == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no machine %s: the lab is down; bring it up first", name)
	}
	return nil, fmt.Errorf("no machine %s: there are %s", name, strings.Join(names, ", "))
}

// Up brings the lab up with at least n machines, all of them with power: it makes the image where the cache has none, and
// leaves alone what is up already. With install it may install packages on the host.
func (l *Lab) Up(ctx context.Context, n int, install bool) error {
	if n < 1 || n > maxMachines {
		return fmt.Errorf("a lab has 1 to %d machines, not %d", maxMachines, n)
	}
	if err := l.prepare(ctx, install); err != nil {
		return err
	}
	if l.state != nil && l.state.Image != filepath.Base(l.image.layer) {
		l.say("the image's recipe has changed: the machines are made anew")
		n = max(n, l.state.Machines)
		if err := l.Down(ctx); err != nil {
			return err
		}
	}
	if l.state == nil {
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	l.state.Machines = max(l.state.Machines, n)
	if err := l.state.save(); err != nil {
		return err
	}
	if err := networkUp(ctx); err != nil {
		return err
	}
	if err := each(l.Machines(), func(m *Machine) error {
		if exists(m.dir("made")) {
			return nil
		}
		return m.create(ctx)
	}); err != nil {
		return err
	}
	if err := l.writeKnownHosts(); err != nil {
		return err
	}
	return each(l.Machines(), func(m *Machine) error { return m.PowerOn(ctx) })
}

// begin is the part of Up for a lab that is down: it notes what it changes on the host before it does.
func (l *Lab) begin(ctx context.Context) error {
	// Machines and programs without a state file are those of a host that crashed.
	for _, dir := range []string{filepath.Join(l.dir, "machines"), l.services()} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := l.build(ctx, l.image); err != nil {
		return err
	}
	if err := makeKey(ctx, l.Key(), "kplan-lab"); err != nil {
		return err
	}
	l.state = &state{
		Boot: bootID(), Dir: l.dir, Image: filepath.Base(l.image.layer), Sysctls: sysctls(), NetnsDir: !mounted(netnsDir),
	}
	if err := l.state.save(); err != nil {
		return err
	}
	l.state.Subtree = enableControllers()
	return raiseSysctls()
}

// Down removes the machines and puts the host back as it was before Up, but for the cache and installed packages.
func (l *Lab) Down(ctx context.Context) error {
	if l.state == nil {
		return nil
	}
	if err := each(l.Machines(), func(m *Machine) error { return m.stop(ctx) }); err != nil {
		return err
	}
	if err := l.stopServices(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(l.dir, "machines")); err != nil {
		return err
	}
	if err := os.RemoveAll(l.KnownHosts()); err != nil {
		return err
	}
	if err := networkDown(ctx, l.state.NetnsDir); err != nil {
		return err
	}
	for _, c := range l.state.Subtree {
		_ = control(cgroupRoot, "-"+c) // fails where somebody else has come to need it
	}
	restoreSysctls(l.state.Sysctls)
	l.state = nil
	return os.Remove(statePath())
}

// ResetMachines gives machines a pristine disk and boots them: what was on them is gone, their host keys and machine-ids
// stay. Without machines it resets all.
func (l *Lab) ResetMachines(ctx context.Context, ms ...*Machine) error {
	if len(ms) == 0 {
		ms = l.Machines()
	}
	return each(ms, func(m *Machine) error {
		if err := m.stop(ctx); err != nil {
			return err
		}
		if err := m.create(ctx); err != nil {
			return err
		}
		return m.PowerOn(ctx)
	})
}

func (l *Lab) writeKnownHosts() error {
	var lines strings.Builder
	for _, m := range l.Machines() {
		line, err := m.knownHost()
		if err != nil {
			return err
		}
		lines.WriteString(line)
	}
	return os.WriteFile(l.KnownHosts(), []byte(lines.String()), 0o644)
}

func (l *Lab) say(format string, args ...any) { fmt.Fprintf(l.out, "lab: "+format+"\n", args...) }
