package linux

import (
	"regexp"
	"slices"
	"strings"
)

// textLines are the lines of a file, each with its end.
type textLines []string

func parseLines(text string) textLines { return slices.Collect(strings.Lines(text)) }

// String is the text of the lines.
func (t textLines) String() string { return strings.Join(t, "") }

// cutEnd cuts the end off a line.
func cutEnd(raw string) (line, end string) {
	line = strings.TrimRight(raw, "\r\n")
	return line, raw[len(line):]
}

// find is the last line that matches, without its end.
func (t textLines) find(match *regexp.Regexp) (line string, found bool) {
	for _, raw := range slices.Backward(t) {
		if line, _ := cutEnd(raw); match.MatchString(line) {
			return line, true
		}
	}
	return "", false
}

// with is the text with line in place of the last line that matches, or at the
// end. A line keeps the end that was there.
func (t textLines) with(match *regexp.Regexp, line string) textLines {
	for i, raw := range slices.Backward(t) {
		if old, end := cutEnd(raw); match.MatchString(old) {
			t = slices.Clone(t)
			t[i] = line + end
			return t
		}
	}
	text := t.String()
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return parseLines(text + line + "\n")
}

// without is the text without the lines that match.
func (t textLines) without(match *regexp.Regexp) textLines {
	return slices.DeleteFunc(slices.Clone(t), func(raw string) bool {
		line, _ := cutEnd(raw)
		return match.MatchString(line)
	})
}
