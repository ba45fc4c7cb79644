package view

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Sources finds the text of a file of the spec; nil where it is not known.
type Sources func(filename string) []byte

// Diagnostics writes errors and warnings to standard error, each with the
// lines of the spec that it is about. It never evaluates anything, and so
// shows no value but what stands in those lines.
func (v *View) Diagnostics(diags hcl.Diagnostics, sources Sources) {
	p := newPage(v.err)
	for _, d := range diags {
		diagnostic(p, d, sources)
	}
	v.talk(p)
}

func diagnostic(p *page, d *hcl.Diagnostic, sources Sources) {
	if d.Severity == hcl.DiagWarning {
		p.put(yellow, "Warning: ")
	} else {
		p.put(red, "Error: ")
	}
	p.say(bold, d.Summary)
	p.end()
	if s, ok := snippetOf(d, sources); ok {
		s.show(p, d)
		p.end()
	} else if r := d.Subject; r != nil && r.Start.Line > 0 && strings.HasSuffix(r.Filename, ".hcl") {
		p.sayf("  on %s line %d", r.Filename, r.Start.Line)
		p.end()
	}
	if d.Detail != "" {
		p.prose("", d.Detail)
		p.end()
	}
}

// snippet is the lines of a source file that a diagnostic is about.
type snippet struct {
	context    string // the block that the lines stand in; "" where there is none
	lines      []string
	start      int // number of the first line
	from, upto int // what is meant, as byte offsets in the joined lines
}

// maxSnippet is how many lines of source a diagnostic shows at most.
const maxSnippet = 6

// snippetOf cuts the lines out of the source. It is not ok where the
// diagnostic is about no place or the source is not known.
func snippetOf(d *hcl.Diagnostic, sources Sources) (snippet, bool) {
	if d.Subject == nil || sources == nil || d.Subject.Filename == "" {
		return snippet{}, false
	}
	src := sources(d.Subject.Filename)
	r := *d.Subject
	if len(src) == 0 || r.Start.Byte > len(src) || r.Start.Byte < 0 {
		return snippet{}, false
	}
	end := min(max(r.End.Byte, r.Start.Byte), len(src))
	first := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	last := len(src)
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		last = end + i
	}
	if end > first && end > r.Start.Byte && src[end-1] == '\n' {
		last = end - 1
	}
	s := snippet{start: r.Start.Line, from: r.Start.Byte - first}
	s.lines = strings.Split(strings.TrimRight(string(src[first:last]), "\r\n"), "\n")
	if len(s.lines) > maxSnippet {
		s.lines = s.lines[:maxSnippet]
	}
	for i, l := range s.lines {
		s.lines[i] = strings.TrimSuffix(l, "\r")
	}
	s.upto = min(end-first, len(strings.Join(s.lines, "\n")))
	s.from = min(s.from, s.upto)
	s.shorten()
	s.context = contextOf(src[:first])
	return s, true
}

// longLine is how many bytes of a line of source are shown at most.
const longLine = 240

// shorten cuts what is too long to be read out of the lines, and keeps what is
// meant.
func (s *snippet) shorten() {
	const dots = "..."
	if n := s.from - longLine/3; len(s.lines[0]) > longLine && n > 0 {
		for n > 0 && !utf8.RuneStart(s.lines[0][n]) {
			n--
		}
		s.lines[0] = dots + s.lines[0][n:]
		s.from, s.upto = s.from-n+len(dots), s.upto-n+len(dots)
	}
	for i, l := range s.lines {
		if len(l) > longLine {
			n := longLine
			for n > 0 && !utf8.RuneStart(l[n]) {
				n--
			}
			s.lines[i] = l[:n] + dots
		}
	}
	s.upto = min(s.upto, len(strings.Join(s.lines, "\n")))
}

// contextOf is the header of the block that is open at the end of src: of those
// that begin in the first column the last one whose brace nothing there closes. A
// brace that an argument opens there does not count.
func contextOf(src []byte) string {
	lines := strings.Split(string(src), "\n")
	closed := 0
	for i := len(lines) - 1; i >= 0; i-- {
		l := strings.TrimRight(lines[i], " \t\r")
		if l == "" || l[0] == ' ' || l[0] == '\t' || l[0] == '#' || l[0] == '/' {
			continue
		}
		switch head, opens := strings.CutSuffix(l, "{"); {
		case l[0] == '}':
			closed++
		case opens && closed > 0:
			closed--
		case opens && !strings.Contains(head, "="):
			return strings.TrimSpace(head)
		}
	}
	return ""
}

// show writes where the lines are and what they say, with a mark under what is
// meant where that is part of one line.
func (s snippet) show(p *page, d *hcl.Diagnostic) {
	p.putf("  on %s line %d", d.Subject.Filename, s.start)
	if s.context != "" {
		p.put(plain, ", in "+s.context)
	}
	p.say(plain, ":")
	for i, l := range s.lines {
		p.put(dim, fmt.Sprintf("%4d: ", s.start+i))
		p.say(plain, strings.ReplaceAll(l, "\t", "  "))
	}
	line := s.lines[0]
	if s.upto <= len(line) && s.upto > s.from && len(s.lines) == 1 {
		p.put(plain, strings.Repeat(" ", 6+columns(line[:s.from])))
		p.say(red, strings.Repeat("^", max(1, columns(line[s.from:s.upto]))))
	}
}

// columns is how wide a part of a source line shows.
func columns(s string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(s, "\t", "  "))
}
