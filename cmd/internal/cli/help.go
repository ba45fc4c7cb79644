package cli

import (
	"fmt"
	"slices"
	"strings"
)

// overview is the help of the program.
func overview() string {
	var b strings.Builder
	b.WriteString("kplan plans and applies what machines shall be, over SSH.\n\n")
	b.WriteString("Usage: kplan [COMMON FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-14s %s\n", c.name, c.short)
	}
	b.WriteString("\nkplan COMMAND --help says more of each. Flags take one dash or two.\n")
	return b.String()
}

// helpOfGroup is the help of commands that begin with the same word.
func helpOfGroup(name string, group []command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: kplan %s COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n", name)
	for _, c := range group {
		fmt.Fprintf(&b, "  %-14s %s\n", c.name, c.short)
	}
	fmt.Fprintf(&b, "\nkplan %s COMMAND --help says more of each.\n", name)
	return b.String()
}

// isHelp reports whether a word asks for help.
func isHelp(word string) bool { return slices.Contains([]string{"-h", "--h", "-help", "--help"}, word) }

// helpOf is the help of a command.
func helpOf(c command, f *flags) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: kplan %s [FLAGS]", c.name)
	if c.args != "" {
		b.WriteString(" " + c.args)
	}
	b.WriteString("\n\n" + sentence(c.short) + "\n")
	if c.long != "" {
		b.WriteString("\n" + c.long + "\n")
	}
	section(&b, "Flags:", f.docs, false)
	section(&b, "Common flags:", f.docs, true)
	b.WriteString("\nExit status:\n")
	for _, code := range append([]int{0, 1}, c.exits...) {
		fmt.Fprintf(&b, "  %3d  %s\n", code, exitText(code))
	}
	if len(c.examples) > 0 {
		b.WriteString("\nExamples:\n")
		for _, e := range c.examples {
			b.WriteString("  " + e + "\n")
		}
	}
	return b.String()
}

func section(b *strings.Builder, title string, docs []flagDoc, common bool) {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d flagDoc) bool { return d.common != common || d.name == "help" })
	if len(docs) == 0 {
		return
	}
	b.WriteString("\n" + title + "\n")
	for _, d := range docs {
		head := "--" + d.name
		if d.arg != "" {
			head += " " + d.arg
		}
		if len(head) > 24 {
			fmt.Fprintf(b, "  %s\n  %-24s %s\n", head, "", d.usage)
		} else {
			fmt.Fprintf(b, "  %-24s %s\n", head, d.usage)
		}
	}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
