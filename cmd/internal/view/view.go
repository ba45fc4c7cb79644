// Package view is the only code that writes to the user: plans, diagnostics,
// progress, reports and tables, as text or as JSON.
//
// It knows what plans, events, states and diagnostics say. It knows neither
// how they come about nor the commands that show them. Everything it writes
// passes one escaper, so that no host, spec or plan can write to a terminal or
// to a CI system's log in any other voice than its own.
package view

import (
	"io"
	"strings"

	"golang.org/x/term"
)

// Options say where a View writes and what is wanted of it.
type Options struct {
	Out, Err io.Writer
	Environ  []string // NAME=value
	NoColour bool     // --no-color
}

// View writes to one user: results to standard output, the rest to standard
// error. It is not for concurrent use, but for Progress.
type View struct {
	stdout, stderr io.Writer
	out, err       look
	errTerminal    bool
	failed         error // the first failure to write
}

// New makes the View of a run.
func New(o Options) *View {
	env := environ(o.Environ)
	v := &View{stdout: o.Out, stderr: o.Err, errTerminal: terminal(o.Err)}
	v.out = lookOf(o, env, o.Out)
	v.err = lookOf(o, env, o.Err)
	return v
}

func lookOf(o Options, env func(string) string, w io.Writer) look {
	tty := terminal(w)
	l := look{colour: colour(o.NoColour, env, tty), unicode: utf8Locale(env)}
	if tty {
		l.width = width(w)
	}
	return l
}

// file is what a stream that may be a terminal has.
type file interface{ Fd() uintptr }

// terminal reports whether a stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(file)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Terminal reports whether a stream is a terminal.
func Terminal(stream any) bool { return terminal(stream) }

// width is the number of columns of a terminal, 80 where it does not say.
func width(stream any) int {
	if f, ok := stream.(file); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// environ looks up variables; the last of one name counts.
func environ(env []string) func(string) string {
	return func(name string) string {
		for i := len(env) - 1; i >= 0; i-- {
			if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
				return v
			}
		}
		return ""
	}
}

// colour decides whether to colour: the flag, then NO_COLOR (any value but the
// empty one), then CLICOLOR_FORCE and FORCE_COLOR (any value but 0 and the
// empty one), then whether the stream is a terminal that can.
func colour(off bool, env func(string) string, tty bool) bool {
	if off || env("NO_COLOR") != "" {
		return false
	}
	for _, name := range []string{"CLICOLOR_FORCE", "FORCE_COLOR"} {
		if v := env(name); v != "" {
			return v != "0"
		}
	}
	return tty && env("TERM") != "dumb"
}

// utf8Locale reports whether the locale's encoding is UTF-8.
func utf8Locale(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// Failed is the first failure to write to standard output; nil where all that
// was to be said arrived.
func (v *View) Failed() error { return v.failed }

// print writes a page to standard output.
func (v *View) print(p *page) { v.write([]byte(p.String())) }

// talk writes a page to standard error.
func (v *View) talk(p *page) { _, _ = io.WriteString(v.stderr, p.String()) }

func (v *View) write(b []byte) {
	if _, err := v.stdout.Write(b); err != nil && v.failed == nil {
		v.failed = err
	}
}

// Say writes full sentences to standard error.
func (v *View) Say(text string) {
	p := newPage(v.err)
	p.prose("", text)
	v.talk(p)
}

// Result writes text of any number of lines to standard output.
func (v *View) Result(text string) {
	p := newPage(v.out)
	p.block(plain, "", text)
	v.print(p)
}

// JSON writes a JSON document to standard output.
func (v *View) JSON(doc []byte) {
	doc = safeJSON(doc)
	if len(doc) == 0 || doc[len(doc)-1] != '\n' {
		doc = append(doc, '\n')
	}
	v.write(doc)
}
