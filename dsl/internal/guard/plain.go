package guard

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
)

// plain are sentences of hcl's that speak of its parser or its types, and what
// they say to who writes a spec.
var plain = []struct {
	hcl  *regexp.Regexp
	said string
}{
	{regexp.MustCompile(`^Expected the start of an expression, but found .*`), `A value is expected here, such as "text", 80, true, [1, 2] or hosts.`},
	{regexp.MustCompile(`^Failed to recognize the value of this number literal\.$`), `This is no number. What is no number, such as a version or an IP address, is text: write it in quotes.`},
	{regexp.MustCompile(`^No closing marker was found for the string\.$`), `The text has no end: close it with ", or one that begins with <<EOT by EOT on a line of its own.`},
	{regexp.MustCompile(`^Quoted strings may not be split over multiple lines\..*`), `A text in quotes ends on the line that it begins on. Close it with ", write \n for the end of a line, or write many lines between <<EOT and EOT.`},
	{regexp.MustCompile(`^The symbol "(.)" is not a valid escape sequence selector\.$`), `There is no escape \$1. Write \\ for a backslash.`},
	{regexp.MustCompile(`^(A single-line block definition must end|Single-line block syntax can include|An argument definition on the same line as its containing block).*`), `A block that is written on one line has one argument, and ends on that line. Write each argument on a line of its own.`},
	{regexp.MustCompile(`^Unsuitable value for (left|right) operand: `), `The value on the $1 of the operator is of the wrong type: `},
	{regexp.MustCompile(`^Unsuitable value for unary operand: `), `The value behind the operator is of the wrong type: `},
	{regexp.MustCompile(`^The given key does not identify an element in this collection value`), `There is no such element`},
	{regexp.MustCompile(`^This value does not have any indices\.$`), `This is neither a list nor a map, and has no elements.`},
	{regexp.MustCompile(`^Can't access attributes on a primitive-typed value \((\w+)\)\.$`), `This is a $1, which has no attributes.`},
	{regexp.MustCompile(`^Call to function ("\w+") failed: (unexpected )?EOF\.$`), `Call to function $1 failed: the text ends too early.`},
	{regexp.MustCompile(`^The keyword ("[^"]*") is not a valid type specification\.$`), `There is no type $1. ` + types},
	{regexp.MustCompile(`^A type specification is either a primitive type keyword .*`), `This is no type. ` + types},
}

const types = `Write, without quotes, string, number, bool, any or host, or one of these: list(string), set(string), map(string), tuple([string, number]), object({ name = string }).`

// Plain says what hcl found in words that need no knowledge of it. It changes
// diags.
func Plain(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		for _, p := range plain {
			if p.hcl.MatchString(d.Detail) {
				d.Detail = p.hcl.ReplaceAllString(d.Detail, p.said)
				break
			}
		}
	}
	return diags
}
