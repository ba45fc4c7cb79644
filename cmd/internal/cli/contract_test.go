package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
)

// contract is docs/contract.md: the rows of its tables, by heading and, below
// one heading, by the first cell of the table's head.
type contract map[string][][]string

func readContract(t *testing.T) contract {
	t.Helper()
	b, err := os.ReadFile("../../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	c := contract{}
	heading, table := "", ""
	for line := range strings.SplitSeq(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			heading, table = strings.TrimLeft(line, "# "), ""
		case !strings.HasPrefix(line, "|"):
			table = ""
		case strings.HasPrefix(line, "|---"):
		default:
			cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "\x00", "|")
			}
			if table == "" {
				table = heading + "/" + cells[0]
				continue
			}
			c[table] = append(c[table], cells)
		}
	}
	return c
}

// first are the first cells of a table, without quotes.
func (c contract) first(t *testing.T, table string) []string {
	t.Helper()
	var out []string
	for _, row := range c[table] {
		out = append(out, quoted(row[0])...)
	}
	if len(out) == 0 {
		t.Fatalf("no table %s", table)
	}
	return out
}

func quoted(cell string) []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// equal compares what is documented with what there is, whatever the order.
func equal(t *testing.T, what string, documented, there []string) {
	t.Helper()
	for _, d := range documented {
		if !slices.Contains(there, d) {
			t.Errorf("%s: %q is documented, and not there", what, d)
		}
	}
	for _, d := range there {
		if !slices.Contains(documented, d) {
			t.Errorf("%s: %q is there, and not documented", what, d)
		}
	}
}

func TestContractCommands(t *testing.T) {
	c := readContract(t)
	var names, shared []string
	for _, cmd := range commands() {
		names = append(names, cmd.name)
		f := newFlags("")
		(&common{}).define(f)
		f.Bool("help", "")
		shared = nil
		for _, d := range f.docs {
			shared = append(shared, "--"+d.name)
		}
		f = newFlags("")
		cmd.define(f)
		var own []string
		for _, d := range f.docs {
			own = append(own, "--"+d.name)
		}
		for _, row := range c["Commands/command"] {
			if row[0] == "`"+cmd.name+"`" {
				equal(t, "flags of "+cmd.name, quoted(row[2]), own)
				if got := strings.Trim(row[1], "`"); got != cmd.args {
					t.Errorf("arguments of %s: documented %q, there %q", cmd.name, got, cmd.args)
				}
			}
		}
	}
	equal(t, "commands", c.first(t, "Commands/command"), names)
	equal(t, "common flags", c.first(t, "Commands/flag"), shared)
}

func TestContractExitStatus(t *testing.T) {
	c := readContract(t)
	var documented, there []string
	for _, row := range c["Exit status/code"] {
		documented = append(documented, row[0])
		code, err := strconv.Atoi(row[0])
		if err != nil || exitText(code) != row[1] {
			t.Errorf("status %s: documented %q, there %q", row[0], row[1], exitText(code))
		}
	}
	for _, code := range precedence() {
		there = append(there, strconv.Itoa(code))
	}
	equal(t, "exit status", documented, there)
	for _, cmd := range commands() {
		for _, code := range cmd.exits {
			if exitText(code) == "" {
				t.Errorf("%s ends with %d, which means nothing", cmd.name, code)
			}
		}
	}
}

// paths are the keys in a JSON document. Below those in open, keys are names
// that the spec chooses: they are "…", or, where the value is a bare map of
// attributes, not looked into.
func paths(t *testing.T, doc []byte, open map[string]bool, closed ...string) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	found := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		if at != "" {
			found[at] = true
		}
		if slices.Contains(closed, at) {
			return
		}
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if open[at] {
					k = "…"
				}
				walk(strings.TrimPrefix(at+"."+k, "."), e)
			}
		case []any:
			delete(found, at)
			found[at+"[]"] = true
			for _, e := range v {
				if _, nested := e.([]any); !nested {
					walk(at+"[]", e)
				}
			}
		}
	}
	walk("", v)
	for at := range open {
		delete(found, at)
	}
	return slices.Sorted(maps.Keys(found))
}

// sample is a plan with every part that a plan can have.
func sample(t *testing.T) *plans.Plan {
	t.Helper()
	instance := func(s string) addr.Instance {
		a, err := addr.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	object := func(v string) plans.Object {
		return plans.Object{Value: cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal(v)})}
	}
	value := plans.Object{Value: cty.ObjectVal(map[string]cty.Value{"value": cty.StringVal("v")})}
	a, b := instance(`module.m.file.a["k"]@h`), instance("file.b@h")
	p, err := plans.New(plans.Content{
		Mode:  plans.Normal,
		Hosts: []plans.Host{{Name: "h", Address: "10.0.0.1", Reachable: true, Facts: &host.Facts{OS: "debian"}}, {Name: "i", Reason: "down"}},
		Changes: []plans.Change{
			{Addr: a, Action: plans.Replace, Before: object("/a"), After: object("/b"), Differs: []string{"path"}, Reason: "why", Step: 1, Origin: plans.Created},
			{Addr: b, Action: plans.Create, After: object("/c"), Step: 3, Origin: plans.Created},
		},
		Steps: []plans.Step{
			{ID: 1, Addr: a, Action: plans.Replace, Strict: true, Disrupts: []string{"x"}, Via: "join k"},
			{ID: 3, Addr: b, Action: plans.Create, After: []plans.Node{2}, Condition: "c", At: "i"},
		},
		Barriers: []plans.Barrier{{ID: 2, After: []plans.Node{1}}},
		Withheld: []plans.Withheld{{Addr: instance("file.c@i"), Reason: "down"}},
		Drift:    []plans.Drift{{Addr: b, Recorded: object("/x"), Actual: object("/y"), Differs: []string{"path"}}},
		Outputs:  []plans.Output{{Name: "o", After: value}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestContractPlanJSON(t *testing.T) {
	doc, err := sample(t).JSON(plans.JSONOptions{Version: Version, Variables: map[string]cty.Value{"v": cty.True}})
	if err != nil {
		t.Fatal(err)
	}
	const change = "resource_changes[].change"
	got := paths(t, doc, map[string]bool{"variables": true, "output_changes": true},
		change+".before", change+".after", change+".after_unknown", change+".before_sensitive", change+".after_sensitive",
		"resource_drift[]", "output_changes.…", "hosts[].facts")
	equal(t, "JSON plan", readContract(t).first(t, "Plan/key"), got)
}

func TestContractOtherJSON(t *testing.T) {
	s := newSite(t, twoHosts+`
module "m" { 
  source = "./m"
  on     = host.web1
}
resource "file" "each" {
  for_each          = toset(["a"])
  on                = host.web1
  path              = "/etc/each"
  sensitive_content = "hidden"
  depends_on        = [file.motd]
}
`, "web1", "web2")
	if err := os.Mkdir(s.dir+"/m", 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("m/m.kplan.hcl", `
variable "on" { type = host }
resource "file" "in" {
  on      = var.on
  path    = "/etc/in"
  content = "x"
}
`)
	c := readContract(t)
	s.want(0, nil, "apply", "--auto-approve")
	const res = "values.root_module.resources[]"
	equal(t, "state", c.first(t, "State/key"), paths(t, []byte(s.want(0, nil, "show", "--json").stdout),
		map[string]bool{"values.outputs": true}, res+".values", res+".sensitive_values", "values.outputs.…",
		"values.root_module.child_modules[].resources[]"))
	equal(t, "outputs", c.first(t, "Outputs/key"), paths(t, []byte(s.want(0, nil, "output", "--json").stdout), map[string]bool{"": true}))
	equal(t, "version", append(paths(t, []byte(s.want(0, nil, "version", "--json").stdout), nil), "commit", "modified"), c.first(t, "Version/key"))

	s.machines["web1"].Put("/etc/each", "else")
	s.down["web2"] = true
	equal(t, "drift", c.first(t, "Drift/key"), paths(t, []byte(s.want(8, nil, "drift", "--json", "--all").stdout), nil,
		"drift[].recorded", "drift[].actual"))

	s.write("main.kplan.hcl", "host \"web1\" {\n  adress = \"10.0.0.1\"\n}\n")
	equal(t, "validation", c.first(t, "Validation/key"), paths(t, []byte(s.want(1, nil, "validate", "--json").stdout), nil))

	var out bytes.Buffer
	view.New(view.Options{Out: &out, Err: &out}).Graph(view.PlanGraph(sample(t)), view.GraphJSON)
	equal(t, "graph", c.first(t, "Graph/key"), paths(t, out.Bytes(), nil))
}

func TestContractStream(t *testing.T) {
	c := readContract(t)
	var out bytes.Buffer
	v := view.New(view.Options{Out: &out, Err: &out})
	s := v.ResultStream(Version)
	s.Run("r")
	a := addr.Instance{Resource: addr.Resource{Type: "file", Name: "a"}, Key: addr.IntKey(1), Host: "h"}
	outcomes := []event.Outcome{
		event.Done, event.Already, event.NotNeeded, event.Adopted, event.Failed, event.Stale, event.Skipped, event.Withheld, event.Stopped,
	}
	all := []event.Data{
		event.HostConnecting{Host: "h"},
		event.HostReady{},
		event.HostRead{},
		event.HostFailed{},
		event.FirstReading{},
		event.StepStarted{Addr: a},
		event.StepRunning{Addr: a},
		event.Notice{Host: "h"},
		event.RunEnded{},
	}
	for _, o := range outcomes {
		all = append(all, event.StepEnded{Addr: a, Outcome: o, Adjusted: "x", Reason: "x", Output: "x"})
	}
	for i, d := range all {
		s.Event(event.Event{Seq: int64(i + 1), Time: time.Now(), Data: d})
	}
	s.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "s"}}, nil)
	s.Plan(sample(t))
	s.Outputs(map[string]cty.Value{"o": cty.True})

	base := c.first(t, "The stream/key")
	within := map[string][]string{}
	for _, row := range c["The stream/within"] {
		within[quoted(row[0])[0]] = quoted(row[1])
	}
	documented := map[string][]string{}
	for _, row := range c["The stream/type"] {
		documented[quoted(row[0])[0]] = quoted(row[1])
	}
	seen := map[string]map[string]bool{}
	note := func(what string, m map[string]any) {
		if seen[what] == nil {
			seen[what] = map[string]bool{}
		}
		for k := range m {
			seen[what][k] = true
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		typ := fmt.Sprint(m["type"])
		note(typ, m)
		for _, part := range []string{"hook", "change", "changes"} {
			if inner, ok := m[part].(map[string]any); ok {
				note("within "+part, inner)
				if r, ok := inner["resource"].(map[string]any); ok {
					note("within resource", r)
				}
			}
		}
	}
	for what, keys := range seen {
		there := slices.Sorted(maps.Keys(keys))
		if part, ok := strings.CutPrefix(what, "within "); ok {
			equal(t, what, within[part], there)
			continue
		}
		if what == "version" {
			there = append(there, "run")
		}
		equal(t, "message "+what, append(slices.Clone(base), documented[what]...), there)
	}
	var types []string
	for what := range seen {
		if !strings.HasPrefix(what, "within ") {
			types = append(types, what)
		}
	}
	equal(t, "types of messages", slices.Collect(maps.Keys(documented)), types)
	var words []string
	for _, o := range outcomes {
		words = append(words, string(o))
	}
	equal(t, "outcomes", c.first(t, "The stream/outcome"), words)
}
