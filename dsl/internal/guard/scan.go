package guard

import (
	"bytes"
)

// prescan reads src as hcl's scanner would, roughly but in one pass and without
// keeping anything. It finds what would make that scanner slow or large:
// very many tokens, very many levels, a comment without an end. What hcl's own
// tokens say of depth is checked after it; prescan may be wrong about broken
// source, which hcl refuses.
func prescan(src []byte, template bool) *fault {
	s := scanner{src: src}
	if template {
		s.stack = append(s.stack, open{kind: 't'})
	}
	for s.i < len(src) {
		at := s.i
		if f := s.step(); f != nil {
			return f
		}
		if s.tokens > MaxTokens {
			return tooMany(at)
		}
		if len(s.stack) > MaxDepth+1 {
			return tooDeep(at)
		}
	}
	return nil
}

// open is something that has begun: a block or object '{', a group '(' (also
// for an index or list), a sequence '$' in a template, a quote '"', a heredoc
// '<', or a template file 't'.
type open struct {
	kind   byte
	marker []byte // that ends a heredoc
}

type scanner struct {
	src    []byte
	i      int
	stack  []open
	tokens int
}

func (s *scanner) push(kind byte, marker []byte) { s.stack = append(s.stack, open{kind, marker}) }

func (s *scanner) pop() { s.stack = s.stack[:len(s.stack)-1] }

func (s *scanner) has(prefix string) bool {
	n := len(prefix)
	return len(s.src)-s.i >= n && string(s.src[s.i:s.i+n]) == prefix
}

// step reads one token, or a piece of text inside a template.
func (s *scanner) step() *fault {
	if n := len(s.stack); n > 0 {
		switch top := s.stack[n-1]; top.kind {
		case '"', '<', 't':
			s.text(top)
			return nil
		}
	}
	return s.token()
}

// text reads on to the end of a line, of the template, or to a sequence in it.
func (s *scanner) text(top open) {
	s.tokens++
	for s.i < len(s.src) {
		switch c := s.src[s.i]; {
		case s.has("$${") || s.has("%%{"):
			s.i += 3
		case s.has("${") || s.has("%{"):
			s.i += 2
			s.tokens++
			s.push('$', nil)
			return
		case c == '\\' && top.kind == '"':
			s.i += 2
		case c == '"' && top.kind == '"':
			s.i++
			s.tokens++
			s.pop()
			return
		case c == '\n':
			s.i++
			if top.kind == '<' && s.ends(top.marker) {
				s.pop()
			}
			return
		default:
			if c == '$' || c == '%' {
				s.tokens++ // hcl's scanner ends a piece of text here
			}
			s.i++
		}
	}
}

// ends reports whether this line ends the heredoc of marker.
func (s *scanner) ends(marker []byte) bool {
	line, _, _ := bytes.Cut(s.src[s.i:min(len(s.src), s.i+1024)], []byte("\n"))
	return bytes.Equal(bytes.TrimSpace(line), marker)
}

func (s *scanner) token() *fault {
	c := s.src[s.i]
	switch {
	case c == ' ' || c == '\t' || c == '\r':
		s.i++
		return nil
	case c == '#' || s.has("//"):
		s.line()
	case s.has("/*"):
		end := bytes.Index(s.src[s.i+2:], []byte("*/"))
		if end < 0 {
			return &fault{s.i, "Comment without an end", "This comment is opened and not closed with */."}
		}
		s.i += 2 + end + 2
	case s.has("<<") && s.heredoc():
	case identifier(c):
		for s.i < len(s.src) && (identifier(s.src[s.i]) || s.src[s.i] == '-') {
			s.i++
		}
	default:
		s.i++
		s.bracket(c)
	}
	s.tokens++
	return nil
}

func (s *scanner) bracket(c byte) {
	switch c {
	case '{':
		s.push('{', nil)
	case '(', '[':
		s.push('(', nil)
	case '"':
		s.push('"', nil)
	case ')', ']':
		if n := len(s.stack); n > 0 && s.stack[n-1].kind == '(' {
			s.pop()
		}
	case '}':
		for n := len(s.stack); n > 0 && s.stack[n-1].kind == '('; n-- {
			s.pop()
		}
		if n := len(s.stack); n > 0 && s.stack[n-1].kind != 't' {
			s.pop()
		}
	}
}

func (s *scanner) line() {
	if n := bytes.IndexByte(s.src[s.i:], '\n'); n >= 0 {
		s.i += n + 1
		return
	}
	s.i = len(s.src)
}

// heredoc reads the beginning of one, <<NAME or <<-NAME and the end of the line.
func (s *scanner) heredoc() bool {
	i := s.i + 2
	if i < len(s.src) && s.src[i] == '-' {
		i++
	}
	start := i
	for i < len(s.src) && (identifier(s.src[i]) || s.src[i] == '-') {
		i++
	}
	marker := s.src[start:i]
	if i < len(s.src) && s.src[i] == '\r' {
		i++
	}
	if len(marker) == 0 || i >= len(s.src) || s.src[i] != '\n' {
		return false
	}
	s.i = i + 1
	if !s.ends(marker) {
		s.push('<', marker)
	}
	return true
}

// identifier reports whether c can stand in an identifier or a number.
func identifier(c byte) bool {
	return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
