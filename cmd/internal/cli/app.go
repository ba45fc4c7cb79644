package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/std"
	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/local"
)

// app is one run of the program, as commands use it.
type app struct {
	env     Env
	common  *common
	view    *view.View
	signals *signals

	dir       string               // where the spec is
	spec      *dsl.Spec            // nil until one was loaded
	sources   map[string]*hcl.File // as they are shown, of the spec sourcesOf
	sourcesOf *dsl.Spec
	streams   []*view.Stream
	quiet     bool // a stream takes the place of text
}

// enter finds the directory of the spec.
func (a *app) enter() error {
	dir := a.env.Dir
	if dir == "" {
		var err error
		if dir, err = os.Getwd(); err != nil {
			return problem("The working directory cannot be read", "It may have been removed. Change to another one, or name one with --chdir.")
		}
	}
	a.dir = dir
	if a.common.chdir != "" {
		a.dir = a.path(a.common.chdir)
		if info, err := os.Stat(a.dir); err != nil || !info.IsDir() {
			return problem("There is no directory "+a.common.chdir, "--chdir names the directory where the spec is.")
		}
	}
	return nil
}

// path is a path that the user wrote, from the directory of the spec.
func (a *app) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.dir, p)
}

// getenv looks up a variable of the environment.
func (a *app) getenv(name string) string {
	for i := len(a.env.Environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(a.env.Environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// show writes diagnostics and returns the exit code that they ask for.
func (a *app) show(diags hcl.Diagnostics) int {
	diags = once(diags)
	said := diags
	if a.common.logLevel == view.LogError {
		said = nil
		for _, d := range diags {
			if d.Severity == hcl.DiagError {
				said = append(said, d)
			}
		}
	}
	for _, s := range a.streams {
		s.Diagnostics(said, a.source)
	}
	if !a.quiet {
		a.view.Diagnostics(said, a.source)
	}
	return codeOf(diags)
}

// once is diags without repetitions: what is wrong with a block is wrong on each
// of its hosts.
func once(diags hcl.Diagnostics) hcl.Diagnostics {
	type said struct {
		severity        hcl.DiagnosticSeverity
		summary, detail string
		at              hcl.Range
	}
	seen := map[said]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		k := said{severity: d.Severity, summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			k.at = *d.Subject
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	return out
}

// fail says what an error means and returns its exit code.
func (a *app) fail(err error) int { return a.show(diagnose(err)) }

// say tells the user something beside the result.
func (a *app) say(text string) {
	if !a.quiet && (a.common.logLevel == view.LogInfo || a.common.logLevel == view.LogDebug) {
		a.view.Say(text)
	}
}

// source is the text of a file of the spec.
func (a *app) source(filename string) []byte {
	if a.spec == nil {
		return nil
	}
	if a.sourcesOf != a.spec {
		a.sources, a.sourcesOf = a.spec.Files(), a.spec
	}
	if f, ok := a.sources[filename]; ok {
		return f.Bytes
	}
	return nil
}

// many is the number of instances from which on memory is scarcer than time.
const many = 10_000

// frugal trades time for memory where there are many instances: they and their
// plan stand in memory as one heap of small values, and the collector's default
// would let as much garbage again stand beside it. The user's GOGC goes before.
func (a *app) frugal() {
	if e, _ := a.spec.Expand(); e != nil && len(e.Instances) > many && a.getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

// forgetSpec lets go of the spec, which is large where there are many
// instances. What is said from now on is about none of its lines.
func (a *app) forgetSpec() {
	a.spec, a.sources, a.sourcesOf = nil, nil, nil
}

// options is what a spec is loaded with.
func (a *app) options() dsl.Options {
	files := make([]string, len(a.common.varFiles))
	for i, f := range a.common.varFiles {
		files[i] = a.path(f)
	}
	return dsl.Options{
		Types: catalog(), Vars: a.common.vars, VarFiles: files, Env: a.env.Environ,
		Version: Version, Facts: factNames(), Embedded: std.Modules,
	}
}

// load reads the spec.
func (a *app) load() hcl.Diagnostics {
	var diags hcl.Diagnostics
	a.spec, diags = dsl.Load(a.dir, a.options())
	return diags
}

// store is a place where state is kept.
type store interface {
	state.Backend
	state.Caretaker
}

// backend is where the state of the loaded spec lives. Nothing else here knows
// which kinds of places there are.
func (a *app) backend() store {
	path := ".kplan"
	if a.spec != nil {
		path = a.spec.Backend().Path
	}
	return local.New(a.path(path), Version)
}

// backendOf reads the spec for the one thing that commands on the state need
// of it: where the state is. What else is wrong with the spec does not matter
// to them.
func (a *app) backendOf() store {
	if spec, diags := dsl.Load(a.dir, a.options()); !diags.HasErrors() {
		a.spec = spec
	}
	return a.backend()
}

// engine is the engine of this run; events go to r, which may be nil.
func (a *app) engine(r *reporter) *engine.Engine {
	e := &engine.Engine{
		Types: catalog().Type, Connect: a.connector(),
		Parallelism: a.common.parallelism, Now: time.Now, Version: Version,
	}
	if r != nil {
		e.Events = r.event
	}
	return e
}

// connector is how hosts are connected to.
func (a *app) connector() engine.Connector {
	if a.env.Connect != nil {
		return a.env.Connect
	}
	return engine.NewConnector(a.ssh())
}

// catalog is the resource types that a spec may use.
func catalog() *modules.Catalog { return modules.NewCatalog(modules.All()...) }

// factNames are the names that facts may have.
func factNames() []string {
	t, err := gocty.ImpliedType(host.Facts{})
	if err != nil { // facts are made of what cty has types for
		panic("cli: " + err.Error())
	}
	return slices.Sorted(maps.Keys(t.AttributeTypes()))
}

// anyKey is a key for digests that nobody keeps.
func anyKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return key
}

// ssh is what connections take from the environment.
func (a *app) ssh() engine.SSHOptions {
	user := a.getenv("USER")
	if user == "" {
		user = a.getenv("LOGNAME")
	}
	return engine.SSHOptions{Home: a.getenv("HOME"), User: user}
}

// flagName is how a message names a flag, or an argument, which is in capitals.
func flagName(name string) string {
	if name == strings.ToUpper(name) {
		return name
	}
	return "--" + name
}

// targets reads addresses that flags name.
func targets(flag string, texts []string) ([]addr.Target, error) {
	var out []addr.Target
	for _, s := range texts {
		t, err := addr.ParseTarget(s)
		if err != nil {
			return nil, problem(fmt.Sprintf("%s cannot be %q", flagName(flag), s), capital(err.Error())+". An address is written as in a plan, such as file.motd, file.motd@web1, module.cluster or host.web1.")
		}
		out = append(out, t)
	}
	return out, nil
}

// interrupted is the exit code 130 where the run was ended from outside.
func interrupted(ctx context.Context) int {
	if errors.Is(ctx.Err(), context.Canceled) {
		return 130
	}
	return 0
}
