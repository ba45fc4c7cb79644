package view

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, utf8, ascii string }{
		{"plain text", "plain text", "plain text"},
		{"tab\tstays", "tab\tstays", "tab\tstays"},
		{"\x1b[31mred\x07", `\u001b[31mred\u0007`, `\u001b[31mred\u0007`},
		{"one\r\ntwo", `one\r\ntwo`, `one\r\ntwo`},
		{"user\u202etxt.exe", `user\u202etxt.exe`, `user\u202etxt.exe`},
		{"zero\u200bwidth", `zero\u200bwidth`, `zero\u200bwidth`},
		{"\u009bC1 \u0085", `\u009bC1 \u0085`, `\u009bC1 \u0085`},
		{"bad \xff\xfe bytes", `bad \xff\xfe bytes`, `bad \xff\xfe bytes`},
		{"节点", "节点", `\u8282\u70b9`},
		{"wait…", "wait…", "wait..."},
		{"tag\U000e0041", `tag\U000e0041`, `tag\U000e0041`},
		{"😀", "😀", `\U0001f600`},
		{"\u00a0", `\u00a0`, `\u00a0`},
		{"\x7f", `\u007f`, `\u007f`},
	} {
		if got := escape(tt.in, true); got != tt.utf8 {
			t.Errorf("escape(%q, unicode) = %q, want %q", tt.in, got, tt.utf8)
		}
		if got := escape(tt.in, false); got != tt.ascii {
			t.Errorf("escape(%q, ascii) = %q, want %q", tt.in, got, tt.ascii)
		}
	}
}

func TestPageDefusesCommandsOfCI(t *testing.T) {
	for in, want := range map[string]string{
		"::error::gotcha":         `\u003a:error::gotcha`,
		"  ::add-mask::x":         `  \u003a:add-mask::x`,
		"a ::notice:: inside":     "a ::notice:: inside",
		"fe80::1":                 "fe80::1",
		"x ##[group]y":            `x #\u0023[group]y`,
		"##vso[task.setvariable]": `#\u0023vso[task.setvariable]`,
		"###[x]":                  `##\u0023[x]`,
		"##teamcity[x]":           `#\u0023teamcity[x]`,
		"## heading":              "## heading",
	} {
		p := newPage(look{})
		p.say(plain, in)
		if got := strings.TrimSuffix(p.String(), "\n"); got != want {
			t.Errorf("page of %q is %q, want %q", in, got, want)
		}
	}
	// In pieces, too.
	p := newPage(look{colour: true})
	p.put(plain, "  :")
	p.put(red, ":set-output")
	p.end()
	if got, want := p.String(), "  \\u003a\x1b[31m:set-output\x1b[0m\n"; got != want {
		t.Errorf("page in pieces is %q, want %q", got, want)
	}
}

// FuzzPage puts any text on a page, in two pieces: what comes out cannot act on
// who reads it.
func FuzzPage(f *testing.F) {
	for _, s := range []string{"\x1b]0;x\x07", "::set-env::", "\u202e", "a\r::b", "##[add-mask]", "\xff::", "\u2028::x", "#", ": :"} {
		f.Add(s, s, true)
		f.Add(":", s, false)
	}
	f.Fuzz(func(t *testing.T, a, b string, unicode bool) {
		p := newPage(look{unicode: unicode})
		p.put(plain, a)
		p.put(red, b)
		p.end()
		p.block(dim, "  | ", a)
		p.prose("", b)
		harmless(t, p.String(), unicode)
	})
}

// harmless fails where text holds what a reader must never get.
func harmless(t *testing.T, s string, unicode bool) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("not UTF-8: %q", s)
	}
	for _, r := range s {
		if r == '\n' || r == '\t' {
			continue
		}
		if r < 0x20 || r == 0x7f || r > 0x7e && (!unicode || !visible(r)) {
			t.Fatalf("%U in %q", r, s)
		}
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
			t.Fatalf("a command of a CI system: %q", line)
		}
	}
}

// FuzzSafeJSON checks that the document means the same and holds nothing that
// acts on a terminal.
func FuzzSafeJSON(f *testing.F) {
	f.Add("\x1b[2J\u202e\u200b\U000e0041\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := json.Marshal(s)
		if err != nil {
			return
		}
		var want, got string
		if err := json.Unmarshal(doc, &want); err != nil {
			return
		}
		safe := safeJSON(doc)
		if err := json.Unmarshal(safe, &got); err != nil || got != want {
			t.Fatalf("%q became %q (%v)", doc, safe, err)
		}
		for _, r := range string(safe) {
			if r < 0x20 || r == 0x7f || r > 0x7e && !visible(r) {
				t.Fatalf("%U in %q", r, safe)
			}
		}
	})
}

func TestColour(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		off  bool
		tty  bool
		want bool
	}{
		{tty: true, want: true},
		{tty: false, want: false},
		{tty: true, off: true},
		{env: []string{"NO_COLOR=yes"}, tty: true},
		{env: []string{"NO_COLOR=0"}, tty: true},
		{env: []string{"NO_COLOR="}, tty: true, want: true},
		{env: []string{"NO_COLOR=1", "FORCE_COLOR=1"}, tty: true},
		{env: []string{"FORCE_COLOR=1"}, want: true},
		{env: []string{"CLICOLOR_FORCE=1"}, want: true},
		{env: []string{"FORCE_COLOR=0"}, tty: true},
		{env: []string{"FORCE_COLOR=1"}, off: true},
		{env: []string{"TERM=dumb"}, tty: true},
		{env: []string{"TERM=dumb", "FORCE_COLOR=1"}, want: true},
	} {
		if got := colour(tt.off, environ(tt.env), tt.tty); got != tt.want {
			t.Errorf("colour(off %v, %q, tty %v) = %v", tt.off, tt.env, tt.tty, got)
		}
	}
}

func TestLocale(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"LANG=C.UTF-8"}, true},
		{[]string{"LANG=en_US.utf8"}, true},
		{[]string{"LANG=en_US.UTF-8", "LC_ALL=C"}, false},
		{[]string{"LANG=C", "LC_CTYPE=C.UTF-8"}, true},
	} {
		if got := utf8Locale(environ(tt.env)); got != tt.want {
			t.Errorf("utf8Locale(%q) = %v", tt.env, got)
		}
	}
}

func TestWrap(t *testing.T) {
	p := newPage(look{width: 30})
	p.prose("", "One sentence that is longer than the page is wide, and\n\n    a command that is never broken whatever its length\n")
	want := "One sentence that is longer\nthan the page is wide, and\n\n    a command that is never broken whatever its length\n"
	if p.String() != want {
		t.Errorf("got %q, want %q", p.String(), want)
	}
}
