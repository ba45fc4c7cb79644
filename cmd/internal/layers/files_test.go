package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const maxLines = 500

// left finds words that say something is not finished.
var left = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

// sources calls f for each Go file below the root of the module.
func sources(t *testing.T, f func(name string, src []byte, file *ast.File, set *token.FileSet)) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || rel == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, rel, src, parser.ParseComments)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(rel), src, file, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	documented := map[string]bool{}
	sources(t, func(name string, src []byte, file *ast.File, set *token.FileSet) {
		if n := strings.Count(string(src), "\n"); n > maxLines {
			t.Errorf("%s has %d lines: %d at most, 300 as a rule", name, n, maxLines)
		}
		for _, group := range file.Comments {
			if word := left.FindString(group.Text()); word != "" {
				t.Errorf("%s: a comment says %s: do it, or write down for users that it is not there", set.Position(group.Pos()), word)
			}
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init runs before anybody can say what it should do: call it by a name", set.Position(f.Pos()))
			}
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if !strings.HasSuffix(name, "_test.go") {
			documented[dir] = documented[dir] || file.Doc != nil
		}
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment: what does it know, and what not?", dir)
		}
	}
}

// Only the command writes to the user: everything below gives values, errors
// and events.
func TestOutput(t *testing.T) {
	sources(t, func(name string, _ []byte, file *ast.File, set *token.FileSet) {
		if strings.HasPrefix(name, "test/") || strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				what := x.Name + "." + n.Sel.Name
				switch what {
				case "os.Stdout", "os.Stderr", "os.Stdin":
					if name != "cmd/kplan/main.go" {
						t.Errorf("%s uses %s: main hands the streams on", set.Position(n.Pos()), what)
					}
				case "fmt.Print", "fmt.Printf", "fmt.Println":
					t.Errorf("%s uses %s: only cmd/internal/view writes to the user, to what it is given", set.Position(n.Pos()), what)
				case "os.Exit":
					if name != "cmd/kplan/main.go" {
						t.Errorf("%s uses os.Exit: only main ends the process", set.Position(n.Pos()))
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") && f.Obj == nil {
					t.Errorf("%s uses %s", set.Position(n.Pos()), f.Name)
				}
			}
			return true
		})
	})
}
