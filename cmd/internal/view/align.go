package view

import (
	"fmt"
	"slices"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/aymanbagabas/go-udiff/lcs"
	"github.com/zclconf/go-cty/cty"
)

// aligned is an element of two lists laid side by side.
type aligned struct {
	sign  string
	value cty.Value
}

// align lays two lists side by side, with as many equal elements as possible.
func align(before, after []cty.Value) []aligned {
	b, a := inlines(before), inlines(after)
	var steps []aligned
	at := 0
	for _, d := range lcs.DiffLines(b, a) {
		for ; at < d.Start; at++ {
			steps = append(steps, aligned{signNone, before[at]})
		}
		for ; at < d.End; at++ {
			steps = append(steps, aligned{signDelete, before[at]})
		}
		for i := d.ReplStart; i < d.ReplEnd; i++ {
			steps = append(steps, aligned{signCreate, after[i]})
		}
	}
	for ; at < len(before); at++ {
		steps = append(steps, aligned{signNone, before[at]})
	}
	return steps
}

func inlines(vs []cty.Value) []string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = inline(v)
	}
	return out
}

// same reports whether nothing changes between two values.
func same(before, after cty.Value) bool {
	if absent(before) || absent(after) {
		return absent(before) && absent(after)
	}
	return after.IsWhollyKnown() && before.Type().Equals(after.Type()) && before.RawEquals(after)
}

func mapping(v cty.Value) bool {
	return !absent(v) && v.IsKnown() && (v.Type().IsMapType() || v.Type().IsObjectType())
}

func sequence(v cty.Value) bool {
	return !absent(v) && v.IsKnown() && (v.Type().IsListType() || v.Type().IsSetType() || v.Type().IsTupleType())
}

func sortMembers(ms []member) {
	slices.SortFunc(ms, func(a, b member) int { return strings.Compare(a.key, b.key) })
}

// padOf is the width of the longest label.
func padOf(ms []member) int {
	n := 0
	for _, m := range ms {
		n = max(n, width0(m.label))
	}
	return n
}

// textLine is a line of a text, and whether a line break ended it.
type textLine struct {
	text  string
	ended bool
}

func splitLines(s string) []textLine {
	var lines []textLine
	for line := range strings.Lines(s) {
		text, ended := strings.CutSuffix(line, "\n")
		lines = append(lines, textLine{text, ended})
	}
	return lines
}

// delimiter is a heredoc's end that is no line of s.
func delimiter(s string) string {
	for i := 0; ; i++ {
		end := "EOT"
		if i > 0 {
			end = fmt.Sprintf("EOT%d", i)
		}
		if !slices.ContainsFunc(strings.Split(s, "\n"), func(l string) bool { return strings.TrimSpace(l) == end }) {
			return end
		}
	}
}

// hunkHeader is the line that begins a hunk of a unified diff.
func hunkHeader(h *udiff.Hunk) string {
	from, to := 0, 0
	for _, l := range h.Lines {
		if l.Kind != udiff.Insert {
			from++
		}
		if l.Kind != udiff.Delete {
			to++
		}
	}
	span := func(start, n int) string {
		if n == 1 {
			return fmt.Sprint(start)
		}
		return fmt.Sprintf("%d,%d", start, n)
	}
	return "@@ -" + span(h.FromLine, from) + " +" + span(h.ToLine, to) + " @@"
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
