package guard

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Parse reads one file of blocks and attributes. It refuses what is too large,
// not text, or nested too deep before hcl's parser sees it, since that dies of
// deep nesting; what it returns is evaluated within budget. The positions in
// the file do not count a byte order mark.
//
// Expressions can be wrapped: take them apart with hcl.ExprList, hcl.ExprMap,
// hcl.ExprCall, hcl.AbsTraversalForExpr or hcl.UnwrapExpression, not with a
// type assertion. The file is not nil, and its body is a *hclsyntax.Body.
func Parse(name string, src []byte, budget *Budget) (*hcl.File, hcl.Diagnostics) {
	src, diags := check(name, src, hclsyntax.LexConfig, false)
	if diags.HasErrors() {
		return &hcl.File{Body: &hclsyntax.Body{}, Bytes: src}, diags
	}
	f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	budget.body(f.Body.(*hclsyntax.Body))
	return f, Plain(diags)
}

// ParseExpression reads one expression, such as the value of a --var flag.
func ParseExpression(name string, src []byte, budget *Budget) (hclsyntax.Expression, hcl.Diagnostics) {
	src, diags := check(name, src, hclsyntax.LexExpression, false)
	if diags.HasErrors() {
		return &hclsyntax.ExprSyntaxError{ParseDiags: diags}, diags
	}
	e, diags := hclsyntax.ParseExpression(src, name, hcl.InitialPos)
	return budget.expr(e, false), Plain(diags)
}

// ParseTemplate reads a template, as templatefile does. Each evaluation charges
// for the text it copies.
func ParseTemplate(name string, src []byte, budget *Budget) (hclsyntax.Expression, hcl.Diagnostics) {
	src, diags := check(name, src, hclsyntax.LexTemplate, true)
	if diags.HasErrors() {
		return &hclsyntax.ExprSyntaxError{ParseDiags: diags}, diags
	}
	e, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	w := budget.wrap(budget.expr(e, false))
	cost := static(e)
	w.before = func() error { return budget.spend(cost, 1) }
	return w, Plain(diags)
}

// check returns src without a byte order mark, and why it must not be parsed.
func check(name string, src []byte, lex lexer, template bool) ([]byte, hcl.Diagnostics) {
	refuse := func(offset int, summary, detail string) ([]byte, hcl.Diagnostics) {
		return src, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  summary,
			Detail:   detail,
			Subject:  rangeAt(name, src, offset),
		}}
	}
	if len(src) > MaxSource {
		return refuse(0, "File too large", fmt.Sprintf("A file of a spec holds 4 MiB at most; this one has %d bytes.", len(src)))
	}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		return refuse(0, "Not UTF-8", "The file is encoded in UTF-16, as its first two bytes say. Save it as UTF-8.")
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if i := invalidUTF8(src); i >= 0 {
		return refuse(i, "Not UTF-8", fmt.Sprintf("The byte 0x%02x at offset %d begins no UTF-8 character. Save the file as UTF-8.", src[i], i))
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return refuse(i, "Not a text file", fmt.Sprintf("There is a NUL byte at offset %d.", i))
	}
	if f := prescan(src, template); f != nil {
		return refuse(f.offset, f.summary, f.detail)
	}
	if i, n := longest(src); n > MaxLine && !template {
		return refuse(i, "Line too long", fmt.Sprintf("A line of a spec holds 1 MiB at most; this one has %d bytes. Put the text in a file of its own and read it with file.", n))
	}
	tokens, diags := lex(src, name, hcl.InitialPos)
	if f := checkTokens(tokens, template); f != nil {
		return refuse(f.offset, f.summary, f.detail)
	}
	_ = diags // the parser lexes again and gives the same
	return src, nil
}

type lexer func(src []byte, filename string, start hcl.Pos) (hclsyntax.Tokens, hcl.Diagnostics)

// fault is why a source must not be parsed.
type fault struct {
	offset          int
	summary, detail string
}

func tooDeep(offset int) *fault {
	return &fault{
		offset, "Source nested too deep",
		fmt.Sprintf("This is nested too deep: kplan reads %d levels of brackets, quotes and blocks, and %d operators in one expression. Give parts of it names with locals.", MaxDepth, MaxChain),
	}
}

func tooMany(offset int) *fault {
	return &fault{
		offset, "File too large",
		fmt.Sprintf("A file of a spec holds %d tokens at most. Split it, or read the data with file and jsondecode.", MaxTokens),
	}
}

// invalidUTF8 is the offset of the first byte that is no UTF-8, or -1.
func invalidUTF8(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// longest is the offset and the length of the longest line. What hcl does for
// each character, twice when it lexes and once more in a quoted text, adds up
// where nothing ends a token.
func longest(src []byte) (offset, length int) {
	for i := 0; i < len(src); {
		n := bytes.IndexByte(src[i:], '\n')
		if n < 0 {
			n = len(src) - i
		}
		if n > length {
			offset, length = i, n
		}
		i += n + 1
	}
	return offset, length
}

// rangeAt is the one byte at offset.
func rangeAt(name string, src []byte, offset int) *hcl.Range {
	before := src[:min(offset, len(src))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	pos := hcl.Pos{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(line), Byte: len(before)}
	end := pos
	if offset < len(src) {
		end.Byte++
		end.Column++
	}
	return &hcl.Range{Filename: name, Start: pos, End: end}
}
