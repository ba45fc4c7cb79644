package guard

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checkTokens finds in hcl's tokens what its parser, or a walk over what the
// parser makes, would recurse into too deep; and numbers that take long to
// read.
//
// It counts too much rather than too little: a bracket that does not fit closes
// nothing, since source that has one is refused in any case.
func checkTokens(tokens hclsyntax.Tokens, template bool) *fault {
	if len(tokens) > MaxTokens {
		return tooMany(tokens[MaxTokens].Range.Start.Byte)
	}
	d := depth{levels: []level{{text: template}}}
	var lines text
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment {
			d.newline = d.newline || bytes.HasSuffix(t.Bytes, []byte("\n"))
			continue
		}
		d.token(t)
		if d.nest > MaxDepth || d.chain > MaxChain {
			return tooDeep(t.Range.Start.Byte)
		}
		if t.Type == hclsyntax.TokenNumberLit && !ShortNumber(string(t.Bytes)) {
			return &fault{t.Range.Start.Byte, "Number out of range", "kplan reads numbers of 1,000 digits at most, and powers of ten up to 1,000."}
		}
		if lines.add(t); lines.copied > maxCopied {
			return &fault{
				t.Range.Start.Byte, "Text too long",
				"A text of so many lines takes too long to parse. Put it in a file of its own and read it with file.",
			}
		}
		d.prev, d.newline = t.Type, false
	}
	return nil
}

// depth is how deep the parser is at a token.
type depth struct {
	levels []level
	nest   int                 // levels, unary operators, conditionals and directives around here
	chain  int                 // binary operators, indexes and steps that are nested around here
	prev   hclsyntax.TokenType // before this token; newlines and comments do not count

	newline bool // there is one between prev and this token
}

// level is one bracket, quote or template sequence.
type level struct {
	opened    hclsyntax.TokenType
	text      bool // the tokens directly inside are those of a template
	unary     int  // operators directly before here
	nest      int  // what this level adds to depth.nest for conditionals and unary
	chain     int  // what it adds to depth.chain
	ifs, fors int  // directives without their end
}

func (d *depth) token(t hclsyntax.Token) {
	top := &d.levels[len(d.levels)-1]
	brace := len(d.levels) == 1 || top.opened == hclsyntax.TokenOBrace
	if d.newline && brace && operand(d.prev) && !continues(t.Type) {
		d.reset(top)
	}
	if d.prev == hclsyntax.TokenTemplateControl && t.Type == hclsyntax.TokenIdent {
		d.directive(t.Bytes)
	}
	switch t.Type {
	case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenOQuote,
		hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		text := t.Type == hclsyntax.TokenOQuote || t.Type == hclsyntax.TokenOHeredoc
		d.levels = append(d.levels, level{opened: t.Type, text: text})
		d.nest++
	case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		d.close(t.Type)
	case hclsyntax.TokenBang, hclsyntax.TokenMinus:
		if t.Type == hclsyntax.TokenBang || !operand(d.prev) {
			top.unary++
			top.nest++
			d.nest++
			return
		}
		d.link(top)
	case hclsyntax.TokenQuestion:
		top.nest++
		d.nest++
	case hclsyntax.TokenDot, hclsyntax.TokenDoubleColon, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus,
		hclsyntax.TokenPercent, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq,
		hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr:
		d.link(top)
	case hclsyntax.TokenComma:
		d.reset(top)
	}
}

// link is one more of operators that nest on the left. What stood before it
// unary is inside.
func (d *depth) link(l *level) {
	l.chain++
	d.chain++
	l.nest -= l.unary
	d.nest -= l.unary
	l.unary = 0
}

// reset begins the next item of a list, object or body.
func (d *depth) reset(l *level) {
	d.nest -= l.nest
	d.chain -= l.chain
	l.nest, l.chain, l.unary = 0, 0, 0
}

func (d *depth) close(t hclsyntax.TokenType) {
	top := &d.levels[len(d.levels)-1]
	if len(d.levels) == 1 || !fits(top.opened, t) {
		return
	}
	d.reset(top)
	d.nest -= 1 + top.ifs + top.fors
	d.levels = d.levels[:len(d.levels)-1]
	if top = &d.levels[len(d.levels)-1]; !top.text {
		top.chain++ // it can be an index or a call
		d.chain++
	}
}

// directive is the keyword of a %{ sequence, whose text nests in the template
// around it.
func (d *depth) directive(keyword []byte) {
	if len(d.levels) < 2 {
		return
	}
	around := &d.levels[len(d.levels)-2]
	switch string(keyword) {
	case "if":
		around.ifs++
		d.nest++
	case "for":
		around.fors++
		d.nest++
	case "endif":
		if around.ifs > 0 {
			around.ifs--
			d.nest--
		}
	case "endfor":
		if around.fors > 0 {
			around.fors--
			d.nest--
		}
	}
}

func fits(open, end hclsyntax.TokenType) bool {
	switch open {
	case hclsyntax.TokenOParen:
		return end == hclsyntax.TokenCParen
	case hclsyntax.TokenOBrack:
		return end == hclsyntax.TokenCBrack
	case hclsyntax.TokenOBrace:
		return end == hclsyntax.TokenCBrace
	case hclsyntax.TokenOQuote:
		return end == hclsyntax.TokenCQuote
	case hclsyntax.TokenOHeredoc:
		return end == hclsyntax.TokenCHeredoc
	}
	return end == hclsyntax.TokenTemplateSeqEnd
}

// operand reports whether a token of this type ends an operand, so that a minus
// after it is binary and a newline after it can end the expression.
func operand(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace,
		hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenStar:
		return true
	}
	return false
}

// continues reports whether a token of this type, first in its line, can go on
// with the expression before it.
func continues(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenOParen,
		hclsyntax.TokenCBrace, hclsyntax.TokenEOF:
		return false
	}
	return true
}

// ShortNumber reports whether s, read as a number, is read soon and has a
// reasonable size.
func ShortNumber(s string) bool {
	if len(s) > 1000 {
		return false
	}
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return true
	}
	e, err := strconv.Atoi(s[i+1:])
	return err == nil && e >= -1000 && e <= 1000
}

// maxCopied bounds the bytes that hcl's parser copies while it puts the lines
// of texts together, one after the other: 10,000 lines of 40 bytes come to it.
const maxCopied = 2 << 30

// text adds up what hcl copies for runs of lines of text.
type text struct{ run, lines, copied int }

func (x *text) add(t hclsyntax.Token) {
	if t.Type != hclsyntax.TokenStringLit && t.Type != hclsyntax.TokenQuotedLit {
		x.run, x.lines = 0, 0
		return
	}
	if x.lines++; x.lines > 1 {
		x.copied += x.run + 128
	}
	x.run += len(t.Bytes)
}
