package objects_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/objects"
)

const two = `# what it is for
---
apiVersion: v1
kind: Namespace
metadata:
  name: web
--- # the second
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: web}
spec:
  text: |
    ---
    inside
---

# nothing
`

func TestParse(t *testing.T) {
	all, err := objects.Parse(two)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d objects, error %v", len(all), err)
	}
	if got := all[0].String() + ", " + all[1].String(); got != "Namespace web, Deployment web/front" {
		t.Error(got)
	}
	if all[1].Group() != "apps" || all[0].Group() != "" || !strings.HasPrefix(all[1].Text, "apiVersion: apps/v1\n") || !strings.HasSuffix(all[1].Text, "    inside\n") {
		t.Errorf("%+v", all[1])
	}
	body, err := all[1].JSON()
	if want := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"front","namespace":"web"},"spec":{"text":"---\ninside\n"}}`; err != nil || string(body) != want {
		t.Errorf("%s, error %v", body, err)
	}
	if all, err = objects.Parse(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}`); err != nil || len(all) != 1 || all[0].Name != "json" {
		t.Errorf("of JSON: %v, error %v", all, err)
	}
	if all, err = objects.Parse("# nothing\n---\n"); err != nil || len(all) != 0 {
		t.Errorf("of comments: %v, error %v", all, err)
	}
}

func TestOneObjectInSeveralSpellings(t *testing.T) {
	a := objects.ID{APIVersion: "apps/v1beta1", Kind: "Deployment", Name: "x"}
	b := objects.ID{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "x"}
	c := objects.ID{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "other", Name: "x"}
	if a.Key() != b.Key() || b.Key() == c.Key() {
		t.Errorf("%q, %q, %q", a.Key(), b.Key(), c.Key())
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\n"
	for _, c := range []struct{ text, says string }{
		{"a: [", "document 1 is no YAML"},
		{"--- \nkind: X\nmetadata: {name: x}\n", "document 2 has no apiVersion"},
		{"apiVersion: v1\nmetadata: {name: x}\n", "has no kind"},
		{head, "has no metadata.name"},
		{head + "metadata: {name: 5}\n", "has no metadata.name"},
		{head + "metadata: text\n", "has no metadata.name"},
		{"just text\n", "has no apiVersion"},
		{"apiVersion: v1\nkind: List\nitems: []\n", "Write each object of it"},
		{head + "metadata: {name: x}\n---\n" + head + "metadata: {name: x, namespace: default}\n", "document 2 holds ConfigMap default/x, which document 1 holds already"},
		{head + "data: " + strings.Repeat("[", 5000000), "nested too deep"},
		{strings.Repeat("- ", 5000000), "nested too deep"},
	} {
		if _, err := objects.Parse(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60q: the error is %v, expected %q", c.text, err, c.says)
		}
	}
}

// What is no YAML is said to be where it is in the text: not in its document, and
// not where the decoder had got to when it noticed.
func TestLines(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n"
	for _, c := range []struct{ text, says string }{
		{"kind: Namespace\napiVersion v1", "on line 2: could not find"},
		{"kind: Namespace\napiVersion v1\n", "on line 2: could not find"},
		{"kind: Namespace\napiVersion v1\n\n# more\n\nmetadata: {}\n", "on line 2: could not find"},
		{"kind: Namespace\n  apiVersion: v1\nmetadata: {}\n", "on line 2: mapping values are not allowed"},
		{"kind: Namespace\nmetadata: {name: 'x}\n", "on line 2: found unexpected end of stream"},
		{"kind: Namespace\nmetadata: [a\n", "on line 2: did not find expected ',' or ']'"},
		{"kind: Namespace\nmetadata: [a\nb: c\nd: e\n", "on line 3: did not find expected ',' or ']'"},
		{"kind: Namespace\nmetadata: {}\n- a\n", "on line 3: did not find expected key"},
		{"kind: Namespace\nmetadata: {}\n? [a]\n: b\n", "on line 3: only strings are allowed as mapping keys"},
		{head + "kind: Namespace\n\ta: b\n", "document 2 is no YAML: on line 6: "},
		{head + "kind: Namespace\napiVersion v1", "document 2 is no YAML: on line 6: could not find"},
		{"# of a file\n---\n" + head + "kind: Namespace\r\napiVersion v1\r\n", "document 3 is no YAML: on line 8: could not find"},
	} {
		_, err := objects.Parse(c.text)
		_, same := objects.Trees(c.text)
		if err == nil || same == nil || err.Error() != same.Error() || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: the errors are %v and %v, expected %q", c.text, err, same, c.says)
		}
	}
}
