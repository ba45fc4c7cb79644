package view

import (
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/zclconf/go-cty/cty"
)

// The signs of lines of a plan.
const (
	signNone    = " "
	signCreate  = "+"
	signUpdate  = "~"
	signDelete  = "-"
	signReplace = "-/+"
	signForget  = "."
)

// styleOf is how a sign is coloured.
func styleOf(sign string) style {
	switch sign {
	case signCreate:
		return green
	case signUpdate:
		return yellow
	case signDelete, signReplace:
		return red
	}
	return plain
}

// leaf is where a value stands on a page: its sign is in the column indent,
// its label is padded to pad columns.
type leaf struct {
	indent int
	label  string // "" for elements of a list
	pad    int
	tail   string // what follows the value: a comma in a list, a remark
}

// open begins the line of a value.
func (l leaf) open(p *page, sign string) {
	p.put(plain, strings.Repeat(" ", l.indent))
	p.put(styleOf(sign), sign)
	p.put(plain, " ")
	if l.label != "" {
		p.put(plain, l.label+strings.Repeat(" ", max(0, l.pad-width0(l.label)))+" = ")
	}
}

func (l leaf) blank(n int) string { return strings.Repeat(" ", l.indent+n) }

// width0 is the number of characters of a label.
func width0(s string) int { return len([]rune(s)) }

// diff shows how a value changes: before and after may be absent. It shows
// nothing where they are equal.
func (l leaf) diff(p *page, before, after cty.Value) {
	switch {
	case absent(before) && absent(after):
	case absent(before):
		l.whole(p, signCreate, after, "")
	case absent(after):
		l.whole(p, signDelete, before, " -> null")
	case !after.IsKnown():
		l.open(p, signUpdate)
		p.put(plain, inline(before)+" -> "+knownLater+l.tail)
		p.end()
	case after.IsWhollyKnown() && before.Type().Equals(after.Type()) && before.RawEquals(after):
	case isString(before) && isString(after) && (multiline(before) || multiline(after)):
		l.body(p, before.AsString(), after.AsString())
	case mapping(before) && mapping(after):
		l.nested(p, signUpdate, "{", "}", func(in int) { diffMembers(p, in, before, after) })
	case sequence(before) && sequence(after):
		l.nested(p, signUpdate, "[", "]", func(in int) { diffElements(p, in, elements(before), elements(after)) })
	default:
		l.open(p, signUpdate)
		p.put(plain, inline(before)+" -> "+inline(after)+l.tail)
		p.end()
	}
}

// whole shows a value that is created, deleted or only shown.
func (l leaf) whole(p *page, sign string, v cty.Value, note string) {
	switch {
	case multiline(v):
		l.lines(p, sign, v.AsString(), note)
	case mapping(v) && len(members(v)) > 0:
		l.tail = note + l.tail
		l.nested(p, sign, "{", "}", func(in int) {
			ms := members(v)
			pad := padOf(ms)
			for _, m := range ms {
				leaf{in, m.label, pad, ""}.whole(p, sign, m.value, "")
			}
		})
	case sequence(v) && len(elements(v)) > 0:
		l.tail = note + l.tail
		l.nested(p, sign, "[", "]", func(in int) {
			for _, e := range elements(v) {
				leaf{in, "", 0, ","}.whole(p, sign, e, "")
			}
		})
	default:
		l.open(p, sign)
		p.put(plain, inline(v)+note+l.tail)
		p.end()
	}
}

// nested puts what fill shows between brackets.
func (l leaf) nested(p *page, sign, left, right string, fill func(indent int)) {
	l.open(p, sign)
	p.say(plain, left)
	fill(l.indent + 4)
	p.say(plain, l.blank(2)+right+l.tail)
}

// lines shows a text of several lines as a heredoc.
func (l leaf) lines(p *page, sign, s, note string) {
	s, more := shorten(s)
	end := delimiter(s)
	l.open(p, sign)
	p.say(plain, "<<-"+end)
	for _, line := range splitLines(s) {
		p.put(plain, l.blank(6))
		p.say(plain, line.text)
		if !line.ended {
			p.say(dim, l.blank(6)+noNewline)
		}
	}
	if more != "" {
		p.say(plain, l.blank(6)+more)
	}
	p.say(plain, l.blank(2)+end+note+l.tail)
}

const noNewline = `\ No newline at end`

// body shows how a text of several lines changes, as a unified diff.
func (l leaf) body(p *page, before, after string) {
	end := delimiter(before + "\n" + after)
	l.open(p, signUpdate)
	p.say(plain, "<<-"+end)
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 3)
	if err != nil { // its edits are its own
		panic("view: " + err.Error())
	}
	for _, h := range u.Hunks {
		p.put(plain, l.blank(4))
		p.say(cyan, hunkHeader(h))
		diffLines(p, h, l.blank(4), " ")
	}
	p.say(plain, l.blank(2)+end+l.tail)
}

// diffLines shows the lines of a hunk behind indent, each with its sign and
// gap.
func diffLines(p *page, h *udiff.Hunk, indent, gap string) {
	for _, line := range h.Lines {
		sign := signNone
		switch line.Kind {
		case udiff.Insert:
			sign = signCreate
		case udiff.Delete:
			sign = signDelete
		}
		text, ended := strings.CutSuffix(line.Content, "\n")
		p.put(plain, indent)
		p.put(styleOf(sign), sign+gap+text)
		p.end()
		if !ended {
			p.say(dim, indent+noNewline)
		}
	}
}

// diffMembers shows what changes in a map or object.
func diffMembers(p *page, indent int, before, after cty.Value) {
	b, a := map[string]cty.Value{}, map[string]cty.Value{}
	var all []member
	for _, m := range members(before) {
		b[m.key] = m.value
		all = append(all, m)
	}
	for _, m := range members(after) {
		a[m.key] = m.value
		if _, ok := b[m.key]; !ok {
			all = append(all, m)
		}
	}
	sortMembers(all)
	var changed []member
	for _, m := range all {
		if !same(b[m.key], a[m.key]) {
			changed = append(changed, m)
		}
	}
	pad := padOf(changed)
	for _, m := range changed {
		leaf{indent, m.label, pad, ""}.diff(p, b[m.key], a[m.key])
	}
	hidden(p, indent, len(all)-len(changed), "element")
}

// diffElements shows what changes in a list, set or tuple: what goes, what
// comes, and one element on either side of that.
func diffElements(p *page, indent int, before, after []cty.Value) {
	steps := align(before, after)
	skipped := 0
	for i, s := range steps {
		if s.sign == signNone && !near(steps, i) {
			skipped++
			continue
		}
		hidden(p, indent, skipped, "element")
		skipped = 0
		leaf{indent, "", 0, ","}.whole(p, s.sign, s.value, "")
	}
	hidden(p, indent, skipped, "element")
}

// near reports whether a neighbour of an element changes.
func near(steps []aligned, i int) bool {
	return i > 0 && steps[i-1].sign != signNone || i+1 < len(steps) && steps[i+1].sign != signNone
}

// hidden says how much is not shown because it does not change.
func hidden(p *page, indent, n int, what string) {
	if n > 0 {
		p.say(dim, strings.Repeat(" ", indent+2)+"# ("+count(n, "unchanged "+what)+" hidden)")
	}
}
