package engine

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl"
)

// hidden stands for a secret in texts of machines.
const hidden = "(sensitive value)"

// shortest is the length below which a line of a secret is not looked for: it
// would blank out harmless text everywhere, and tell by that what it is.
const shortest = 4

// hide blanks the secrets of the spec in a text that came from a machine: what
// sensitive variables and arguments hold, whole and line by line, as it is and
// in the encodings that commands often print.
func (d *derivation) hide(text string) string {
	if text == "" {
		return ""
	}
	d.hiding.Do(func() { d.hider = d.newHider() })
	if d.hider == nil {
		return text
	}
	return d.hider.Replace(text)
}

func (d *derivation) newHider() *strings.Replacer {
	texts := map[string]bool{}
	for _, s := range d.in.Spec.Secrets() {
		texts[s] = true
	}
	for i, names := range d.secrets {
		if d.wants[i].IsNull() {
			continue
		}
		for _, name := range names {
			if d.wants[i].Type().HasAttribute(name) {
				dsl.Texts(d.wants[i].GetAttr(name), texts)
			}
		}
	}
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
	if len(forms) == 0 {
		return nil
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
