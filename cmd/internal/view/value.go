package view

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Words that stand for values which cannot be shown.
const (
	knownLater = "(known after apply)"
	sensitive  = "(sensitive value)"
)

// longest is the size from which on a string is shown in part only, with its
// digest.
const longest = 64 << 10

// inline writes a value on one line, as HCL writes it.
func inline(v cty.Value) string {
	var b strings.Builder
	writeInline(&b, v)
	return b.String()
}

func writeInline(b *strings.Builder, v cty.Value) {
	v, _ = v.Unmark()
	switch t := v.Type(); {
	case v == cty.NilVal || v.IsNull():
		b.WriteString("null")
	case !v.IsKnown():
		b.WriteString(knownLater)
	case t == cty.String:
		b.WriteString(quote(v.AsString()))
	case t == cty.Number:
		b.WriteString(v.AsBigFloat().Text('f', -1))
	case t == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case t.IsMapType() || t.IsObjectType():
		b.WriteByte('{')
		for i, m := range members(v) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(" " + m.label + " = ")
			writeInline(b, m.value)
		}
		if b.String()[b.Len()-1] != '{' {
			b.WriteByte(' ')
		}
		b.WriteByte('}')
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		b.WriteByte('[')
		for i, e := range elements(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			writeInline(b, e)
		}
		b.WriteByte(']')
	default:
		b.WriteString("(" + t.FriendlyName() + ")")
	}
}

// member is one element of a map or attribute of an object.
type member struct {
	key, label string
	value      cty.Value
}

// members of a map or object, sorted by key. The keys of a map are data and
// always quoted.
func members(v cty.Value) []member {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	var ms []member
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		label := quote(k.AsString())
		if v.Type().IsObjectType() && hclsyntax.ValidIdentifier(k.AsString()) {
			label = k.AsString()
		}
		ms = append(ms, member{k.AsString(), label, e})
	}
	slices.SortFunc(ms, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return ms
}

// elements of a list, set or tuple, in order.
func elements(v cty.Value) []cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	var es []cty.Value
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		es = append(es, e)
	}
	return es
}

// quote writes s as an HCL string literal. Of a very long one it shows the
// beginning, and says how much is missing and what the whole is.
func quote(s string) string {
	s, more := shorten(s)
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == utf8.RuneError:
			b.WriteString(s[i:][:runeLen(s[i:])])
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String() + more
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// shorten cuts a very long string; more says what is missing.
func shorten(s string) (short, more string) {
	if len(s) <= longest {
		return s, ""
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut], fmt.Sprintf("…(+%d bytes, sha256:%x)", len(s)-cut, sha256.Sum256([]byte(s)))
}

// multiline reports whether a value is a string that shows better as lines.
func multiline(v cty.Value) bool {
	return v != cty.NilVal && v.Type() == cty.String && !v.IsNull() && v.IsKnown() && strings.Contains(v.AsString(), "\n")
}

// isString reports whether v is a string, known or not there.
func isString(v cty.Value) bool {
	return v == cty.NilVal || v.IsNull() || v.Type() == cty.String && v.IsKnown()
}

// absent reports whether there is no value.
func absent(v cty.Value) bool { return v == cty.NilVal || v.IsNull() }
