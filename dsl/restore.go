package dsl

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/internal/guard"
)

// restored is a saved plan's bundle, with what is sensitive taken from the spec
// as it is now.
type restored struct {
	*Bundle
	key     []byte
	disk    source
	sources map[string][]byte // with the literals that were cut
}

// stale is the Extra of a diagnostic for which Stale reports true.
type stale struct{}

// Stale reports whether the diagnostic says that something is not what it was
// when a plan was saved.
func Stale(d *hcl.Diagnostic) bool {
	_, ok := d.Extra.(stale)
	return ok
}

func changed(rng hcl.Range, detail string, args ...any) *hcl.Diagnostic {
	d := errorAt(rng, "Not as planned", detail+" Make the plan again.", args...)
	d.Extra = stale{}
	return d
}

// notAsPlanned is a sensitive file that changed.
type notAsPlanned struct{ file string }

func (e *notAsPlanned) Error() string {
	return fmt.Sprintf("The file %s, which is sensitive and not in the plan, is not what it was", e.file)
}

// LoadBundle reads the spec of a saved plan. What is sensitive, and so not in
// the plan, comes from the usual sources: the spec in the directory dir, the
// environment, files with values and the command line. key is that of Bundle. A
// value that is not what it was is an error for which Stale reports true.
func LoadBundle(b *Bundle, key []byte, dir string, o Options) (*Spec, hcl.Diagnostics) {
	s := newSpec(dir, o)
	whole := hcl.Range{Filename: dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, hcl.Diagnostics{errorAt(whole, "Cannot read the spec", "The directory %s cannot be read: %s.", dir, reason(err))}
	}
	defer root.Close()
	r := &restored{Bundle: b, key: key, disk: disk{dir: dir, root: root, embedded: o.Embedded}}
	var diags hcl.Diagnostics
	if r.sources, diags = r.restoreSources(); diags.HasErrors() {
		return s, inOrder(diags)
	}
	s.bundle, s.from = r, r
	return s, s.load()
}

// restoreSources puts back what was cut, as it stands in the spec now.
func (r *restored) restoreSources() (map[string][]byte, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	sources := maps.Clone(r.Sources)
	cuts := map[string][]Cut{}
	for _, c := range r.Cuts {
		cuts[c.File] = append(cuts[c.File], c)
	}
	now := map[string]map[string][]byte{} // by directory and path
	for _, file := range slices.Sorted(maps.Keys(cuts)) {
		dir, ok := directory(file)
		if !ok || sources[file] == nil {
			diags = append(diags, damaged(file))
			continue
		}
		if now[dir] == nil {
			now[dir] = r.texts(location{path: dir})
		}
		src, more := restore(sources[file], cuts[file], func(c Cut) ([]byte, *hcl.Diagnostic) {
			at := hcl.Range{Filename: file, Start: hcl.InitialPos, End: hcl.InitialPos}
			text, ok := now[dir][c.Path]
			if !ok {
				return nil, errorAt(at, "Missing sensitive value", "The plan does not hold the sensitive value of %s in %s, and the spec has it no more. Put it back, or make the plan again.", c.Path, file)
			}
			if digestOf(r.key, "source."+c.Path, text) != c.Digest {
				return nil, changed(at, "The sensitive value of %s is not what it was when the plan was made.", c.Path)
			}
			return text, nil
		})
		diags = append(diags, more...)
		sources[file] = src
	}
	return sources, diags
}

// directory is the path of the location that a file is directly in.
func directory(file string) (string, bool) {
	rel := strings.TrimPrefix(file, "./")
	i := strings.LastIndexByte(rel, '/')
	if i < 0 {
		return ".", rel != ""
	}
	return rel[:i], true
}

// texts is the source text of every argument in a location of the spec as it is
// now.
func (r *restored) texts(l location) map[string][]byte {
	texts, seen := map[string][]byte{}, map[string]int{}
	names, err := r.disk.list(l)
	if err != nil {
		return texts
	}
	names = specFiles(names)
	slices.Sort(names)
	for _, name := range names {
		src, err := r.disk.read(l, name)
		if err != nil {
			continue
		}
		f, diags := guard.Parse(name, src, guard.NewBudget())
		if diags.HasErrors() {
			continue
		}
		argumentsIn(f.Body.(*hclsyntax.Body), "", seen, func(a argument) {
			rng := a.expr.Range()
			texts[a.path] = f.Bytes[rng.Start.Byte:rng.End.Byte]
		})
	}
	return texts
}

func (r *restored) list(l location) ([]string, error) {
	var names []string
	for file := range r.sources {
		if name, ok := l.within(file); ok && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names, nil
}

func (r *restored) read(l location, name string) ([]byte, error) {
	return r.sources[l.file(name)], nil
}

// functions is the files in the plan, and the sensitive ones as they are now.
func (r *restored) functions(l location, secret bool) (*functions.Files, error) {
	content := map[string][]byte{}
	for file, b := range r.Files {
		if rel, ok := l.within(file); ok {
			content[rel] = b
		}
	}
	if !secret {
		return functions.RecordedFiles(content, r.Listed[l.file("")]), nil
	}
	for what, digest := range r.Digests {
		file, ok := strings.CutPrefix(what, "file.")
		rel, inside := l.within(file)
		if !ok || !inside {
			continue
		}
		b, err := r.disk.read(l, rel)
		if err != nil {
			return nil, fmt.Errorf("the file %s is sensitive and not in the plan: %s", file, reason(err))
		}
		if digestOf(r.key, what, b) != digest {
			return nil, &notAsPlanned{file}
		}
		content[rel] = b
	}
	return functions.RecordedFiles(content, r.Listed[l.file("")]), nil
}

// variables gives the variables that are not sensitive the values of the plan.
// What the environment and files say of them does not count; on the command
// line they are refused.
func (r *restored) variables(s *Spec) hcl.Diagnostics {
	if r == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, kv := range s.options.Vars {
		name, _, _ := strings.Cut(kv, "=")
		if v := s.root.mod.variables[strings.TrimSpace(name)]; v != nil && !v.sensitive {
			diags = append(diags, errorAt(v.rng, "Variable is in the plan", "--var gives a value to %q beside a saved plan, which holds its value. Only sensitive variables are given again.", v.name))
		}
	}
	for name, v := range s.root.mod.variables {
		if v.sensitive {
			continue
		}
		value, err := decode(r.Variables[name])
		if err != nil {
			diags = append(diags, damaged(v.rng.Filename))
			continue
		}
		s.given[name] = given{value: value, from: "the plan", rng: v.rng}
	}
	return diags
}

func decode(j json.RawMessage) (cty.Value, error) {
	if j == nil {
		return cty.NilVal, fmt.Errorf("no value")
	}
	return ctyjson.Unmarshal(j, cty.DynamicPseudoType)
}

// compare refuses sensitive variables whose values are not those of the plan.
func (r *restored) compare(s *Spec) hcl.Diagnostics {
	if r == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for name, v := range s.root.mod.variables {
		if _, ok := s.given[name]; !ok || !v.sensitive {
			continue
		}
		value, more := s.value(s.top, valueID{s.root, kindVar, name}, nil)
		bare, _ := value.UnmarkDeep()
		j, err := ctyjson.Marshal(bare, cty.DynamicPseudoType)
		if more.HasErrors() || err != nil {
			continue // reported by readVariables
		}
		if digestOf(r.key, "var."+name, j) != r.Digests["var."+name] {
			diags = append(diags, changed(v.rng, "The value of the sensitive variable %q is not what it was when the plan was made.", name))
		}
	}
	return diags
}
