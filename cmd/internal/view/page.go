package view

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// look is how text may look on one stream.
type look struct {
	colour  bool
	unicode bool
	width   int // in columns; 0 where lines are not wrapped
}

// style is a way to colour a piece of text.
type style string

// The styles: what their names say, as SGR sequences.
const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	blue   style = "34"
	cyan   style = "36"
)

// piece is a part of a line in one style.
type piece struct {
	style style
	text  string // escaped
}

// page is text on its way to the user. Whatever is put on a page is escaped,
// whoever wrote it: the one way to a stream, and so the one escaper.
type page struct {
	look look
	out  strings.Builder
	line []piece
	to   func([]byte) // takes what is full of a long page; nil: all stays
}

// full is how much of a long page is kept before it goes on.
const full = 64 << 10

func newPage(l look) *page { return &page{look: l} }

// put adds text to the line. A line break in it shows as \n.
func (p *page) put(s style, text string) {
	if text != "" {
		p.line = append(p.line, piece{s, escape(text, p.look.unicode)})
	}
}

// putf adds formatted text to the line, in no style.
func (p *page) putf(format string, args ...any) { p.put(plain, fmt.Sprintf(format, args...)) }

// end ends the line.
func (p *page) end() {
	p.defuse()
	for _, l := range p.line {
		if p.look.colour && l.style != plain {
			p.out.WriteString("\x1b[" + string(l.style) + "m" + l.text + "\x1b[0m")
		} else {
			p.out.WriteString(l.text)
		}
	}
	p.out.WriteByte('\n')
	p.line = p.line[:0]
	if p.to != nil && p.out.Len() > full {
		p.flush()
	}
}

// flush hands on what stands on a long page.
func (p *page) flush() {
	p.to([]byte(p.out.String()))
	p.out.Reset()
}

// say adds one line.
func (p *page) say(s style, text string) {
	p.put(s, text)
	p.end()
}

// sayf adds one formatted line, in no style.
func (p *page) sayf(format string, args ...any) { p.say(plain, fmt.Sprintf(format, args...)) }

// block adds text of several lines, each behind indent. A break at its end adds
// no empty line.
func (p *page) block(s style, indent, text string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		p.put(plain, indent)
		p.put(s, strings.TrimSuffix(line, "\r"))
		p.end()
	}
}

// prose adds full sentences, broken at the width of the page. Lines that begin
// with a blank are commands or output and stay as they are.
func (p *page) prose(indent, text string) {
	for para := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		para = strings.TrimSuffix(para, "\r")
		if p.look.width == 0 || para == "" || para[0] == ' ' || para[0] == '\t' {
			if para != "" {
				p.put(plain, indent)
			}
			p.say(plain, para)
			continue
		}
		for _, line := range wrap(para, max(20, p.look.width-len(indent))) {
			p.put(plain, indent)
			p.say(plain, line)
		}
	}
}

// String is the text of the page so far.
func (p *page) String() string { return p.out.String() }

// defuse breaks what a CI system would take for a command of its own: a line
// that begins with "::", and the older forms that begin with "##".
func (p *page) defuse() {
	var whole strings.Builder
	for _, l := range p.line {
		whole.WriteString(l.text)
	}
	at := hazards(whole.String())
	if len(at) == 0 {
		return
	}
	pos, next := 0, 0
	for i, l := range p.line {
		var b strings.Builder
		for j := range len(l.text) {
			if next < len(at) && at[next] == pos {
				fmt.Fprintf(&b, `\u%04x`, l.text[j])
				next++
			} else {
				b.WriteByte(l.text[j])
			}
			pos++
		}
		p.line[i].text = b.String()
	}
}

// hazards are the positions of the bytes to escape so that line is no command
// of a CI system.
func hazards(line string) []int {
	var at []int
	trimmed := strings.TrimLeft(line, " \t")
	if strings.HasPrefix(trimmed, "::") {
		at = append(at, len(line)-len(trimmed))
	}
	for i := 0; i+2 < len(line); i++ {
		if line[i] != '#' || line[i+1] != '#' {
			continue
		}
		for _, word := range []string{"[", "vso[", "teamcity["} {
			if strings.HasPrefix(line[i+2:], word) {
				at = append(at, i+1)
				break
			}
		}
	}
	return at
}

// wrap breaks s at blanks so that each line has at most width columns, where
// its words allow it.
func wrap(s string, width int) []string {
	var lines []string
	line, columns := "", 0
	for word := range strings.SplitSeq(s, " ") {
		n := utf8.RuneCountInString(word)
		if columns > 0 && columns+1+n > width {
			lines = append(lines, line)
			line, columns = "", 0
		}
		if columns > 0 {
			line += " "
			columns++
		}
		line += word
		columns += n
	}
	return append(lines, line)
}
