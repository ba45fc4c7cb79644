package view

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escape makes text safe to show: what would move the cursor, turn the
// direction of the text or be invisible is written as a code, and so are bytes
// that are no UTF-8. Without unicode all that is not ASCII is. Only the tab
// stays of the control characters.
func escape(s string, unicode bool) string {
	i := 0
	for i < len(s) && (s[i] == '\t' || s[i] >= 0x20 && s[i] < 0x7f) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t' || r < 0x7f && r >= 0x20:
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r > 0x7f && visible(r) && unicode:
			b.WriteRune(r)
		case r > 0x7f && !unicode && ascii(r) != "":
			b.WriteString(ascii(r))
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// visible reports whether r shows as something of its own: letters, marks,
// digits, punctuation and symbols, but not those among them that show as
// nothing.
func visible(r rune) bool {
	switch {
	case !strconv.IsPrint(r):
		return false
	case r == 0x034f, // combining grapheme joiner
		r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, // Hangul fillers
		r == 0x17b4, r == 0x17b5, // Khmer inherent vowels
		r >= 0x180b && r <= 0x180f, // Mongolian selectors
		r == 0x2800,                // empty Braille
		r >= 0xfe00 && r <= 0xfe0f, // variation selectors
		r >= 0xe0100 && r <= 0xe01ef:
		return false
	}
	return true
}

// ascii is what stands for a character of kplan's own words where the terminal
// has only ASCII; "" for any other.
func ascii(r rune) string {
	switch r {
	case '…':
		return "..."
	case '→':
		return "->"
	case '·':
		return "-"
	}
	return ""
}

// safeJSON makes the text of a JSON document safe to show on a terminal: what
// escape would change is written as JSON escapes, which mean the same.
func safeJSON(doc []byte) []byte {
	var b []byte
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		switch {
		case r < 0x7f || visible(r) && r != utf8.RuneError:
			b = append(b, doc[i:i+n]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
	}
	return b
}
