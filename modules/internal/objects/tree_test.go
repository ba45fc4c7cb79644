package objects

import (
	"reflect"
	"strings"
	"testing"
)

func TestTrees(t *testing.T) {
	const text = `a: {b: 1, "yes": on, none: null}
list: [1.5, x, [z], {}]
maps:
- name: "it's \"quoted\": #no comment"
  value: |
    two
    lines
- {name: 日本, value: "\x7f\u2028\U0001F600"}
empty: {}
nothing: []
nodefs.available: 0%
"a b": 12345678901234567890
"": "1"
`
	const want = `"": "1"
a:
  b: 1
  none: null
  "yes": true
"a b": 12345678901234567890
empty: {}
list: [1.5, "x", ["z"], {}]
maps:
- name: "it's \"quoted\": #no comment"
  value: "two\nlines\n"
- name: "日本"
  value: "\x7f\u2028😀"
nodefs.available: "0%"
nothing: []
`
	trees, err := Trees("# nothing\n---\n" + text)
	if err != nil || len(trees) != 1 {
		t.Fatalf("%v, %v", trees, err)
	}
	got := YAML(trees[0])
	if got != want {
		t.Errorf("written:\n%s", got)
	}
	again, err := Trees(got)
	if err != nil || !reflect.DeepEqual(again, trees) {
		t.Errorf("read again: %#v, %v", again, err)
	}
	if again, err := Trees(YAML(map[string]any{})); err != nil || len(again) != 1 || len(again[0]) != 0 {
		t.Errorf("nothing at all is read as %#v, %v", again, err)
	}
}

func TestTreesRefuse(t *testing.T) {
	for text, says := range map[string]string{
		"a: 1\n---\n- b\n":               "document 2 is no mapping",
		"null\n":                         "document 1 is no mapping",
		"a: [\n":                         "document 1 is no YAML",
		strings.Repeat("[", 2000) + "\n": "nested too deep",
	} {
		if _, err := Trees(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
