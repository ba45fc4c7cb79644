package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules"
)

// TestEveryTypeHasAScript holds that a script type_NAME shows each resource
// type as its users see it, with every argument that it takes.
func TestEveryTypeHasAScript(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/type_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	specs := map[string]string{} // by type: all that its script gives kplan
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "type_"), ".txtar")
		if _, ok := modules.Lookup(name); !ok {
			t.Errorf("%s is of a type that is not there", path)
		}
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".kplan.hcl") {
				specs[name] += string(f.Data)
			}
		}
	}
	for _, typ := range modules.All() {
		spec, ok := specs[typ.Name]
		if !ok {
			t.Errorf("the type %s has no script: write testdata/script/type_%s.txtar, as type_sysctl.txtar is", typ.Name, typ.Name)
			continue
		}
		blocks := regexp.MustCompile(`(?ms)^resource "`+typ.Name+`" .*?^}`).FindAllString(spec, -1)
		for _, a := range typ.Schema.Attributes {
			if a.Mode != schema.Computed && !regexp.MustCompile(`(?m)^  `+a.Name+` += `).MatchString(strings.Join(blocks, "\n")) {
				t.Errorf("the script of the type %s never sets %s", typ.Name, a.Name)
			}
		}
	}
}
