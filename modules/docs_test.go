package modules_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource"
)

var update = flag.Bool("update", false, "rewrite docs/resources.md")

const resourcesPage = "../docs/resources.md"

// TestResourcesPage holds that docs/resources.md is what the sources of the
// types say.
func TestResourcesPage(t *testing.T) {
	page, err := writePage()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(resourcesPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(resourcesPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != page {
		t.Errorf("%s is not what the sources say; write it anew with go test ./modules -run TestResourcesPage -update", resourcesPage)
	}
}

func writePage() (string, error) {
	var b strings.Builder
	b.WriteString("# Resource types\n\n" +
		"<!-- Written by `go test ./modules -run TestResourcesPage -update` from the doc comments of the types. Do not edit. -->\n\n" +
		"What `kplan explain TYPE` prints, on one page, with what becomes of an object whose block is removed. Arguments that every resource takes (`on`, `for_each`, `depends_on` and more)\n" +
		"stand in [language.md](language.md#resources).\n\n" +
		"An attribute marked *identity* says which object it is: changing it means another object. *Computed* attributes are set by\n" +
		"the machine and can only be referred to. What is not set and has no default is not managed: not compared, not changed.\n\n")
	for _, t := range modules.All() {
		d, err := modules.Explain(t.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "- [`%s`](#%s): %s\n", t.Name, t.Name, summary(d))
	}
	for _, t := range modules.All() {
		d, _ := modules.Explain(t.Name)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", t.Name, summary(d))
		if d.Text != "" {
			b.WriteString(d.Text + "\n\n")
		}
		fmt.Fprintf(&b, "```hcl\n%s\n```\n\n", strings.TrimRight(d.Example, "\n"))
		b.WriteString("| attribute | type | | meaning |\n|---|---|---|---|\n")
		for _, a := range d.Attributes {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.Name, a.Type, kind(a), strings.ReplaceAll(a.Doc, "|", `\|`))
		}
		fmt.Fprintf(&b, "\n%s\n", fate(t))
	}
	return b.String(), nil
}

// summary is the summary without the type's name, which stands before it.
func summary(d modules.Doc) string {
	first, rest, _ := strings.Cut(d.Summary, " ")
	if !strings.EqualFold(first, strings.ReplaceAll(d.Type, "_", "")) {
		return d.Summary
	}
	rest = strings.TrimPrefix(rest, "is ")
	return strings.ToUpper(rest[:1]) + rest[1:]
}

func kind(a modules.AttributeDoc) string {
	s := a.Mode
	if s == "id" {
		s = "identity"
	}
	if a.Default != "" {
		s += ", default `" + a.Default + "`"
	}
	if a.Sensitive {
		s += ", sensitive"
	}
	return s
}

// fate says what becomes of an object whose block is removed, and what
// on_change does.
func fate(t *resource.Type) string {
	s := "When its block is removed: "
	switch {
	case t.IsAct:
		s += "forgotten; what it did stays."
	case t.CanDelete():
		s += "deleted where kplan created it, otherwise forgotten."
	default:
		s += "forgotten; the machine stays as it is."
	}
	if w := t.RefreshWord(); w != "" {
		s += fmt.Sprintf(" `on_change`: %s.", w)
	}
	return s
}
