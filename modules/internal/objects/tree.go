package objects

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Trees reads the documents of a text, each of which must be a mapping, as
// package json has them: map[string]any, []any, string, bool, json.Number and
// nil. Those without content are left out. An error is a full sentence.
func Trees(text string) ([]map[string]any, error) {
	var all []map[string]any
	for i, doc := range split(text) {
		if empty(doc.text) {
			continue
		}
		if TooDeep(doc.text) {
			return nil, fmt.Errorf("document %d is nested too deep: at most %d levels", i+1, maxLevels)
		}
		v, err := doc.decode()
		if err != nil {
			return nil, fmt.Errorf("document %d is no YAML: %w", i+1, err)
		}
		if v.IsNull() || !v.Type().IsObjectType() {
			return nil, fmt.Errorf("document %d is no mapping", i+1)
		}
		b, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		var tree map[string]any
		if err := d.Decode(&tree); err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		all = append(all, tree)
	}
	return all, nil
}

// YAML writes a tree as Trees reads it, with its keys in order: one text for one
// tree.
func YAML(tree map[string]any) string {
	if len(tree) == 0 {
		return "{}\n"
	}
	var b strings.Builder
	block(&b, "", tree)
	return b.String()
}

func block(b *strings.Builder, indent string, tree map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		b.WriteString(indent + name(key) + ":")
		switch v := tree[key].(type) {
		case map[string]any:
			if len(v) > 0 {
				b.WriteString("\n")
				block(b, indent+"  ", v)
				continue
			}
		case []any:
			if len(v) > 0 && !slices.ContainsFunc(v, func(e any) bool { m, ok := e.(map[string]any); return !ok || len(m) == 0 }) {
				b.WriteString("\n")
				for _, e := range v {
					var item strings.Builder
					block(&item, indent+"  ", e.(map[string]any))
					b.WriteString(indent + "- " + strings.TrimPrefix(item.String(), indent+"  "))
				}
				continue
			}
		}
		b.WriteString(" " + flow(tree[key]) + "\n")
	}
}

// flow is a value in one line. Go quotes a text as YAML does.
func flow(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case []any:
		all := make([]string, len(v))
		for i, e := range v {
			all[i] = flow(e)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case map[string]any:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(all, name(key)+": "+flow(v[key]))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprint(v)
}

var (
	bareKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)
	notText = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`) // of YAML 1.1, which Kubernetes reads
)

func name(key string) string {
	if bareKey.MatchString(key) && !notText.MatchString(key) {
		return key
	}
	return strconv.Quote(key)
}
