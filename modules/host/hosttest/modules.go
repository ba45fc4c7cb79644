package hosttest

import (
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// sysModule is the directory of the modules that are loaded, with what uses
// each in holders.
const sysModule = "/sys/module/"

// kmod are the commands for modules of the kernel. Which there are stands in
// the files that depmod(8) writes.
var kmod = map[string]Command{
	"modprobe": modprobe,
	"rmmod":    rmmod,
}

// kernelFile names the modules in a file of depmod(8), with underscores.
func (c *Call) kernelFile(name string) []string {
	text, _ := c.Content(path.Join("/lib/modules", c.m.facts.Kernel, name))
	var names []string
	for line := range strings.Lines(text) {
		file, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		names = append(names, kernelName(strings.TrimSuffix(path.Base(file), ".ko")))
	}
	return names
}

func kernelName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// modprobe loads one module with its options, or shows how it would.
func modprobe(c *Call) host.Output {
	opts, names := options(c.Argv[1:])
	if !only(opts, "--show-depends") || len(names) != 1 {
		return c.Unknown()
	}
	name := kernelName(names[0])
	switch built := slices.Contains(c.kernelFile("modules.builtin"), name); {
	case built && len(opts) > 0:
		return say("builtin " + name + "\n")
	case built:
		return host.Output{}
	case !slices.Contains(c.kernelFile("modules.dep"), name):
		return fail(1, "modprobe: FATAL: Module "+names[0]+" not found in directory /lib/modules/"+c.m.facts.Kernel)
	case len(opts) > 0:
		return say("insmod /lib/modules/" + c.m.facts.Kernel + "/kernel/" + name + ".ko \n")
	}
	c.Change()
	if c.Exists(sysModule + name) {
		return host.Output{}
	}
	c.m.putDir(sysModule + name + "/holders")
	for _, file := range c.m.tree.entries("/etc/modprobe.d") {
		text, _ := c.Content("/etc/modprobe.d/" + file)
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "options" && kernelName(f[1]) == name {
				for _, option := range f[2:] {
					parameter, value, _ := strings.Cut(option, "=")
					c.m.proc(sysModule+name+"/parameters/"+parameter, value+"\n")
				}
			}
		}
	}
	return host.Output{}
}

func rmmod(c *Call) host.Output {
	opts, names := options(c.Argv[1:])
	if len(opts) > 0 || len(names) != 1 {
		return c.Unknown()
	}
	c.Change()
	name := kernelName(names[0])
	users := c.m.tree.entries(sysModule + name + "/holders")
	switch {
	case slices.Contains(c.kernelFile("modules.builtin"), name):
		return fail(1, "rmmod: ERROR: Module "+name+" is builtin.")
	case !c.Exists(sysModule + name):
		return fail(1, "rmmod: ERROR: Module "+name+" is not currently loaded")
	case len(users) > 0:
		return fail(1, "rmmod: ERROR: Module "+name+" is in use by: "+strings.Join(users, " "))
	}
	c.Remove(sysModule + name)
	return host.Output{}
}
