package hosttest

import (
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// aptGet knows update, and install of packages at versions.
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
	case args[0] != "install" || len(args) == 1:
		return c.Unknown()
	case !slices.Contains(opts, "-y"):
		return fail(1, "Abort.")
	}
	for _, spec := range args[1:] { // nothing is unpacked where one of them is in the way
		if _, out := c.candidate(spec, slices.Contains(opts, "--allow-downgrades")); out.Code != 0 {
			return out
		}
	}
	for _, spec := range args[1:] {
		name, _, _ := strings.Cut(spec, "=")
		version, _ := c.candidate(spec, true)
		c.unpack(name, version, c.m.archive[name])
	}
	return host.Output{}
}

// candidate is the version that apt would install for spec, or why it would not.
func (c *Call) candidate(spec string, downgrades bool) (version string, out host.Output) {
	name, version, exact := strings.Cut(spec, "=")
	o := c.m.archive[name]
	if o == nil || !o.listed {
		return "", fail(100, "E: Unable to locate package "+name)
	}
	if !exact {
		version = o.versions[len(o.versions)-1]
	}
	if !slices.Contains(o.versions, version) {
		return "", fail(100, "E: Version '"+version+"' for '"+name+"' was not found")
	}
	old := c.m.packages[name]
	switch {
	case old != nil && old.Held && old.Version != version:
		return "", fail(100, "E: Held packages were changed and -y was used without --allow-change-held-packages.")
	case old != nil && slices.Index(o.versions, version) < slices.Index(o.versions, old.Version) && !downgrades:
		return "", fail(100, "E: Packages were downgraded and -y was used without --allow-downgrades.")
	}
	return version, host.Output{}
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
	if len(c.Argv)%4 != 0 {
		return c.Unknown()
	}
	if out := c.Run("dpkg", "--force-confdef", "--force-confold", "--configure", "-a"); out.Code != 0 {
		return out
	}
	bring := []string{"apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=600", "install", "--no-remove"}
	var specs, held []string
	for args := range slices.Chunk(c.Argv[4:], 4) {
		action, name, version, hold := args[0], args[1], args[2], args[3]
		p := c.m.packages[name]
		if p != nil {
			p.Held = false
		}
		switch {
		case action == "remove" && p != nil:
			if out := c.Run("dpkg", "--remove", name); out.Code != 0 {
				return out
			}
			continue
		case action == "remove":
			continue
		case action != "install":
			return c.Unknown()
		case version != "":
			specs, bring = append(specs, name+"="+version), append(bring, "--allow-downgrades")
		case p == nil:
			specs = append(specs, name)
		}
		if hold == "hold" {
			held = append(held, name)
		}
	}
	if len(specs) > 0 {
		bring = append(bring, specs...)
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
	for _, name := range held {
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
