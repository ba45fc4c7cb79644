package hosttest

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// Unit is a unit of systemd. There is one for each unit file in unitDirs, for
// each unit that was added, and for each that is masked.
type Unit struct {
	Enabled, Running, Masked bool
	// Starts counts how often it was started or restarted.
	Starts int
	// Fails makes every start fail.
	Fails bool
	// added without a unit file
	added bool
	// knows is what systemd has read of the unit's files; of a unit that does
	// not run it reads them whenever it is asked.
	knows string
}

// unitDirs are the directories of unit files, as in systemd.unit(5).
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"}

// AddUnit puts a unit on the machine that has no unit file; name is in full.
func (m *Machine) AddUnit(name string, u Unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.added = true
	m.units[name] = &u
}

// Unit is the unit called name; ok is false where there is none.
func (m *Machine) Unit(name string) (u Unit, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, fragment := m.unit(name)
	return *found, found.added || fragment != ""
}

// unit is the state of a unit, and its file.
func (m *Machine) unit(name string) (u *Unit, fragment string) {
	for _, dir := range unitDirs {
		if n := m.tree[path.Join(dir, name)]; n != nil && n.kind == host.KindFile {
			fragment = path.Join(dir, name)
			break
		}
	}
	if m.units[name] == nil {
		if fragment == "" {
			return &Unit{}, ""
		}
		m.units[name] = &Unit{}
	}
	return m.units[name], fragment
}

// unitText is the unit's file and its drop-ins in /etc.
func (m *Machine) unitText(name string) string {
	_, fragment := m.unit(name)
	files := []string{fragment}
	dir := "/etc/systemd/system/" + name + ".d"
	for _, dropIn := range m.tree.entries(dir) {
		files = append(files, path.Join(dir, dropIn))
	}
	var text strings.Builder
	for _, file := range files {
		if n := m.tree[file]; n != nil {
			text.WriteString(file + "\n" + string(n.content))
		}
	}
	return text.String()
}

// installable tells whether the unit file has a section that enable needs.
func (m *Machine) installable(fragment string) bool {
	return fragment == "" || strings.Contains(string(m.tree[fragment].content), "[Install]")
}

func fullName(name string) string {
	if path.Ext(name) == "" {
		return name + ".service"
	}
	return name
}

// systemctl knows what systemctl(1) says of single units, daemon-reload and
// patterns in show.
func systemctl(c *Call) host.Output {
	if c.m.facts.ServiceManager != "systemd" {
		return fail(1, "System has not been booted with systemd as init system (PID 1). Can't operate.")
	}
	opts, args := options(c.Argv[1:])
	if len(args) == 0 {
		return c.Unknown()
	}
	verb, names := args[0], args[1:]
	if verb == "show" {
		return c.show(opts, names)
	}
	if !only(opts, "--now", "--quiet", "-q", "--no-block") || slices.Contains(opts, "--no-block") {
		return c.Unknown()
	}
	if verb == "daemon-reload" && len(names) == 0 {
		c.Change()
		for name, u := range c.m.units {
			u.knows = c.m.unitText(name)
		}
		return host.Output{}
	}
	if len(names) == 0 {
		return c.Unknown()
	}
	for _, name := range names {
		if out := c.unitVerb(verb, fullName(name), slices.Contains(opts, "--now")); out.Code != 0 || len(out.Stdout) > 0 {
			return out
		}
	}
	return host.Output{}
}

func (c *Call) unitVerb(verb, name string, now bool) host.Output {
	u, fragment := c.m.unit(name)
	there := u.added || fragment != ""
	if verb != "is-active" && verb != "is-enabled" {
		c.Change()
	}
	switch verb {
	case "is-active":
		if u.Running {
			return say("active\n")
		}
		return host.Output{Stdout: []byte("inactive\n"), Code: 3}
	case "is-enabled":
		switch state := c.m.fileState(name); state {
		case "enabled", "static":
			return say(state + "\n")
		case "":
			return fail(1, "Failed to get unit file state for "+name+": "+noEntry)
		default:
			return host.Output{Stdout: []byte(state + "\n"), Code: 1}
		}
	case "mask": // of a unit that is not there, too
		if strings.HasPrefix(fragment, "/etc/systemd/system/") { // where the mask would stand
			return fail(1, "Failed to mask unit: File "+fragment+" already exists.")
		}
		if c.m.units[name] == nil {
			c.m.units[name] = u
		}
		u.Masked = true
		if now {
			u.Running = false
		}
		return host.Output{}
	case "unmask":
		u.Masked = false
		return host.Output{}
	case "enable", "disable":
		if !there {
			return fail(1, "Failed to "+verb+" unit: Unit file "+name+" does not exist.")
		}
		if u.Masked && verb == "enable" {
			return fail(1, "Failed to enable unit: Unit file /etc/systemd/system/"+name+" is masked.")
		}
		if c.m.installable(fragment) {
			u.Enabled = verb == "enable"
		}
		if !now {
			return host.Output{}
		}
		return c.unitVerb(map[string]string{"enable": "start", "disable": "stop"}[verb], name, false)
	case "start", "restart", "try-restart", "reload-or-restart", "stop":
		return c.startVerb(verb, name, u, there)
	}
	return c.Unknown()
}

func (c *Call) startVerb(verb, name string, u *Unit, there bool) host.Output {
	switch {
	case !there && !u.Masked:
		return fail(5, "Failed to "+verb+" "+name+": Unit "+name+" not found.")
	case verb == "stop":
		u.Running = false
	case u.Masked:
		return fail(1, "Failed to "+verb+" "+name+": Unit "+name+" is masked.")
	case verb == "try-restart" && !u.Running:
	case u.Fails:
		u.Running = false
		return fail(1, "Job for "+name+" failed because the control process exited with error code.")
	case verb != "start" || !u.Running:
		if !u.Running {
			u.knows = c.m.unitText(name)
		}
		u.Running = true
		u.Starts++
	}
	return host.Output{}
}

func (m *Machine) fileState(name string) string {
	u, fragment := m.unit(name)
	switch {
	case u.Masked:
		return "masked"
	case !u.added && fragment == "":
		return ""
	case u.Enabled:
		return "enabled"
	case !m.installable(fragment):
		return "static"
	}
	return "disabled"
}

// show prints properties of units; a pattern stands for the loaded units that
// it matches.
func (c *Call) show(opts, names []string) host.Output {
	if len(opts) != 1 || !strings.HasPrefix(opts[0], "--property=") {
		return c.Unknown()
	}
	var units []string
	for _, name := range names {
		if !strings.Contains(name, "*") {
			units = append(units, fullName(name))
			continue
		}
		var loaded []string
		for u := range c.m.units {
			if ok, _ := path.Match(name, u); ok {
				loaded = append(loaded, u)
			}
		}
		sort.Strings(loaded)
		units = append(units, loaded...)
	}
	blocks := make([]string, 0, len(units))
	for _, name := range units {
		u, fragment := c.m.unit(name)
		load, active, sub := "loaded", "inactive", "dead"
		switch {
		case u.Masked:
			load, fragment = "masked", ""
		case !u.added && fragment == "":
			load = "not-found"
		}
		if u.Running {
			active, sub = "active", "running"
		} else if u.Fails && u.Starts > 0 {
			active, sub = "failed", "failed"
		}
		reload := "no"
		if u.Running && !u.added && u.knows != c.m.unitText(name) {
			reload = "yes"
		}
		values := map[string]string{
			"NeedDaemonReload": reload,
			"Id":               name, "LoadState": load, "ActiveState": active, "SubState": sub,
			"UnitFileState": c.m.fileState(name), "FragmentPath": fragment, "SourcePath": "",
		}
		var b strings.Builder
		for _, p := range strings.Split(strings.TrimPrefix(opts[0], "--property="), ",") {
			if p == "Job" { // none waits here, and then it is not in the answer
				continue
			}
			value, ok := values[p]
			if !ok {
				return c.Unknown()
			}
			b.WriteString(p + "=" + value + "\n")
		}
		blocks = append(blocks, b.String())
	}
	return say(strings.Join(blocks, "\n"))
}
