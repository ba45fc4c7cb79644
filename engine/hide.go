package engine

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
)

// hidden stands for a secret in texts of machines.
const hidden = "(sensitive value)"

// shortest is the length below which a line of a secret is not looked for: it
// would blank out harmless text everywhere, and tell by that what it is.
const shortest = 4

// longest is how much is shown of one line that a machine wrote, in bytes.
const longest = 300

// hider blanks secrets in texts that came from machines: whole and line by
// line, as they are and in the encodings that commands often print.
type hider struct {
	mu       sync.Mutex
	texts    map[string]bool
	replacer *strings.Replacer // nil where texts were added since
}

// add adds the strings in v to what is blanked.
func (h *hider) add(v cty.Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.texts == nil {
		h.texts = map[string]bool{}
	}
	known := len(h.texts)
	if dsl.Texts(v, h.texts); len(h.texts) > known {
		h.replacer = nil
	}
}

// hide blanks the secrets in text, and only then cuts its long lines.
func (h *hider) hide(text string) string {
	if text == "" {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.replacer == nil {
		h.replacer = newReplacer(h.texts)
	}
	lines := strings.Split(h.replacer.Replace(text), "\n")
	for i, line := range lines {
		if len(line) > longest {
			end := longest
			for !utf8.RuneStart(line[end]) {
				end--
			}
			lines[i] = line[:end] + "…"
		}
	}
	return strings.Join(lines, "\n")
}

func newReplacer(texts map[string]bool) *strings.Replacer {
	forms := map[string]bool{}
	for text := range texts {
		for _, part := range append(strings.Split(text, "\n"), text) {
			part = strings.TrimSpace(part)
			if len(part) < shortest {
				continue
			}
			forms[part] = true
			forms[base64.StdEncoding.EncodeToString([]byte(part))] = true
			forms[base64.StdEncoding.EncodeToString([]byte(part+"\n"))] = true
			forms[base64.RawURLEncoding.EncodeToString([]byte(part))] = true
			forms[url.QueryEscape(part)] = true
		}
	}
	var pairs []string
	for _, form := range slices.SortedFunc(maps.Keys(forms), longestFirst) {
		pairs = append(pairs, form, hidden)
	}
	return strings.NewReplacer(pairs...)
}

func longestFirst(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
}

// hides adds what instance i wants and must not be shown.
func (d *derivation) hides(i int) {
	for _, name := range d.nodes[i].secrets {
		d.hider.add(d.nodes[i].want.GetAttr(name))
	}
}
