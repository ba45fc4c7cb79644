package dsl

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

func TestFormat(t *testing.T) {
	got, diags := Format("a.kplan.hcl", []byte("resource   \"file\"  \"x\" {\n on=hosts\n  path   = \"/x\" # why\n}\n"))
	noErrors(t, diags)
	equal(t, "formatted", string(got), "resource \"file\" \"x\" {\n  on   = hosts\n  path = \"/x\" # why\n}\n")
	bad := []byte("resource {")
	if got, diags := Format("a.kplan.hcl", bad); !diags.HasErrors() || string(got) != string(bad) {
		t.Errorf("%q %v", got, diags)
	}
}

// TestFormatIdempotent holds that what is canonical stays as it is.
func TestFormatIdempotent(t *testing.T) {
	paths, _ := filepath.Glob("testdata/errors/*.txtar")
	for _, p := range paths {
		src, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(src).Files {
			once, diags := Format(f.Name, f.Data)
			if diags.HasErrors() {
				continue
			}
			if twice, _ := Format(f.Name, once); string(twice) != string(once) {
				t.Errorf("%s: %s", p, f.Name)
			}
		}
	}
}
