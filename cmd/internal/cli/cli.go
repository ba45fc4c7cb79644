// Package cli is kplan's commands: a table of them, one file per command, each
// of the form flags → options → one call → exit code.
//
// It knows what the user may type and which packages answer. What an answer
// looks like is package view's business, what it is that of the packages asked.
package cli

import (
	"context"
	"io"
	"os"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/engine"
)

// Version is kplan's.
const Version = "0.1.0"

// Env is what a run of the program gets from outside.
type Env struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // NAME=value
	Dir            string   // working directory; "" is the process's
	// Signals are the requests to end: the first lets what runs end, the
	// second cancels. Nil for none.
	Signals <-chan os.Signal
	// Connect opens sessions to hosts; nil is SSH.
	Connect engine.Connector
}

// Main runs the command that the arguments name and returns its exit code.
func Main(ctx context.Context, env Env) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sig := newSignals(cancel)
	defer sig.watch(env.Signals)()

	c := &common{}
	top := newFlags("kplan")
	c.define(top)
	help := top.Bool("help", "show this help")
	version := top.Bool("version", "show the version")
	rest, err := top.leading(env.Args)
	a := &app{env: env, common: c, signals: sig, view: newView(env, c)}
	switch {
	case err != nil:
		return a.usage(err, "")
	case *version:
		rest = append([]string{"version"}, rest...)
	case len(rest) == 0 && !*help:
		a.view.Say(overview())
		return 1
	case len(rest) == 0 || *help || rest[0] == "help":
		return a.help(rest)
	}

	if len(rest) == 2 && isHelp(rest[1]) && len(within(rest[0])) > 0 {
		return a.help(rest[:1])
	}
	cmd, args, err := find(rest)
	if err != nil {
		return a.usage(err, "")
	}
	f := newFlags("kplan " + cmd.name)
	c.define(f)
	help = f.Bool("help", "show this help")
	run := cmd.define(f)
	args, err = f.parse(args)
	a.view = newView(env, c) // the command may have said --no-color
	switch {
	case *help:
		a.view.Result(helpOf(cmd, f))
		return 0
	case err != nil:
		return a.usage(err, cmd.name)
	}
	if err := cmd.accepts(args); err != nil {
		return a.usage(err, cmd.name)
	}
	if err := a.enter(); err != nil {
		return a.fail(err)
	}
	code := run(ctx, a, args)
	if err := a.view.Failed(); err != nil && code == 0 {
		return a.fail(problem("The result cannot be written", "Standard output does not take it: "+err.Error()+"."))
	}
	return code
}

func newView(env Env, c *common) *view.View {
	return view.New(view.Options{Out: env.Stdout, Err: env.Stderr, Environ: env.Environ, NoColour: c.noColour})
}

// help answers `kplan help [COMMAND]` and `kplan --help [COMMAND]`.
func (a *app) help(words []string) int {
	if len(words) > 0 && words[0] == "help" {
		words = words[1:]
	}
	if len(words) == 0 {
		a.view.Result(overview())
		return 0
	}
	if group := within(words[0]); len(words) == 1 && len(group) > 0 {
		a.view.Result(helpOfGroup(words[0], group))
		return 0
	}
	cmd, _, err := find(words)
	if err != nil {
		return a.usage(err, "")
	}
	f := newFlags("kplan " + cmd.name)
	(&common{}).define(f)
	cmd.define(f)
	a.view.Result(helpOf(cmd, f))
	return 0
}

// usage says what is wrong with the arguments, and where help is.
func (a *app) usage(err error, command string) int {
	hint := "See kplan --help."
	if command != "" {
		hint = "See kplan " + command + " --help."
	}
	return a.fail(problem(err.Error(), hint))
}
