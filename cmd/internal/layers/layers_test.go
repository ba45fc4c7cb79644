package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kplan/kplan/"

// Groups of modules from outside.
const (
	cty     = "github.com/zclconf/go-cty/..."
	ctyYAML = "github.com/zclconf/go-cty-yaml"
	hcl     = "github.com/hashicorp/hcl/v2/..."
	ssh     = "golang.org/x/crypto/ssh/..."
	gonum   = "gonum.org/v1/gonum/..."
	nearest = "github.com/agext/levenshtein" // did you mean
	version = "github.com/hashicorp/go-version"
	globs   = "github.com/bmatcuk/doublestar/v4"
	diffs   = "github.com/aymanbagabas/go-udiff/..."
	term    = "golang.org/x/term"
	unix    = "golang.org/x/sys/unix"
	toml    = "github.com/pelletier/go-toml/v2"
)

// layer is packages, and all that they may import of this module and from
// outside. In a pattern * is one element of a path, and /... all below.
type layer struct {
	packages string
	may      []string
	why      string
}

// The first layer that fits a package is its own. What is not here may not be.
var layers = []layer{
	// The command: options in, one call, an exit code out.
	{"cmd/kplan", []string{"cmd/internal/cli"}, "main has nothing to decide"},
	{
		"cmd/internal/cli",
		[]string{
			"cmd/internal/view", "dsl", "dsl/addr", "dsl/schema", "engine", "engine/event", "modules", "modules/host",
			"modules/resource", "modules/std", "plans", "state", "state/local", hcl, cty, nearest, term,
		},
		"it puts the parts together, and it alone chooses a backend",
	},
	{
		"cmd/internal/view",
		[]string{"dsl", "dsl/addr", "engine", "engine/event", "modules/host", "modules/resource", "plans", "state", hcl, cty, diffs, term},
		"it shows what there is and starts nothing",
	},
	{"cmd/internal/layers", nil, "it has a test only"},

	// The language: files in, instances out.
	{"dsl/addr", nil, "a leaf: names, for everybody"},
	{"dsl/schema", []string{cty}, "a leaf: struct tags and values, without hcl"},
	{"dsl/internal/guard", []string{hcl, cty}, "it guards hcl, whatever the language is"},
	{"dsl/internal/functions", []string{"dsl/internal/guard", hcl, cty, ctyYAML, globs}, "functions know no blocks"},
	{
		"dsl",
		[]string{"dsl/addr", "dsl/schema", "dsl/internal/*", "modules/std", hcl, cty, nearest, version},
		"the language knows no engine, no plan and no resource type",
	},

	// Resource types: authors see hosts and resources, nothing else.
	{"modules/host", nil, "a leaf: what a machine can be asked, and its errors"},
	{"modules/host/hosttest", []string{"modules/host", "modules/internal/script", "modules/internal/objects"}, "the machine in memory runs the same scripts"},
	{"modules/resource", []string{"modules/host", "dsl/schema", cty}, "it stands between authors and values"},
	{
		"modules/resource/resourcetest/...",
		[]string{"modules/host", "modules/host/hosttest", "modules/resource", "modules/resource/resourcetest", "dsl/schema", "test/needs", cty},
		"the laws, for tests only",
	},
	{"modules/internal/script", nil, "what runs on a host, as text"},
	{"modules/internal/objects", []string{cty, ctyYAML}, "the names that a YAML text holds"},
	{"modules/internal/kubeconfig", []string{"modules/internal/objects", cty, ctyYAML}, "the entries that a YAML text holds"},
	{
		"modules/internal/container",
		[]string{"modules/internal/*", "modules/host", "modules/resource", toml},
		"as other types; containerd is configured in TOML",
	},
	{
		"modules/internal/*",
		[]string{"modules/internal/*", "modules/host", "modules/resource"},
		"an author never sees hcl, cty, plans or state",
	},
	{"modules/std", nil, "specs inside the binary"},
	{"modules", []string{"modules/internal/*", "modules/resource", "modules/std", "dsl/schema", cty}, "the list of types, and their documentation"},

	// What will be done, and what was.
	{"state/value", []string{cty}, "how values are written down, for state and plans"},
	{"state", []string{"dsl/addr", "state/value", cty}, "state knows no plan, no host and no type"},
	{"state/backendtest", []string{"dsl/addr", "state", "state/value", cty}, "the suite of backends, for tests only"},
	{"state/*", []string{"dsl/addr", "state", "state/value", cty, unix}, "a backend keeps what it is given"},
	{"plans", []string{"dsl/addr", "modules/host", "state", "state/value", cty}, "of hosts a plan has the names of errors and types, and it contacts none"},

	// The engine: nobody else uses SSH, gonum or the scheduler.
	{"engine/event", []string{"dsl/addr", "plans"}, "what happened, for those who show it"},
	{"engine/internal/ssh", []string{"modules/host", ssh}, "bytes to a host and back"},
	{"engine/internal/local", nil, "bytes to a shell of this machine and back"},
	{"engine/internal/conn", []string{"modules/host", "engine/internal/ssh"}, "a host over such bytes"},
	{"engine/internal/conn/test", nil, "it has tests only"},
	{"engine/internal/graph", []string{"dsl", "dsl/addr", "plans", "state", gonum}, "order, of instances"},
	{"engine/internal/walk", nil, "order, of anything"},
	{
		"engine",
		[]string{
			"dsl", "dsl/addr", "dsl/schema", "engine/event", "engine/internal/*", "modules/host", "modules/resource",
			"plans", "state", "state/value", hcl, cty,
		},
		"it names no resource type: those come in as values",
	},

	{"test/...", []string{"/..."}, "tests of the whole may use all of it"},
}

// forbidden is packages of the standard library, and who may import them
// nevertheless.
var forbidden = []struct {
	packages []string
	but      []string
	why      string
}{
	{[]string{"os/exec", "plugin"}, []string{"engine/internal/local", "test/..."}, "kplan runs no program on the machine it runs on, but where a spec makes that a host"},
	{[]string{"net"}, []string{"engine", "engine/internal/ssh", "test/..."}, "only the engine has connections"},
	{[]string{"net/http", "net/rpc"}, []string{"test/lab/kube/..."}, "the only connections are SSH"},
	{[]string{"log", "log/slog"}, nil, "what happens is an event, and what is wrong an error"},
	{[]string{"unsafe"}, nil, "nothing here needs it"},
	{[]string{"math/rand", "math/rand/v2"}, []string{"engine", "test/..."}, "names come from crypto/rand; jitter is the engine's"},
	{[]string{"testing"}, []string{"modules/resource/resourcetest/...", "state/backendtest", "modules/host/hosttest", "test/..."}, "tests are no part of the command"},
	{[]string{"html/template", "text/template"}, nil, "no text from a host meets a template engine"},
}

// onlyTests is packages that nothing but tests may import.
var onlyTests = []string{"modules/host/hosttest", "modules/resource/resourcetest/...", "state/backendtest", "test/..."}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

// name is the package's directory.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// packages is all packages of this module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// fits reports whether pattern names the package.
func fits(pattern, name string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return below == "" || name == below || strings.HasPrefix(name, below+"/")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func fitsAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, name) })
}

func layerOf(name string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return fits(l.packages, name) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		name := p.name()
		l, ok := layerOf(name)
		if !ok {
			t.Errorf("%s is in no layer: say in layers_test.go what it may import, and why", name)
			continue
		}
		for _, imported := range p.Imports {
			inside := strings.HasPrefix(imported, module)
			imported = strings.TrimPrefix(imported, module)
			outside := strings.Contains(strings.Split(imported, "/")[0], ".")
			switch {
			case !inside && !outside:
				for _, f := range forbidden {
					if slices.Contains(f.packages, imported) && !fitsAny(f.but, name) {
						t.Errorf("%s imports %s: %s", name, imported, f.why)
					}
				}
			case !fitsAny(l.may, imported):
				t.Errorf("%s imports %s: %s", name, imported, l.why)
			}
			if inside && fitsAny(onlyTests, imported) && !fitsAny(onlyTests, name) {
				t.Errorf("%s imports %s, which is for tests only", name, imported)
			}
		}
	}
	if t.Failed() {
		t.Log("ARCHITECTURE.md has the picture; a rule that is wrong is changed there first")
	}
}

// The layers have no way around: following what may be imported never leads
// back.
func TestNoWayBack(t *testing.T) {
	var names []string
	for _, p := range packages(t) {
		if !fits("test/...", p.name()) {
			names = append(names, p.name())
		}
	}
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		if i := slices.Index(way, name); i >= 0 {
			if !siblings(way[i:]) {
				t.Errorf("the table allows %s", strings.Join(append(way[i:], name), " → "))
			}
			return
		}
		l, _ := layerOf(name)
		for _, next := range names {
			if next != name && fitsAny(l.may, next) {
				visit(next, append(slices.Clone(way), name))
			}
		}
	}
	for _, name := range names {
		visit(name, nil)
	}
}

// siblings reports whether all are in one directory and layer, where the
// compiler sees to the order.
func siblings(names []string) bool {
	for _, name := range names {
		if path.Dir(name) != path.Dir(names[0]) && !fits("modules/resource/resourcetest/...", name) {
			return false
		}
	}
	return true
}
