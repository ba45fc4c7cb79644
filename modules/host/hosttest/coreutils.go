package hosttest

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// coreutils are the commands of a minimal system, as far as types use them.
var coreutils = map[string]Command{
	"true":  func(*Call) host.Output { return host.Output{} },
	"false": func(*Call) host.Output { return host.Output{Code: 1} },
	"test":  test,
	"[":     test,
	"echo":  func(c *Call) host.Output { return say(strings.Join(c.Argv[1:], " ") + "\n") },
	"cat":   cat,
	"tee":   tee,
	"touch": touch,
	"mkdir": mkdir,
	"rm":    rm,
	"rmdir": rmdir,
	"stat":  stat,
	"ln":    ln,
	"chmod": chmod,
	"chown": chown,
	"id":    id,
}

// scripts are the texts that sh -c knows beside simple commands.
var scripts = map[string]Command{
	script.Exec:          execute,
	script.Apt:           apt,
	script.AptLists:      aptLists,
	script.Manifest:      readManifest,
	script.RestartWanted: restartWanted,
	script.APIAwaited:    awaitAPI,
	script.EtcdAsked:     askEtcd,
	script.Certificates:  showCertificates,
}

// restartWanted knows needs-restarting only where a test has taught it.
func restartWanted(c *Call) host.Output {
	if c.Exists("/var/run/reboot-required") {
		return say("yes\n")
	}
	if c.m.commands["needs-restarting"] != nil && c.Run("needs-restarting", "-r").Code == 1 {
		return say("yes\n")
	}
	return host.Output{}
}

func test(c *Call) host.Output {
	args := c.Argv[1:]
	if path.Base(c.Argv[0]) == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			return c.Unknown()
		}
		args = args[:len(args)-1]
	}
	if len(args) != 2 {
		return c.Unknown()
	}
	_, n, _ := c.m.tree.find(c.path(args[1]), true)
	yes := false
	switch args[0] {
	case "-e":
		yes = n != nil
	case "-f":
		yes = n != nil && n.kind == host.KindFile
	case "-d":
		yes = n != nil && n.kind == host.KindDir
	case "-s":
		yes = n != nil && len(n.content) > 0
	case "-n":
		yes = args[1] != ""
	case "-z":
		yes = args[1] == ""
	default:
		return c.Unknown()
	}
	if !yes {
		return host.Output{Code: 1}
	}
	return host.Output{}
}

func cat(c *Call) host.Output {
	if len(c.Argv) == 1 {
		return say(string(c.Stdin))
	}
	var all strings.Builder
	for _, p := range c.Argv[1:] {
		if p[0] == '-' {
			return c.Unknown()
		}
		text, ok := c.Content(p)
		if !ok {
			return fail(1, "cat: "+p+": "+noEntry)
		}
		all.WriteString(text)
	}
	return say(all.String())
}

func tee(c *Call) host.Output {
	if len(c.Argv) != 2 || c.Argv[1][0] == '-' {
		return c.Unknown()
	}
	text := string(c.Stdin)
	if err := c.Write(c.Argv[1], text); err != nil {
		return fail(1, "tee: "+err.Error())
	}
	return say(text)
}

func touch(c *Call) host.Output {
	for _, p := range c.Argv[1:] {
		if p[0] == '-' {
			return c.Unknown()
		}
		if c.Exists(p) {
			continue
		}
		if err := c.Write(p, ""); err != nil {
			return fail(1, "touch: cannot touch '"+p+"': "+noEntry)
		}
	}
	return host.Output{}
}

func mkdir(c *Call) host.Output {
	opts, dirs := options(c.Argv[1:])
	if !only(opts, "-p") {
		return c.Unknown()
	}
	c.Change()
	for _, d := range dirs {
		d = c.path(d)
		if len(opts) == 0 && c.Exists(d) {
			return fail(1, "mkdir: cannot create directory '"+d+"': "+fileExists)
		}
		if len(opts) == 0 && !c.Exists(path.Dir(d)) {
			return fail(1, "mkdir: cannot create directory '"+d+"': "+noEntry)
		}
		c.m.putDir(d)
	}
	return host.Output{}
}

func rm(c *Call) host.Output {
	opts, paths := options(c.Argv[1:])
	if !only(opts, "-f", "-r", "-rf", "-fr") {
		return c.Unknown()
	}
	force, all := strings.Contains(strings.Join(opts, ""), "f"), strings.Contains(strings.Join(opts, ""), "r")
	for _, p := range paths {
		_, n, _ := c.m.tree.find(c.path(p), false)
		if n == nil && !force {
			return fail(1, "rm: cannot remove '"+p+"': "+noEntry)
		}
		if n != nil && n.kind == host.KindDir && !all {
			return fail(1, "rm: cannot remove '"+p+"': "+isDir)
		}
		c.Remove(p)
	}
	return host.Output{}
}

// rmdir removes empty directories.
func rmdir(c *Call) host.Output {
	opts, dirs := options(c.Argv[1:])
	if !only(opts, "--ignore-fail-on-non-empty") || len(dirs) == 0 {
		return c.Unknown()
	}
	c.Change()
	for _, d := range dirs {
		clean, n, _ := c.m.tree.find(c.path(d), false)
		reason := ""
		switch {
		case n == nil:
			reason = noEntry
		case n.kind != host.KindDir:
			reason = notDir
		case len(c.m.tree.entries(clean)) == 0:
			delete(c.m.tree, clean)
		case len(opts) == 0:
			reason = notEmpty
		}
		if reason != "" {
			return fail(1, "rmdir: failed to remove '"+d+"': "+reason)
		}
	}
	return host.Output{}
}

// stat knows the format that gives the numeric owner, of the link itself.
func stat(c *Call) host.Output {
	if len(c.Argv) != 5 || c.Argv[1] != "-c" || c.Argv[2] != "%u %g" || c.Argv[3] != "--" {
		return c.Unknown()
	}
	_, n, _ := c.m.tree.find(c.path(c.Argv[4]), false)
	if n == nil {
		return fail(1, "stat: cannot statx '"+c.Argv[4]+"': "+noEntry)
	}
	return say(fmt.Sprintf("%d %d\n", n.uid, n.gid))
}

// id knows how to print the name of a user's own group.
func id(c *Call) host.Output {
	if len(c.Argv) != 4 || c.Argv[1] != "-gn" || c.Argv[2] != "--" {
		return c.Unknown()
	}
	for line := range strings.Lines(string(c.m.database("/etc/passwd"))) {
		if f := strings.Split(line, ":"); len(f) > 3 && f[0] == c.Argv[3] {
			gid, _ := strconv.Atoi(f[3])
			return say(nameOf(gid, c.m.database("/etc/group")) + "\n")
		}
	}
	return fail(1, "id: '"+c.Argv[3]+"': no such user")
}

// ln makes a symbolic link at a path; with -f it replaces what is no directory.
// Without -T it does not know a directory there, in which the link would be made.
func ln(c *Call) host.Output {
	opts, args := options(c.Argv[1:])
	if len(opts) != 1 || !only(opts, "-s", "-sT", "-sfT") || len(args) != 2 {
		return c.Unknown()
	}
	clean, n, reason := c.m.tree.find(c.path(args[1]), false)
	switch {
	case reason == "" && c.m.tree[path.Dir(clean)] == nil:
		reason = noEntry
	case n != nil && opts[0] == "-s" && n.kind != host.KindFile:
		return c.Unknown()
	case n != nil && opts[0] == "-sfT" && n.kind == host.KindDir:
		return fail(1, "ln: "+args[1]+": cannot overwrite directory")
	case n != nil && opts[0] != "-sfT":
		reason = fileExists
	}
	if reason != "" {
		return fail(1, "ln: failed to create symbolic link '"+args[1]+"': "+reason)
	}
	c.Change()
	c.m.tree[clean] = &node{kind: host.KindSymlink, mode: 0o777, target: args[0]}
	return host.Output{}
}

func chmod(c *Call) host.Output {
	opts, args := options(c.Argv[1:])
	if len(opts) > 0 || len(args) != 2 {
		return c.Unknown()
	}
	bits, err := strconv.ParseUint(args[0], 8, 12)
	if err != nil {
		return c.Unknown()
	}
	c.Change()
	_, n, _ := c.m.tree.find(c.path(args[1]), true)
	if n == nil {
		return fail(1, "chmod: cannot access '"+args[1]+"': "+noEntry)
	}
	n.mode = fs.FileMode(bits) & fs.ModePerm
	for bit, mode := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			n.mode |= mode
		}
	}
	return host.Output{}
}

// chown clears setuid and setgid of a file, as chown(2) does.
func chown(c *Call) host.Output {
	opts, args := options(c.Argv[1:])
	if !only(opts, "-h") || len(args) != 2 {
		return c.Unknown()
	}
	c.Change()
	_, n, _ := c.m.tree.find(c.path(args[1]), len(opts) == 0)
	if n == nil {
		return fail(1, "chown: cannot access '"+args[1]+"': "+noEntry)
	}
	user, group, _ := strings.Cut(args[0], ":")
	uid, gid := n.uid, n.gid
	var ok bool
	if user != "" {
		if uid, ok = idOf(user, c.m.database("/etc/passwd")); !ok {
			return fail(1, "chown: invalid user: '"+args[0]+"'")
		}
	}
	if group != "" {
		if gid, ok = idOf(group, c.m.database("/etc/group")); !ok {
			return fail(1, "chown: invalid group: '"+args[0]+"'")
		}
	}
	n.uid, n.gid = uid, gid
	if n.kind == host.KindFile {
		n.mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	return host.Output{}
}

// execute is script.Exec.
func execute(c *Call) host.Output {
	command, unless, onlyif := c.Env["KPLAN_COMMAND"], c.Env["KPLAN_UNLESS"], c.Env["KPLAN_ONLYIF"]
	c.Env = maps.Clone(c.Env)
	for _, name := range []string{"KPLAN_COMMAND", "KPLAN_UNLESS", "KPLAN_ONLYIF"} {
		delete(c.Env, name)
	}
	stdin := c.Stdin
	c.Stdin = nil
	if unless != "" && c.Run("/bin/sh", "-c", unless).Code == 0 || onlyif != "" && c.Run("/bin/sh", "-c", onlyif).Code != 0 {
		return host.Output{Code: script.NotNeeded}
	}
	c.Stdin = stdin
	argv := c.Argv[4:]
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c", command}
	}
	out := c.Run(argv...)
	if out.Code == script.NotNeeded && unless+onlyif != "" {
		out.Code = 1
	}
	return out
}
