// Package functions is the closed list of functions that a spec may call.
//
// It knows values and the files of a spec. All functions are pure: it knows no
// environment, no clock, no network and no command, so that a plan is the same
// on every run. It knows nothing of blocks, hosts or plans.
package functions

import (
	"maps"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/guard"
)

// Table is the functions of a module that reads files, with what they make
// charged to budget. They are safe for use by several goroutines.
//
// No function shows a part of a sensitive argument in its error.
func Table(files *Files, budget *guard.Budget) map[string]function.Function {
	t := &table{files: files, budget: budget, funcs: map[string]function.Function{}, secret: map[string]function.Function{}}
	for name, d := range definitions() {
		t.funcs[name] = t.guarded(name, d)
	}
	t.funcs["file"] = t.guarded("file", definition{f: t.file(false)})
	t.funcs["filebase64"] = t.guarded("filebase64", definition{f: t.fileBase64(false)})
	t.funcs["filesha256"] = t.guarded("filesha256", definition{f: t.fileSHA256(false)})
	t.funcs["fileset"] = t.guarded("fileset", definition{f: t.fileSet(), makes: true})
	t.funcs["templatefile"] = t.guarded("templatefile", definition{f: t.templateFile(false)})
	t.funcs["try"] = t.try()
	t.funcs["can"] = t.can()
	t.secret["file"] = t.guarded("file", definition{f: t.file(true)})
	t.secret["filebase64"] = t.guarded("filebase64", definition{f: t.fileBase64(true)})
	t.secret["filesha256"] = t.guarded("filesha256", definition{f: t.fileSHA256(true)})
	t.secret["templatefile"] = t.guarded("templatefile", definition{f: t.templateFile(true)})
	t.funcs["sensitive"] = t.sensitive()
	return t.funcs
}

// Names is the names of all functions, sorted.
func Names() []string {
	return slices.Sorted(maps.Keys(Table(RecordedFiles(nil, nil), guard.NewBudget())))
}

// Whole reports whether a function gives text, a number or a bool, which has no
// parts, whatever its arguments are. A template is taken for text.
func Whole(name string) bool { return undivided()[name] }

var undivided = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{"file": true, "filebase64": true, "filesha256": true, "templatefile": true, "can": true}
	for name, d := range definitions() {
		var types []cty.Type
		for _, p := range d.f.Params() {
			types = append(types, p.Type)
		}
		ty, err := d.f.ReturnType(types)
		names[name] = err == nil && ty.IsPrimitiveType()
	}
	return names
})

// table is what the functions of one module share.
type table struct {
	files  *Files
	budget *guard.Budget
	funcs  map[string]function.Function
	secret map[string]function.Function // those that read files, inside sensitive
}

// definition is a function as cty knows it, and what kplan adds.
type definition struct {
	f function.Function
	// before looks at the arguments, converted and without marks, and charges
	// for a result that can be much larger than they are. It is called only
	// where all are wholly known and not null.
	before func(b *guard.Budget, args []value) error
	// makes: the elements of the result are new, not those of an argument.
	makes bool
}
