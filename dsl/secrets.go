package dsl

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Secrets are the texts that make up the sensitive variables of the root
// module, sorted: what must not be shown wherever it turns up, such as in the
// output of a command.
func (s *Spec) Secrets() []string {
	texts := map[string]bool{}
	for name, v := range s.root.mod.variables {
		if !v.sensitive {
			continue
		}
		value, diags := s.value(s.top, valueID{s.root, kindVar, name}, nil)
		if !diags.HasErrors() {
			Texts(value, texts)
		}
	}
	return slices.Sorted(maps.Keys(texts))
}

// Texts adds the strings in v, at any depth, to texts.
func Texts(v cty.Value, texts map[string]bool) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) { // no error is returned
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() != "" {
			texts[v.AsString()] = true
		}
		return true, nil
	})
}
