package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// command is one row of the table of commands.
type command struct {
	name     string // one word or two
	args     string // as the usage line has them; "" for none
	min, max int    // how many there may be; max -1 is no limit
	short    string // one line, lower case
	long     string
	exits    []int // those beyond 0 and 1
	examples []string
	// define declares the flags of the command and returns what runs it: once,
	// after they were parsed.
	define func(f *flags) func(ctx context.Context, a *app, args []string) int
}

// commands is the table, in the order of the help.
func commands() []command {
	return []command{
		validateCommand(), fmtCommand(), planCommand(), applyCommand(), destroyCommand(), driftCommand(),
		showCommand(), graphCommand(),
		stateListCommand(), stateShowCommand(), stateRmCommand(), statePullCommand(), stateHistoryCommand(), stateRepairCommand(), unlockCommand(),
		hostsListCommand(), hostsPingCommand(), hostsScanCommand(), hostsFactsCommand(), hostsAcceptCommand(),
		explainCommand(), modulesListCommand(), modulesShowCommand(), modulesExportCommand(), outputCommand(), versionCommand(), completionCommand(),
	}
}

// accepts reports whether a number of arguments is right for the command.
func (c command) accepts(args []string) error {
	switch {
	case len(args) < c.min:
		return fmt.Errorf("kplan %s needs %s", c.name, c.args)
	case c.max == 0 && len(args) > 0:
		return fmt.Errorf("kplan %s takes no arguments, and got %q", c.name, args[0])
	case c.max > 0 && len(args) > c.max:
		return fmt.Errorf("kplan %s takes %s, and got %q too", c.name, c.args, args[c.max])
	}
	return nil
}

// within are the commands that begin with a word; none where it is a command of
// its own.
func within(word string) []command {
	var group []command
	for _, c := range commands() {
		if strings.HasPrefix(c.name, word+" ") {
			group = append(group, c)
		}
	}
	return group
}

// find is the command that words begin with, and the arguments behind it.
func find(words []string) (command, []string, error) {
	all := commands()
	for n := min(2, len(words)); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		for _, c := range all {
			if c.name == name {
				return c, words[n:], nil
			}
		}
	}
	group := words[0] + " "
	var inside, names []string
	for _, c := range all {
		if rest, ok := strings.CutPrefix(c.name, group); ok {
			inside = append(inside, rest)
		}
		first, _, _ := strings.Cut(c.name, " ")
		names = append(names, first)
	}
	switch {
	case len(inside) > 0 && len(words) == 1:
		return command{}, nil, fmt.Errorf("kplan %s needs one of: %s", words[0], strings.Join(inside, ", "))
	case len(inside) > 0:
		return command{}, nil, unknown("command", group+words[1], prefixed(group, inside))
	}
	return command{}, nil, unknown("command", words[0], slices.Compact(names))
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

// unknown says that there is no name of the kind, and which one may be meant.
func unknown(kind, name string, known []string) error {
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("there is no %s %q; did you mean %q?", kind, name, near)
	}
	return fmt.Errorf("there is no %s %q", kind, name)
}

// nearest is the known name that is so like name that it may be meant; "" where
// none is.
func nearest(name string, known []string) string {
	best, least := "", 1+min(3, (len(name)+2)/3)
	for _, k := range known {
		if d := levenshtein.Distance(name, k, nil); d < least {
			best, least = k, d
		}
	}
	return best
}
