package hosttest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// Command carries out a command. It answers with c.Unknown for what it does
// not know.
type Command func(c *Call) host.Output

// Call is a command that is being run, with the machine as its surroundings.
// The machine is locked meanwhile: a Command uses the methods of Call only.
type Call struct {
	Argv  []string
	Stdin []byte
	Env   map[string]string
	Dir   string
	User  string
	// Query is set where the command was run for reading only.
	Query bool

	m   *Machine
	err error
}

// Handle teaches the machine the command called name, or replaces it.
func (m *Machine) Handle(name string, c Command) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands[name] = c
}

// Script teaches the machine what sh -c does with exactly this text.
func (m *Machine) Script(text string, c Command) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts[text] = c
}

// Content is the content of the file at p, links followed.
func (c *Call) Content(p string) (string, bool) {
	if _, n, _ := c.m.tree.find(c.path(p), true); n != nil && n.kind == host.KindFile {
		return string(n.content), true
	}
	return "", false
}

// Exists tells whether something stands at p, links followed.
func (c *Call) Exists(p string) bool {
	_, n, _ := c.m.tree.find(c.path(p), true)
	return n != nil
}

// Write writes a file as a shell's redirection does: mode and owner of a file
// that is there stay, and so does a link to it.
func (c *Call) Write(p, content string) error {
	c.Change()
	clean, n, reason := c.m.tree.find(c.path(p), true)
	switch {
	case reason != "":
		return fmt.Errorf("%s: %s", p, reason)
	case n != nil && n.kind == host.KindDir:
		return fmt.Errorf("%s: %s", p, isDir)
	case n != nil:
		n.content = []byte(content)
		return nil
	case c.m.tree[path.Dir(clean)] == nil || strings.HasPrefix(clean, "/proc/") || strings.HasPrefix(clean, "/sys/"):
		return fmt.Errorf("%s: %s", p, noEntry)
	}
	uid, _ := idOf(c.User, c.m.database("/etc/passwd"))
	c.m.tree[clean] = &node{kind: host.KindFile, mode: 0o644, content: []byte(content), uid: uid, gid: uid}
	return nil
}

// Remove removes what stands at p and below.
func (c *Call) Remove(p string) {
	c.Change()
	c.m.removeAll(c.path(p))
}

// Change says that the command is about to change the machine, which a Query
// must not.
func (c *Call) Change() {
	if c.Query && c.err == nil {
		c.err = fmt.Errorf("hosttest: the query %q changes the machine", strings.Join(c.Argv, " "))
	}
}

// Unknown says that the machine does not know this use of the command.
func (c *Call) Unknown() host.Output {
	if c.err == nil {
		c.err = c.m.refuse(fmt.Sprintf("the command %q", c.Argv))
	}
	return host.Output{Code: 127}
}

// Run runs another command in the same surroundings.
func (c *Call) Run(argv ...string) host.Output {
	sub := *c
	sub.Argv = argv
	out := sub.dispatch()
	c.err = sub.err
	return out
}

func (c *Call) path(p string) string {
	if !path.IsAbs(p) {
		p = path.Join(c.Dir, p)
	}
	return path.Clean(p)
}

func (c *Call) dispatch() host.Output {
	if c.err != nil {
		return host.Output{Code: 127}
	}
	cmd := c.m.commands[path.Base(c.Argv[0])]
	if cmd == nil {
		return c.Unknown()
	}
	return cmd(c)
}

// run runs one command to its end; m.mu is held.
func (m *Machine) run(op host.Run, query bool) (host.Output, error) {
	c := &Call{Argv: op.Argv, Stdin: op.Stdin, Env: map[string]string{}, Dir: op.Dir, User: op.User, Query: query, m: m}
	if len(op.Argv) == 0 {
		return host.Output{}, m.refuse("a command of no words")
	}
	for _, kv := range op.Env {
		name, value, _ := strings.Cut(kv, "=")
		c.Env[name] = value
	}
	var out host.Output
	switch {
	case c.Dir != "" && !c.Exists(c.Dir):
		out = fail(1, "cannot change to "+c.Dir+": "+noEntry)
	case !m.hasUser(op.User):
		out = fail(1, "user "+op.User+" does not exist")
	default:
		out = c.dispatch()
	}
	if c.err != nil {
		return out, c.err
	}
	if out.Code != 0 && !op.AnyExit {
		return out, &host.ExitError{Argv: op.Argv, Output: out}
	}
	return out, nil
}

func (m *Machine) hasUser(name string) bool {
	_, ok := idOf(name, m.database("/etc/passwd"))
	return ok
}

func say(text string) host.Output { return host.Output{Stdout: []byte(text)} }

func fail(code int, text string) host.Output {
	return host.Output{Code: code, Stderr: []byte(text + "\n")}
}

// merged is one table of several.
func merged(tables ...map[string]Command) map[string]Command {
	all := map[string]Command{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// options splits args into options, which begin with a dash, and the rest.
// Those after "--" are no options.
func options(args []string) (opts, rest []string) {
	for i, a := range args {
		if a == "--" {
			return opts, append(rest, args[i+1:]...)
		}
		if len(a) > 1 && a[0] == '-' {
			opts = append(opts, a)
		} else {
			rest = append(rest, a)
		}
	}
	return opts, rest
}

// only reports whether every option is one of the known ones.
func only(opts []string, known ...string) bool {
	for _, o := range opts {
		if !slices.Contains(known, o) {
			return false
		}
	}
	return true
}
