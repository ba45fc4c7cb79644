package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// at is the address TYPE.NAME@HOST.
func at(t testing.TB, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func object(pairs ...any) plans.Object {
	attrs := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			attrs[pairs[i].(string)] = cty.StringVal(v)
		case bool:
			attrs[pairs[i].(string)] = cty.BoolVal(v)
		case int:
			attrs[pairs[i].(string)] = cty.NumberIntVal(int64(v))
		case cty.Value:
			attrs[pairs[i].(string)] = v
		}
	}
	return plans.Object{Value: cty.ObjectVal(attrs)}
}

func secretly(o plans.Object, name, digest string) plans.Object {
	attrs := map[string]cty.Value{}
	maps.Copy(attrs, o.Value.AsValueMap())
	attrs[name] = cty.NullVal(cty.String)
	return plans.Object{Value: cty.ObjectVal(attrs), Secrets: map[string]string{name: digest}}
}

// sheet puts a Content together: each change becomes a step, after the given
// ones.
type sheet struct {
	testing.TB
	c plans.Content
}

func (s *sheet) hosts(names ...string) {
	for _, n := range names {
		s.c.Hosts = append(s.c.Hosts, plans.Host{Name: n, Address: "10.0.0.1", Reachable: true})
	}
}

func (s *sheet) next() plans.Node { return plans.Node(len(s.c.Steps) + len(s.c.Barriers) + 1) }

func (s *sheet) barrier(after ...plans.Node) plans.Node {
	id := s.next()
	s.c.Barriers = append(s.c.Barriers, plans.Barrier{ID: id, After: after})
	return id
}

func (s *sheet) add(c plans.Change, step plans.Step) plans.Node {
	if c.Before.Exists() && c.After.Exists() && c.Differs == nil {
		c.Differs = plans.Differ(c.Before, c.After)
	}
	id := s.next()
	c.Step, c.Origin = id, plans.Created
	step.ID, step.Addr, step.Action, step.Strict = id, c.Addr, c.Action, step.Strict || c.Action.Strict()
	s.c.Changes = append(s.c.Changes, c)
	s.c.Steps = append(s.c.Steps, step)
	return id
}

func (s *sheet) plan() *plans.Plan {
	s.Helper()
	if s.c.Mode == "" {
		s.c.Mode = plans.Normal
	}
	p, err := plans.New(s.c)
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// everything is a plan with all that a plan can say.
func everything(t testing.TB) *plans.Plan {
	s := &sheet{TB: t}
	s.hosts("k8s-node1", "k8s-node2")
	s.c.Hosts = append(s.c.Hosts, plans.Host{Name: "k8s-node3", Address: "10.0.0.3", Reason: "connection refused"})
	list := func(v ...string) cty.Value {
		var vs []cty.Value
		for _, e := range v {
			vs = append(vs, cty.StringVal(e))
		}
		return cty.ListVal(vs)
	}
	var swaps []plans.Node
	for _, h := range []string{"k8s-node1", "k8s-node2"} {
		swaps = append(swaps, s.add(plans.Change{
			Addr: at(t, "swap.off@"+h), Action: plans.Update,
			Before: object("enabled", true), After: object("enabled", false),
		}, plans.Step{}))
	}
	all := s.barrier(swaps...)
	for _, h := range []string{"k8s-node1", "k8s-node2"} {
		conf := s.add(plans.Change{
			Addr: at(t, "module.cluster.file.kubelet@"+h), Action: plans.Create,
			After: object("path", "/etc/kubelet.conf", "content", "a = 1\nb = 2\n", "mode", "0644", "sha256", cty.UnknownVal(cty.String)),
		}, plans.Step{After: []plans.Node{all}})
		s.add(plans.Change{
			Addr: at(t, "module.cluster.service.kubelet@"+h), Action: plans.Refresh, Reason: "restart, because file.kubelet changes",
			Before: object("name", "kubelet", "enabled", true, "running", true), After: object("name", "kubelet", "enabled", true, "running", true),
		}, plans.Step{After: []plans.Node{conf}, Causes: []plans.Node{conf}, Condition: "module.cluster.file.kubelet changes", Disrupts: []string{"restarts kubelet.service"}})
	}
	s.add(plans.Change{
		Addr: at(t, `hosts_file.this["a\n::b"]@k8s-node1`), Action: plans.Update,
		Before: object("path", "/etc/hosts", "entries", cty.MapVal(map[string]cty.Value{"10.0.0.1": list("a"), "10.0.0.2": list("b", "c", "d", "e")})),
		After:  object("path", "/etc/hosts", "entries", cty.MapVal(map[string]cty.Value{"10.0.0.2": list("b", "x", "d", "e"), "10.0.0.3": list("new")})),
	}, plans.Step{})
	s.add(plans.Change{
		Addr: at(t, "file.script@k8s-node1"), Action: plans.Update,
		Before: object("path", "/usr/local/bin/x", "content", "#!/bin/sh\necho one\n::set-env::\necho three\necho four\necho five\necho six\n", "mode", "0755"),
		After:  object("path", "/usr/local/bin/x", "content", "#!/bin/sh\necho 1\n::set-env::\necho three\necho four\necho five\necho \u202esix", "mode", "0755"),
	}, plans.Step{})
	s.add(plans.Change{
		Addr: at(t, "user.app@k8s-node1"), Action: plans.Update, Sensitive: []string{"password"},
		Before: secretly(object("name", "app", "uid", 1000), "password", "one"), After: secretly(object("name", "app", "uid", 1000), "password", "two"),
		Differs: []string{"password"},
	}, plans.Step{})
	s.add(plans.Change{
		Addr: at(t, "exec.tune@k8s-node2"), Action: plans.Create,
		After: object("name", "tune", "command", list("/bin/sh", "-c", "tuned-adm profile \"x\"")),
	}, plans.Step{Condition: "test ! -e /etc/tuned succeeds"})
	s.add(plans.Change{
		Addr: at(t, "package.docker@k8s-node2"), Action: plans.Replace, Reason: "name changes, and is its identity",
		Before: object("name", "docker", "version", "1"), After: object("name", "docker-ce", "version", cty.UnknownVal(cty.String)),
	}, plans.Step{Peers: []string{"k8s-node1"}})
	s.add(plans.Change{
		Addr: at(t, "file.old@k8s-node2"), Action: plans.Delete, Reason: "not in the spec any more",
		Before: object("path", "/etc/old", "content", "x\n"),
	}, plans.Step{})
	s.add(plans.Change{
		Addr: at(t, "directory.data@k8s-node2"), Action: plans.Forget, Reason: "lost+found stays in it",
		Before: object("path", "/data", "mode", "0755"),
	}, plans.Step{})
	s.c.Changes = append(s.c.Changes, plans.Change{
		Addr: at(t, "sysctl.same@k8s-node1"), Action: plans.NoOp, Before: object("key", "a"), After: object("key", "a"), Origin: plans.Created,
	})
	s.c.Withheld = []plans.Withheld{{Addr: at(t, "swap.off@k8s-node3"), Reason: "connection refused"}, {Addr: at(t, "exec.last@k8s-node1"), Reason: "depends on swap.off@k8s-node3"}}
	for _, h := range []string{"k8s-node1", "k8s-node2"} {
		s.c.Drift = append(s.c.Drift, plans.Drift{
			Addr: at(t, "file.motd@"+h), Recorded: object("path", "/etc/motd", "content", "hi"), Actual: object("path", "/etc/motd", "content", "\x1b[2J"), Differs: []string{"content"},
		})
	}
	s.c.Outputs = []plans.Output{
		{Name: "endpoint", After: object("value", "https://10.0.0.1:6443")},
		{Name: "token", After: secretly(object(), "value", "d")},
	}
	s.c.Warnings = []string{"The machine k8s-node2 was last written by a run of another state."}
	return s.plan()
}

func textOf(t *testing.T, p *plans.Plan, env ...string) string {
	t.Helper()
	var out bytes.Buffer
	New(Options{Out: &out, Err: &bytes.Buffer{}, Environ: env}).Plan(p, false)
	return out.String()
}

func TestPlan(t *testing.T) {
	p := everything(t)
	// What the digest is depends on how plans are encoded.
	undigested := func(env ...string) string { return strings.ReplaceAll(textOf(t, p, env...), p.Digest(), "DIGEST") }
	golden(t, "plan.txt", undigested())
	golden(t, "plan-colour.txt", undigested("FORCE_COLOR=1", "LANG=C.UTF-8"))
}

// What a plan warns of is said in a drift too, and in the stream.
func TestWarnings(t *testing.T) {
	s := &sheet{TB: t}
	s.hosts("a")
	s.c.Warnings = []string{"On host a, it is so. Mend it.", "On host a, that too. Mend it."}
	p := s.plan()
	const text = "Warning: On host a, it is so. Mend it.\n\nWarning: On host a, that too. Mend it.\n\n"
	if got := textOf(t, p); !strings.HasPrefix(got, text) {
		t.Errorf("the plan is\n%s", got)
	}
	var out bytes.Buffer
	v := New(Options{Out: &out, Err: &bytes.Buffer{}})
	v.Drift(p, &state.Snapshot{}, false)
	if !strings.HasPrefix(out.String(), text+"No drift") {
		t.Errorf("the drift is\n%s", &out)
	}
	out.Reset()
	v.DriftJSON(p, &state.Snapshot{}, false, "1.2.3")
	var doc struct{ Warnings []string }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || !slices.Equal(doc.Warnings, s.c.Warnings) {
		t.Errorf("the drift as JSON is %v\n%s", err, &out)
	}
	out.Reset()
	newStream(&out, "1.2.3", time.Now).Plan(p)
	for _, w := range s.c.Warnings {
		if want := `"diagnostic":{"severity":"warning","summary":"` + w + `","detail":""}`; strings.Count(out.String(), want) != 1 {
			t.Errorf("%s is not in\n%s", want, &out)
		}
	}
}

func TestPlanWithoutChanges(t *testing.T) {
	s := &sheet{TB: t}
	s.hosts("a")
	if got := textOf(t, s.plan()); got != "No changes. Your infrastructure matches the configuration.\n" {
		t.Errorf("got %q", got)
	}
	s.c.Hosts = append(s.c.Hosts, plans.Host{Name: "b", Reason: "connection refused"})
	if got := textOf(t, s.plan()); strings.Contains(got, "No changes") {
		t.Errorf("a plan that could not read a host says: %s", got)
	}
}

// The expressions by which other tools read a plan, as they stand in
// runatlantis/atlantis (server/events/models/models.go) and suzuki-shunsuke/tfcmt
// (pkg/terraform/parser.go).
var dialect = map[string]*regexp.Regexp{
	"atlantis summary":    regexp.MustCompile(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\.`),
	"atlantis no changes": regexp.MustCompile(`No changes. (Infrastructure is up-to-date|Your infrastructure matches the configuration).`),
	"tfcmt summary":       regexp.MustCompile(`^(Plan: \d|No changes.)`),
	"tfcmt error":         regexp.MustCompile(`^([│|] )?(Error: )`),
	"tfcmt warning":       regexp.MustCompile(`^([│|] )?(Warning: )`),
	"tfcmt destroy":       regexp.MustCompile(`([1-9][0-9]* to destroy.)`),
	"tfcmt created":       regexp.MustCompile(`^ *# (.*) will be created$`),
	"tfcmt updated":       regexp.MustCompile(`^ *# (.*) will be updated in-place$`),
	"tfcmt deleted":       regexp.MustCompile(`^ *# (.*) will be destroyed$`),
	"tfcmt replaced":      regexp.MustCompile(`^ *# (.*?)(?: is tainted, so)? must be replaced$`),
	"tfcmt apply":         regexp.MustCompile(`^(Apply complete!)`),
}

// found are the first groups of an expression's matches, line by line.
func found(text, name string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if m := dialect[name].FindStringSubmatch(line); m != nil {
			out = append(out, m[1])
		}
	}
	return out
}

func TestDialect(t *testing.T) {
	p := everything(t)
	text := textOf(t, p)
	by := map[plans.Action][]string{}
	for _, s := range p.Steps() {
		a := s.Action
		if a == plans.Refresh {
			a = plans.Update
		}
		by[a] = append(by[a], s.Addr.String())
	}
	for name, action := range map[string]plans.Action{
		"tfcmt created": plans.Create, "tfcmt updated": plans.Update, "tfcmt deleted": plans.Delete, "tfcmt replaced": plans.Replace,
	} {
		if got, want := sorted(found(text, name)), sorted(by[action]); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s finds %q, want %q", name, got, want)
		}
	}
	for name, n := range map[string]int{"tfcmt summary": 1, "tfcmt warning": 1, "tfcmt destroy": 1, "tfcmt error": 0} {
		if got := len(found(text, name)); got != n {
			t.Errorf("%s finds %d, want %d", name, got, n)
		}
	}
	m := dialect["atlantis summary"].FindStringSubmatch(text)
	s := p.Summary()
	if want := fmt.Sprint(s.Add, s.Change, s.Destroy); m == nil || strings.Join(m[2:5], " ") != want {
		t.Errorf("atlantis reads %q, want %s", m, want)
	}
	none := &sheet{TB: t}
	none.hosts("a")
	if got := textOf(t, none.plan()); !dialect["atlantis no changes"].MatchString(got) {
		t.Errorf("atlantis does not read %q", got)
	}
}

func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	return out
}

// TestPlanShowsEveryStep makes plans at random: each step has one heading of
// its own, whatever was folded, and nothing that hosts or specs say acts on
// who reads the text.
func TestPlanShowsEveryStep(t *testing.T) {
	words := []string{"a", "\x1b[31m", "::error::", "\u202e", "two\nlines\n", "", "x\r\n::y", strings.Repeat("long ", 20000)}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		word := func() string { return words[r.IntN(len(words))] }
		s := &sheet{TB: t}
		s.hosts("h0", "h1", "h2", "h3")
		actions := []plans.Action{plans.Create, plans.Update, plans.Delete, plans.Replace, plans.Forget, plans.Refresh}
		headings := 0
		for n := range 1 + r.IntN(6) {
			action := actions[r.IntN(len(actions))]
			before, after := object("path", "/p", "content", word()), object("path", "/p", "content", word())
			switch action {
			case plans.Create:
				before = plans.None
			case plans.Delete, plans.Forget:
				after = plans.None
			}
			key := addr.StringKey(fmt.Sprint(n) + words[r.IntN(7)])
			for h := range 1 + r.IntN(4) {
				a := addr.Instance{Resource: addr.Resource{Type: "file", Name: "f"}, Key: key, Host: fmt.Sprintf("h%d", h)}
				s.add(plans.Change{Addr: a, Action: action, Before: before, After: after, Reason: word()}, plans.Step{})
				headings++
			}
		}
		text := textOf(t, s.plan(), "LANG=C.UTF-8")
		harmless(t, text, true)
		got := 0
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "  # file.f[") {
				got++
			}
		}
		if got != headings {
			t.Fatalf("seed %d: %d headings for %d steps:\n%s", seed, got, headings, text)
		}
	}
}
