package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// fenced finds the HCL in a page. Behind the word hcl may stand
// spec=NAME/FILE: this is FILE of the whole spec NAME.
var fenced = regexp.MustCompile("(?ms)^```hcl(?: spec=([a-z]+)/(\\S+))?\n(.*?)^```$")

// TestLanguagePage holds that the examples of docs/language.md are in canonical
// form, and that those that are whole specs can be planned.
func TestLanguagePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	specs := map[string]*site{}
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		name, file, src := m[1], m[2], m[3]
		formatted, diags := dsl.Format(name+"/"+file, []byte(src))
		if diags.HasErrors() {
			t.Errorf("%v in\n%s", diags, src)
		} else if string(formatted) != src {
			t.Errorf("not in canonical form:\n%s\nwant\n%s", src, formatted)
		}
		if name == "" {
			continue
		}
		if specs[name] == nil {
			specs[name] = &site{t: t, dir: t.TempDir()}
		}
		s := specs[name]
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, file)), 0o700); err != nil {
			t.Fatal(err)
		}
		s.write(file, src)
	}
	if len(specs) == 0 {
		t.Fatal("the page has no examples")
	}
	for _, s := range specs {
		s.want(0, []string{"Success!"}, "validate")
		s.want(0, []string{"Plan: "}, "plan", "--offline")
	}
}

// TestExamples holds that the examples are in canonical form and can be
// planned, with the key beside them that who copies one is to bring.
func TestExamples(t *testing.T) {
	const root = "../../../examples/"
	examples, err := os.ReadDir(root)
	if err != nil || len(examples) < 2 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, e := range examples {
		t.Run(e.Name(), func(t *testing.T) {
			s := &site{t: t, dir: t.TempDir()}
			if err := os.CopyFS(s.dir, os.DirFS(root+e.Name())); err != nil {
				t.Fatal(err)
			}
			s.write("kubernetes.asc", resourcetest.ForeignKey)
			s.want(0, nil, "fmt", "--check", "--diff")
			s.want(0, []string{"Success!"}, "validate")
			s.want(0, []string{"Plan: ", " 0 to destroy."}, "plan", "--offline")
		})
	}
}

// TestModules holds that the modules that kplan brings are in canonical form.
func TestModules(t *testing.T) {
	files, err := filepath.Glob("../../../modules/std/*/*/*.kplan.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if formatted, diags := dsl.Format(f, src); diags.HasErrors() || string(formatted) != string(src) {
			t.Errorf("%s is not in canonical form: %v", f, diags)
		}
	}
}

// TestPagesNameWhatIsThere holds that links between the pages lead somewhere,
// and that there are the commands that they name.
func TestPagesNameWhatIsThere(t *testing.T) {
	const root = "../../../"
	pages, err := filepath.Glob(root + "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob(root + "*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:"]+)(?:#[^)]*)?\)`)
	inText := regexp.MustCompile("`kplan ([a-z]+)(?: ([a-z]+))?")
	inCode := regexp.MustCompile("(?m)^kplan ([a-z]+)(?: ([a-z]+))?")
	for _, p := range slices.Concat(pages, top) {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(b), "```") {
			named := inCode
			if i%2 == 0 {
				named = inText
				for _, m := range link.FindAllStringSubmatch(part, -1) {
					if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
						t.Errorf("%s links to %s, which is not there", p, m[1])
					}
				}
			}
			for _, m := range named.FindAllStringSubmatch(part, -1) {
				if !slices.ContainsFunc(commands(), func(c command) bool {
					return c.name == m[1] || c.name == m[1]+" "+m[2]
				}) {
					t.Errorf("%s names the command %q, which is not there", p, m[0])
				}
			}
		}
	}
}
