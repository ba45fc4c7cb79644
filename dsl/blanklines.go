package dsl

import (
	"bytes"
	"regexp"
	"slices"
)

// The lines of a file that cannot be parsed: headers of blocks with nothing
// behind them, and arguments.
var (
	headerLine   = regexp.MustCompile(`^\s*([a-z_]+)(\s+"?[A-Za-z0-9_-]+"?)*\s*\{?\s*$`)
	closingLine  = regexp.MustCompile(`^[\s\])}]*$`)
	argumentLine = regexp.MustCompile(`^\s*([A-Za-z0-9_-]+)\s*=`)
	heredoc      = regexp.MustCompile(`<<-?([A-Za-z0-9_-]+)\s*$`)
	addressLine  = regexp.MustCompile(`^\s*from\s*=\s*[A-Za-z0-9_.@-]+\s*$`)
	versionText  = regexp.MustCompile(`^\s*[0-9]+(\.[0-9]+){2,}(/[0-9]+)?\s*$`)
	suspicious   = regexp.MustCompile(`sensitive|password|private_key|secret|token|default`)
)

// openNames says of the names of arguments that are known whether they are
// sensitive nowhere.
func (b *blanker) openNames() map[string]bool {
	names := map[string]bool{}
	types := b.spec.options.Types
	for _, list := range [][]string{metaArgs, hostArgs, connectionArgs} {
		for _, n := range list {
			names[n] = true
		}
	}
	for n := range secretArgs {
		names[n] = false
	}
	for _, t := range types.Names() {
		sch, _ := types.Schema(t)
		for _, a := range sch.Attributes {
			if was, known := names[a.Name]; !known || was {
				names[a.Name] = !a.Sensitive
			}
		}
	}
	for _, m := range b.spec.modules {
		for n, v := range m.variables {
			if v.sensitive {
				names[n] = false
			}
		}
	}
	names["value"], names["default"] = false, false // of an output, of a variable
	return names
}

// innerBlocks are the blocks within others.
var innerBlocks = []string{"bootstrap", "lifecycle", "retry", "precondition", "postcondition", "validation", "assert", "backend"}

// blankLines blanks a file that cannot be parsed line by line: where a quote is
// missing nobody knows any more what is text. What stays are headers of blocks,
// arguments that are never sensitive, and two things that are no secrets and often
// what is wrong: the address in a removed block, and a version or an IP address
// without quotes in the call of a module.
func blankLines(src []byte, open map[string]bool) []byte {
	out := bytes.Clone(src)
	deeper, until := -1, "" // a blanked argument goes on where lines are indented more, and to the end of its heredoc
	at, block := 0, ""
	for _, line := range bytes.SplitAfter(src, []byte("\n")) {
		from := at
		at += len(line)
		indent := len(line) - len(bytes.TrimLeft(line, " \t"))
		switch m := argumentLine.FindSubmatch(line); {
		case until != "":
			if string(bytes.TrimSpace(line)) == until {
				until = ""
			}
			stars(out[from:at])
			continue
		case closingLine.Match(line):
			continue
		case deeper >= 0 && indent > deeper:
			stars(out[from:at])
		case m != nil && open[string(m[1])] && !suspicious.Match(line[len(m[0]):]):
			deeper = -1
			continue
		case m != nil && (block == "removed" && addressLine.Match(line) || block == "module" && plainVersion(string(m[1]), line[len(m[0]):], open)):
			deeper = -1
			continue
		case isHeader(line):
			block = string(headerLine.FindSubmatch(line)[1])
			deeper = -1
			continue
		default:
			deeper = indent
			stars(out[from+bytes.IndexByte(line, '=')+1 : at])
		}
		if m := heredoc.FindSubmatch(line); m != nil {
			until = string(m[1])
		}
	}
	return out
}

// plainVersion reports whether the value is a version or an IP address without quotes,
// and the name one that neither is known nor sounds like a secret.
func plainVersion(name string, value []byte, open map[string]bool) bool {
	_, known := open[name]
	return !known && !suspicious.MatchString(name) && versionText.Match(value)
}

func isHeader(line []byte) bool {
	m := headerLine.FindSubmatch(line)
	if m == nil {
		return false
	}
	_, known := blockLabels[string(m[1])]
	return known || slices.Contains(innerBlocks, string(m[1]))
}

func stars(line []byte) {
	for i, c := range line {
		if c != '\n' && c != '\r' && c != ' ' && c != '\t' {
			line[i] = '*'
		}
	}
}
