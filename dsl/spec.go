package dsl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/internal/guard"
)

// Spec is a spec that was loaded. After Load it is safe for use by several
// goroutines.
type Spec struct {
	options Options
	dir     string
	from    source
	budget  *guard.Budget
	files   map[string]*hcl.File
	broken  map[string]bool // by file: it could not be parsed, or not all of it

	modules map[location]*module
	root    *node
	top     *instance // of the root module

	bundle *restored // where the spec is that of a saved plan

	hosts     []*Host // by name
	hostIndex map[string]int32
	values    hostValues
	given     map[string]given // values of the root's variables

	reasons map[valueID]*reasonWhy // why a value is not static; nil: it is
	spread  bool                   // findSecrets has marked what is only used as sensitive

	expandOnce  sync.Once
	expansion   *Expansion
	expandDiags hcl.Diagnostics
}

// node is a module at its place in the tree of calls.
type node struct {
	parent   *node
	call     *callBlock // nil in the root
	mod      *module
	children map[string]*node
	shapes   map[*resourceBlock]*shape
}

// path is what messages call the node: module.a.module.b, "" for the root.
func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	p := "module." + n.call.name
	if up := n.parent.path(); up != "" {
		return up + "." + p
	}
	return p
}

// maxDepth bounds how deep module calls nest, and maxModules how many there
// are.
const (
	maxDepth   = 20
	maxModules = 10_000
)

// Load reads the spec in the directory dir. The spec is never nil: after
// errors it serves to show their sources, and nothing else.
func Load(dir string, o Options) (*Spec, hcl.Diagnostics) {
	s := newSpec(dir, o)
	whole := hcl.Range{Filename: dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return s, hcl.Diagnostics{errorAt(whole, "Cannot read the spec", "The directory %s cannot be read: %s.", dir, reason(err))}
	}
	s.from = disk{dir: dir, root: root, embedded: o.Embedded}
	defer root.Close()
	return s, s.load()
}

func newSpec(dir string, o Options) *Spec {
	return &Spec{
		options: o, dir: dir, budget: guard.NewBudget(), files: map[string]*hcl.File{}, broken: map[string]bool{},
		modules: map[location]*module{}, given: map[string]given{}, reasons: map[valueID]*reasonWhy{},
		hostIndex: map[string]int32{},
	}
}

// Close ends the reading of the spec's files. What was evaluated stays.
func (s *Spec) Close() error {
	var errs []error
	for _, m := range s.modules {
		for _, f := range []*functions.Files{m.files, m.secretFiles, m.doubtFiles} {
			if f != nil {
				errs = append(errs, f.Close())
			}
		}
	}
	return errors.Join(errs...)
}

// Hosts are the hosts of the spec, by name.
func (s *Spec) Hosts() []*Host { return s.hosts }

// Backend says where the state lives.
func (s *Spec) Backend() Backend {
	b := Backend{Type: "local", Path: ".kplan"}
	if s.root != nil && s.root.mod.settings != nil {
		if set := s.root.mod.settings.backend; set.Type != "" {
			return set
		}
		b.Range = s.root.mod.settings.rng
	}
	return b
}

// load runs the phases of loading, each on what those before it found right.
func (s *Spec) load() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, phase := range []func() hcl.Diagnostics{
		s.loadModules, s.checkVersion, s.resolve, s.checkCycles, s.checkStatic, s.readVariables, s.readHosts, s.checkHosts, s.checkVariables,
	} {
		diags = append(diags, phase()...)
		if e := s.budget.Err(); e != nil && !slices.Contains(diags, e) {
			diags = append(diags, e)
		}
		if diags.HasErrors() {
			break
		}
	}
	return inOrder(diags)
}

func (s *Spec) loadModules() hcl.Diagnostics {
	mod, diags := s.module(location{path: "."}, hcl.Range{Filename: s.dir}, true)
	if diags.HasErrors() {
		return diags
	}
	s.root = &node{mod: mod, children: map[string]*node{}, shapes: map[*resourceBlock]*shape{}}
	count := 0
	diags = append(diags, s.loadCalls(s.root, &count, 0)...)
	s.top = newInstance(s, s.root, nil, addr.Key{}, "", nil)
	return append(diags, s.closeOff()...)
}

// closeOff keeps functions from the directory of the state and from the files
// with values of variables, which may hold secrets and stand in no plan.
func (s *Spec) closeOff() hcl.Diagnostics {
	paths := append([]string{filepath.Join(s.dir, s.Backend().Path)}, s.options.VarFiles...)
	if filepath.IsAbs(s.Backend().Path) {
		paths[0] = s.Backend().Path
	}
	for _, m := range s.modules {
		if m.loc.embedded || m.doubtFiles == nil {
			continue
		}
		dir, err := filepath.Abs(filepath.Join(s.dir, filepath.FromSlash(m.loc.path)))
		if err != nil {
			return hcl.Diagnostics{errorAt(hcl.Range{Filename: s.dir}, "Cannot read the spec", "The directory %s cannot be found: %s.", s.dir, reason(err))}
		}
		for _, p := range paths {
			if p, err = filepath.Abs(p); err != nil {
				continue // dir would not be known either
			}
			rel, err := filepath.Rel(dir, p)
			if err != nil || rel == "." || !filepath.IsLocal(rel) {
				continue // it is not below the module
			}
			for _, f := range []*functions.Files{m.files, m.secretFiles, m.doubtFiles} {
				f.CloseOff(filepath.ToSlash(rel))
			}
		}
	}
	return nil
}

// loadCalls reads the modules that n calls, and those that they call.
func (s *Spec) loadCalls(n *node, count *int, depth int) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, o := range n.mod.ordered {
		c := o.call
		if c == nil || c.source == "" {
			continue
		}
		loc, err := n.mod.loc.join(c.source)
		if err != nil {
			diags = append(diags, errorAt(c.sourceRng, "Invalid module source", "The source %q cannot be used: %s.", c.source, err))
			continue
		}
		for up := n; up != nil; up = up.parent {
			if up.mod.loc == loc {
				diags = append(diags, errorAt(c.sourceRng, "Module calls itself", "The module %q is called from within itself, without end. Remove the call.", c.source))
				return diags
			}
		}
		if *count++; *count > maxModules || depth >= maxDepth {
			return append(diags, errorAt(c.rng, "Too many modules", "A spec may call at most %d modules, at most %d deep.", maxModules, maxDepth))
		}
		mod, more := s.module(loc, c.sourceRng, false)
		diags = append(diags, more...)
		if mod == nil {
			continue
		}
		child := &node{parent: n, call: c, mod: mod, children: map[string]*node{}, shapes: map[*resourceBlock]*shape{}}
		n.children[c.name] = child
		diags = append(diags, s.loadCalls(child, count, depth+1)...)
	}
	return diags
}

// module reads the files of a location, once. asked is who asked for it.
func (s *Spec) module(loc location, asked hcl.Range, root bool) (*module, hcl.Diagnostics) {
	if m, ok := s.modules[loc]; ok {
		return m, nil
	}
	names, err := s.from.list(loc)
	what := "The directory " + loc.file("")
	if root {
		what = "The directory " + s.dir
	}
	if err != nil {
		if loc.embedded && errors.Is(err, fs.ErrNotExist) {
			return nil, hcl.Diagnostics{errorAt(asked, "Unknown module", "This version of kplan has no module %q.%s", loc.path, suggest(loc.path, s.embedded()))}
		}
		return nil, hcl.Diagnostics{errorAt(asked, "Cannot read the module", "%s cannot be read: %s.", what, reason(err))}
	}
	all := names
	if names = specFiles(all); len(names) == 0 {
		d := errorAt(asked, "No spec", "%s holds no file that ends with %s, such as main%s.", what, suffix, suffix)
		if other := only(all, func(n string) bool {
			return slices.Contains([]string{".hcl", ".tf"}, path.Ext(n)) && !strings.HasSuffix(n, valuesSuffix)
		}); len(other) > 0 {
			d.Detail += fmt.Sprintf(" Of %s nothing is read; where that is to be the spec, rename it.", list(other))
		}
		return nil, hcl.Diagnostics{d}
	}
	mod := newModule(loc, root)
	s.modules[loc] = mod
	c := &collector{mod: mod, types: s.options.Types}
	slices.Sort(names)
	for _, name := range names {
		c.diags = append(c.diags, s.parse(mod, name, c)...)
	}
	mod.files, err = s.from.functions(loc, false)
	if err == nil {
		mod.secretFiles, err = s.from.functions(loc, true)
	}
	if err == nil {
		mod.doubtFiles, err = s.from.functions(loc, false)
	}
	if err != nil {
		var changedFile *notAsPlanned
		if errors.As(err, &changedFile) {
			c.add(changed(asked, "%s.", err))
		} else {
			c.add(errorAt(asked, "Cannot read the module", "%s cannot be read: %s.", what, reason(err)))
		}
		return mod, c.diags
	}
	mod.table, mod.secretTable = functions.Table(mod.files, s.budget), functions.Table(mod.secretFiles, s.budget)
	mod.doubtTable = functions.Table(mod.doubtFiles, s.budget)
	return mod, c.diags
}

// embedded is the sources of the modules that are part of the program.
func (s *Spec) embedded() []string {
	names, _ := s.from.list(location{embedded: true, path: "kplan"}) // none, where there are none
	for i, n := range names {
		names[i] = "kplan/" + n
	}
	return names
}

// parse reads one file of blocks.
func (s *Spec) parse(mod *module, name string, c *collector) hcl.Diagnostics {
	shown := mod.loc.file(name)
	src, err := s.from.read(mod.loc, name)
	if err != nil {
		return hcl.Diagnostics{errorAt(hcl.Range{Filename: shown},
			"Cannot read a file", "The file %s cannot be read: %s.", shown, reason(err))}
	}
	mod.sources[name] = src
	f, diags := guard.Parse(shown, src, s.budget)
	if f == nil {
		return diags
	}
	s.files[shown], s.broken[shown] = f, diags.HasErrors()
	if body, ok := f.Body.(*hclsyntax.Body); ok && !diags.HasErrors() {
		c.file(body)
	}
	return diags
}

// nodes is all nodes of the tree of calls, each before those it calls.
func (s *Spec) nodes() []*node {
	all := []*node{s.root}
	for i := 0; i < len(all); i++ {
		for _, name := range slices.Sorted(maps.Keys(all[i].children)) {
			all = append(all, all[i].children[name])
		}
	}
	return all
}
