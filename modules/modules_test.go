package modules_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
)

func TestEveryTypeIsDocumented(t *testing.T) {
	for _, typ := range modules.All() {
		d, err := modules.Explain(typ.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasSuffix(d.Summary, ".") || strings.Contains(d.Summary, "\n") || d.Text == "" {
			t.Errorf("%s: the summary is %q, the text %q", typ.Name, d.Summary, d.Text)
		}
		if want := "resource \"" + typ.Name + "\" \""; !strings.HasPrefix(d.Example, want) {
			t.Errorf("%s: the example does not begin with %s:\n%s", typ.Name, want, d.Example)
		}
		for _, a := range d.Attributes {
			if a.Doc == "" {
				t.Errorf("%s.%s has no doc comment", typ.Name, a.Name)
			}
		}
	}
}

func TestEveryTypeHasCases(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range cases.All() {
		tried[c.Type] = true
		if _, ok := modules.Lookup(c.Type); !ok {
			t.Errorf("the case %q is of a type that is not there: %s", c.Name, c.Type)
		}
	}
	for _, typ := range modules.All() {
		if !tried[typ.Name] {
			t.Errorf("no case tries the type %s", typ.Name)
		}
	}
}

func TestExplain(t *testing.T) {
	d, err := modules.Explain("sysctl")
	if err != nil {
		t.Fatal(err)
	}
	if d.Summary != "Sysctl sets a kernel parameter now and, unless persist is false, at boot." {
		t.Errorf("summary %q", d.Summary)
	}
	want := []modules.AttributeDoc{
		{Name: "key", Type: "string", Mode: "id", Doc: "in dots: net.ipv4.ip_forward"},
		{Name: "value", Type: "string", Mode: "required", Doc: "as sysctl(8) takes it"},
		{Name: "persist", Type: "bool", Mode: "optional", Default: "true", Doc: "keep it in /etc/sysctl.d"},
	}
	for i, a := range d.Attributes {
		if i >= len(want) || a != want[i] {
			t.Errorf("attribute %d is %+v", i, a)
		}
	}
	if d, err = modules.Explain("exec"); err != nil || d.Attributes[1].Type != "string or list(string)" {
		t.Errorf("exec.command is %+v, error %v", d.Attributes[1], err)
	}
	if _, err := modules.Explain("nope"); err == nil {
		t.Error("a type that is not there is explained")
	}
}
