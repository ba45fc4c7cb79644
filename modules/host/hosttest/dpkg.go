package hosttest

import (
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// Package is an installed package.
type Package struct {
	Version string
	Held    bool
	// Cut marks one whose installation was interrupted.
	Cut bool
}

// offer is a package that can be installed.
type offer struct {
	versions []string // old to new
	listed   bool     // in the machine's package lists
	files    map[string]string
	starts   []string
}

// Archive offers a package in versions from old to new; the machine's package
// lists show them.
func (m *Machine) Archive(name string, versions ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.archive[name] = &offer{versions: versions, listed: true}
}

// ArchiveUnlisted is Archive, but the machine has not heard of it before
// apt-get update.
func (m *Machine) ArchiveUnlisted(name string, versions ...string) {
	m.Archive(name, versions...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.archive[name].listed = false
}

// Repository is a place that package lists can be fetched from, signed with a
// key in armored text.
func (m *Machine) Repository(uri, key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signed[uri] = key
}

// Ship says which files the package brings, and which units its scripts enable
// and start. A file of /etc that is there already is kept.
func (m *Machine) Ship(name string, files map[string]string, starts ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.archive[name].files, m.archive[name].starts = files, starts
}

// Install installs a package behind kplan's back, and removes it with version
// "".
func (m *Machine) Install(name, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if version == "" {
		delete(m.packages, name)
		return
	}
	m.packages[name] = &Package{Version: version}
}

// CutInstall leaves a package half configured, as a power cut does.
func (m *Machine) CutInstall(name, version string) {
	m.Install(name, version)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.packages[name].Cut = true
}

// Package is the installed package called name.
func (m *Machine) Package(name string) (p Package, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.packages[name]; found != nil {
		return *found, true
	}
	return Package{}, false
}

// packaging are the commands of Debian's package manager.
var packaging = map[string]Command{
	"dpkg-query": dpkgQuery,
	"dpkg":       dpkg,
	"apt-get":    aptGet,
}

// dpkgQuery prints fields of one package, as dpkg-query(1) does with -W.
func dpkgQuery(c *Call) host.Output {
	if len(c.Argv) != 6 || c.Argv[1] != "-W" || c.Argv[2] != "-f" || c.Argv[4] != "--" {
		return c.Unknown()
	}
	name := c.Argv[5]
	p := c.m.packages[name]
	if p == nil {
		return fail(1, "dpkg-query: no packages found matching "+name)
	}
	status := "ii "
	switch {
	case p.Cut:
		status = "iF "
	case p.Held:
		status = "hi "
	}
	text := strings.NewReplacer("${db:Status-Abbrev}", status, "${Version}", p.Version, `\n`, "\n").Replace(c.Argv[3])
	if strings.Contains(text, "${") {
		return c.Unknown()
	}
	return say(text)
}

func dpkg(c *Call) host.Output {
	opts, names := options(c.Argv[1:])
	opts = slices.DeleteFunc(opts, func(o string) bool { return strings.HasPrefix(o, "--force-conf") })
	c.Change()
	switch {
	case slices.Equal(opts, []string{"--configure", "-a"}) && len(names) == 0:
		for _, p := range c.m.packages {
			p.Cut = false
		}
	case slices.Equal(opts, []string{"--remove"}):
		for _, name := range names {
			delete(c.m.packages, name)
		}
	default:
		return c.Unknown()
	}
	return host.Output{}
}
