package addr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is a text that is not an address.
type SyntaxError struct {
	Text   string
	Offset int // in bytes
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q is not an address: %s at byte %d", e.Text, e.Msg, e.Offset)
}

// Parse reads an address as Instance.String prints it, and nothing else:
// Parse(i.String()) is i, and where Parse(s) is i, i.String() is s.
func Parse(s string) (Instance, error) {
	p := parser{text: s}
	i := p.instance()
	if p.err == nil && !p.has("@") {
		p.fail("a host is missing (@HOST)")
	}
	i.Host = p.host()
	return i, p.end()
}

// ParseResource reads an address without a key and a host.
func ParseResource(s string) (Resource, error) {
	p := parser{text: s}
	r := p.resource()
	return r, p.end()
}

// parser is a cursor over the text of an address. After the first error it
// moves no more.
type parser struct {
	text string
	pos  int
	err  error
}

func (p *parser) fail(msg string) {
	if p.err == nil {
		p.err = &SyntaxError{Text: p.text, Offset: p.pos, Msg: msg}
	}
}

func (p *parser) end() error {
	if p.err == nil && p.pos < len(p.text) {
		p.fail("text after its end")
	}
	return p.err
}

// has skips prefix if it comes next.
func (p *parser) has(prefix string) bool {
	if p.err != nil || !strings.HasPrefix(p.text[p.pos:], prefix) {
		return false
	}
	p.pos += len(prefix)
	return true
}

func (p *parser) instance() Instance {
	i := Instance{Resource: p.resource()}
	i.Key = p.key()
	return i
}

func (p *parser) resource() Resource {
	m := p.module()
	r := Resource{Module: m, Type: p.name()}
	if !p.has(".") {
		p.fail("a name is missing (TYPE.NAME)")
	}
	r.Name = p.name()
	return r
}

// module reads the path up to a name that is not a module's, with the dot
// behind it. Only a target may end there, or go on with its host.
func (p *parser) module() Module {
	var m Module
	for p.has("module.") {
		m = m.Child(p.name(), p.key())
		if p.has(".") {
			continue
		}
		if p.err == nil && p.pos < len(p.text) && p.text[p.pos] != '@' {
			p.fail("a dot is missing")
		}
		break
	}
	return m
}

// name reads an identifier: as HCL has them.
func (p *parser) name() string {
	if p.err != nil {
		return ""
	}
	start := p.pos
	for i, c := range p.text[start:] {
		if !isName(c, i > 0) {
			break
		}
		p.pos = start + i + utf8.RuneLen(c)
	}
	if p.pos == start {
		p.fail("a name is missing")
	}
	return p.text[start:p.pos]
}

// isName follows the identifiers of HCL: ID_Start or an underscore, then
// ID_Continue or a dash (Unicode Standard Annex #31).
func isName(c rune, inside bool) bool {
	switch {
	case c == utf8.RuneError:
		return false
	case c == '_', unicode.IsLetter(c), unicode.Is(unicode.Nl, c):
		return true
	case c == '-', unicode.In(c, unicode.Nd, unicode.Mn, unicode.Mc, unicode.Pc):
		return inside
	}
	return false
}

// host reads the name of a host, which may also begin with a digit and have
// dots.
func (p *parser) host() string {
	if p.err != nil {
		return ""
	}
	start := p.pos
	for p.pos < len(p.text) && isHost(p.text[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		p.fail("the name of a host is missing")
	}
	return p.text[start:p.pos]
}

func isHost(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.", c) >= 0
}

// key reads an index, if there is one.
func (p *parser) key() Key {
	if !p.has("[") {
		return Key{}
	}
	var k Key
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		k = StringKey(p.quoted())
	} else {
		k = IntKey(p.number())
	}
	if !p.has("]") {
		p.fail("a closing bracket is missing")
	}
	return k
}

func (p *parser) number() int {
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
		p.pos++
	}
	digits := p.text[start:p.pos]
	n, err := strconv.Atoi(digits)
	if err != nil || strconv.Itoa(n) != digits {
		p.pos = start
		p.fail(`a key is a number from 0 or a "string"`)
		return 0
	}
	return n
}

// quoted reads a string literal exactly as quote writes it.
func (p *parser) quoted() string {
	end := p.pos + 1
	for end < len(p.text) && p.text[end] != '"' {
		if p.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.text) {
		p.fail("a string is not closed")
		return ""
	}
	literal := p.text[p.pos : end+1]
	plain := strings.ReplaceAll(literal, "$${", "${")
	plain = strings.ReplaceAll(plain, "%%{", "%{")
	s, err := strconv.Unquote(plain)
	if err != nil || quote(s) != literal {
		p.fail("a string that is not written as kplan prints it")
		return ""
	}
	p.pos = end + 1
	return s
}
