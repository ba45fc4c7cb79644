package hosttest

import (
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// aptGet knows update, and install of one package at a version.
func aptGet(c *Call) host.Output {
	args := slices.Clone(c.Argv[1:])
	for i := slices.Index(args, "-o"); i >= 0; i = slices.Index(args, "-o") {
		if i+1 == len(args) {
			return c.Unknown()
		}
		args = slices.Delete(args, i, i+2)
	}
	opts, args := options(args)
	if !only(opts, "-y", "-q", "--no-remove", "--allow-downgrades") || len(args) == 0 {
		return c.Unknown()
	}
	c.Change()
	for _, p := range c.m.packages {
		if p.Cut {
			return fail(100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.")
		}
	}
	switch {
	case args[0] == "update" && len(args) == 1:
		for _, o := range c.m.archive {
			o.listed = true
		}
		return host.Output{}
	case args[0] != "install" || len(args) != 2:
		return c.Unknown()
	case !slices.Contains(opts, "-y"):
		return fail(1, "Abort.")
	}
	name, version, exact := strings.Cut(args[1], "=")
	o := c.m.archive[name]
	if o == nil || !o.listed {
		return fail(100, "E: Unable to locate package "+name)
	}
	if !exact {
		version = o.versions[len(o.versions)-1]
	}
	if !slices.Contains(o.versions, version) {
		return fail(100, "E: Version '"+version+"' for '"+name+"' was not found")
	}
	old := c.m.packages[name]
	switch {
	case old != nil && old.Held && old.Version != version:
		return fail(100, "E: Held packages were changed and -y was used without --allow-change-held-packages.")
	case old != nil && slices.Index(o.versions, version) < slices.Index(o.versions, old.Version) && !slices.Contains(opts, "--allow-downgrades"):
		return fail(100, "E: Packages were downgraded and -y was used without --allow-downgrades.")
	}
	c.unpack(name, version, o)
	return host.Output{}
}

func (c *Call) unpack(name, version string, o *offer) {
	old := c.m.packages[name]
	c.m.packages[name] = &Package{Version: version, Held: old != nil && old.Held}
	for _, p := range slices.Sorted(maps.Keys(o.files)) {
		if !strings.HasPrefix(p, "/etc/") || c.m.tree[p] == nil {
			c.m.put(p, o.files[p])
		}
	}
	if old == nil {
		for _, unit := range o.starts {
			c.unitVerb("enable", unit, true)
		}
	}
}

// apt is script.Apt, without its waiting.
func apt(c *Call) host.Output {
	if len(c.Argv) != 8 {
		return c.Unknown()
	}
	action, name, version, hold := c.Argv[4], c.Argv[5], c.Argv[6], c.Argv[7]
	if out := c.Run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a"); out.Code != 0 {
		return out
	}
	p := c.m.packages[name]
	if p != nil && p.Held {
		p.Held = false
	}
	spec, opts := name, []string{"-y", "-q", "-o", "DPkg::Lock::Timeout=600"}
	if version != "" {
		spec, opts = name+"="+version, append(opts, "--allow-downgrades")
	}
	switch {
	case action == "remove" && p != nil:
		return c.Run("dpkg", "--remove", name)
	case action == "remove":
		return host.Output{}
	case action != "install":
		return c.Unknown()
	case version != "" || p == nil:
		bring := slices.Concat([]string{"apt-get"}, opts, []string{"install", "--no-remove", spec})
		out := c.Run(bring...)
		if out.Code != 0 {
			if out = c.Run("apt-get", "-y", "update"); out.Code == 0 {
				out = c.Run(bring...)
			}
		}
		if out.Code != 0 {
			return out
		}
	}
	if hold == "hold" {
		c.m.packages[name].Held = true
	}
	return host.Output{}
}

// aptLists is script.AptLists, without its waiting. A repository has every
// suite and component.
func aptLists(c *Call) host.Output {
	if len(c.Argv) != 5 {
		return c.Unknown()
	}
	c.Change()
	source := map[string]string{}
	for line := range strings.Lines(string(c.Stdin)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		source[name] = value
	}
	if source["Types"] != "deb" || source["Suites"] == "" {
		return c.Unknown()
	}
	uri := source["URIs"]
	key, ok := c.m.signed[uri]
	switch trusted := c.Env["KPLAN_KEY"]; {
	case !ok:
		return fail(100, "E: The repository '"+uri+" "+source["Suites"]+" Release' does not have a Release file.")
	case trusted == "" || !strings.Contains(trusted, strings.TrimSpace(key)):
		return fail(100, "E: Failed to fetch "+uri+"/InRelease  The following signatures couldn't be verified because the public key is not available")
	}
	return host.Output{}
}
