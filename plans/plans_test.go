package plans

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/modules/host"
)

var same = cmp.Options{
	cmp.Comparer(func(a, b addr.Instance) bool { return a == b }),
	cmp.Comparer(identical),
	// Object has an Equal of its own, by which an unknown equals nothing.
	cmp.Comparer(func(a, b Object) bool { return identical(a.Value, b.Value) && maps.Equal(a.Secrets, b.Secrets) }),
	cmpopts.EquateEmpty(),
}

func identical(a, b cty.Value) bool {
	if a == cty.NilVal || b == cty.NilVal {
		return a == b
	}
	return a.Type().Equals(b.Type()) && a.RawEquals(b)
}

func at(host, typ, name string) addr.Instance {
	return addr.Instance{Resource: addr.Resource{Type: typ, Name: name}, Host: host}
}

func obj(kv ...any) Object {
	attrs := map[string]cty.Value{}
	for i := 0; i < len(kv); i += 2 {
		switch v := kv[i+1].(type) {
		case string:
			attrs[kv[i].(string)] = cty.StringVal(v)
		case cty.Value:
			attrs[kv[i].(string)] = v
		}
	}
	return Object{Value: cty.ObjectVal(attrs)}
}

func secret(o Object, name, digest string) Object {
	o.Secrets = map[string]string{name: digest}
	return o
}

// content is a plan with every action.
func content() Content {
	unknown := cty.UnknownVal(cty.String)
	null := cty.NullVal(cty.String)
	c := Content{
		Base: Base{Lineage: "l", Serial: 3}, Mode: Normal,
		Hosts: []Host{
			{Name: "b", Address: "10.0.0.2", Reason: "connection refused"},
			{Name: "a", Address: "10.0.0.1", Reachable: true, Facts: &host.Facts{OS: "debian", MemoryMiB: 512, Interfaces: []string{"eth0 10.0.0.1/24"}}, MachineID: "m", HostKey: "SHA256:x", Used: []string{"os"}},
		},
		Changes: []Change{
			{Addr: at("a", "file", "same"), Action: NoOp, Before: obj("p", "1"), After: obj("p", "1"), Origin: Adopted},
			{Addr: at("a", "file", "new"), Action: Create, After: secret(obj("p", "1", "v", unknown, "s", null, "l", cty.ListVal([]cty.Value{cty.StringVal("x"), unknown})), "s", "hmac-sha256:aa"), Step: 1, Sensitive: []string{"s"}, Origin: Created},
			{Addr: at("a", "file", "old"), Action: Update, Before: obj("p", "1"), After: obj("p", "2"), Recorded: obj("p", "0"), Differs: []string{"p"}, Step: 2},
			{Addr: at("a", "service", "x"), Action: Refresh, Before: obj("n", "x"), After: obj("n", "x"), Reason: "file.old changes", Left: "file.new manages it now", Step: 4},
			{Addr: at("a", "thing", "x"), Action: Replace, Before: obj("id", "1"), After: obj("id", "2"), Moved: true, Standing: obj("id", "2"), Unseen: "the service does not answer", Differs: []string{"id"}, Step: 5},
			{Addr: at("a", "file", "gone"), Action: Delete, Before: obj("p", "1"), Step: 6},
			{Addr: at("b", "file", "kept"), Action: Forget, Before: obj("p", "1"), Reason: "destroy = false", Step: 7},
			{Addr: at("a", "exec", "maybe"), Action: Update, After: obj("c", "x"), Step: 8, InputDigest: "d", Verdict: "needed"},
		},
		Steps: []Step{
			{ID: 1, Addr: at("a", "file", "new"), Action: Create},
			{ID: 2, Addr: at("a", "file", "old"), Action: Update},
			{ID: 4, Addr: at("a", "service", "x"), Action: Refresh, After: []Node{3}, Causes: []Node{2}, Disrupts: []string{"restart"}, Condition: "if file.old changed"},
			{ID: 5, Addr: at("a", "thing", "x"), Action: Replace, Strict: true, Once: true, Peers: []string{"b"}, Via: "join b"},
			{ID: 6, Addr: at("a", "file", "gone"), Action: Delete, Strict: true, After: []Node{5, 1}, At: "b"},
			{ID: 7, Addr: at("b", "file", "kept"), Action: Forget, Owed: true},
			{ID: 8, Addr: at("a", "exec", "maybe"), Action: Update, Condition: "unless it is there"},
		},
		Barriers: []Barrier{{ID: 3, After: []Node{1, 2}}},
		Withheld: []Withheld{{at("b", "file", "x"), "b is unreachable"}},
		Drift:    []Drift{{at("a", "file", "old"), obj("p", "0"), obj("p", "1"), []string{"p"}}},
		Outputs:  []Output{{"o", None, secret(obj("value", null), "value", "hmac-sha256:bb")}, {"k", obj("value", "1"), obj("value", unknown)}},
		Warnings: []string{"w <&>"},
	}
	return c
}

func mustNew(t testing.TB, c Content) *Plan {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlan(t *testing.T) {
	p := mustNew(t, content())
	if got, want := p.Summary(), (Summary{Add: 2, Change: 1, Destroy: 2, Forget: 1, Conditional: 2}); got != want {
		t.Errorf("%+v", got)
	}
	if c, ok := p.Change(at("a", "file", "old")); !ok || c.Step != 2 {
		t.Errorf("%+v", c)
	}
	if s, ok := p.Step(5); !ok || len(s.Peers) != 1 {
		t.Errorf("%+v", s)
	}
	if _, ok := p.Step(3); ok {
		t.Error("a barrier is a step")
	}
	if h, ok := p.Host("a"); !ok || h.Address != "10.0.0.1" || p.Empty() {
		t.Error(h)
	}
	if mustNew(t, Content{Mode: Normal}).Digest() == p.Digest() || len(p.Digest()) != 64 {
		t.Error(p.Digest())
	}
	// The order of lists that are sets does not matter; anything else does.
	c := content()
	c.Hosts[0], c.Hosts[1] = c.Hosts[1], c.Hosts[0]
	if mustNew(t, c).Digest() != p.Digest() {
		t.Error("the order of hosts is in the digest")
	}
	c.Steps[0].Disrupts = []string{"x"}
	if mustNew(t, c).Digest() == p.Digest() {
		t.Error("a disruption is not in the digest")
	}
}

// TestFieldsKept sets each field of every part of a plan, and looks for it in
// what is read back.
func TestFieldsKept(t *testing.T) {
	p := mustNew(t, content())
	got, err := decodeContent(p.encoded())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.c, got, same); d != "" {
		t.Error(d)
	}
	seen := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[cty.Value]() || v.Type() == reflect.TypeFor[addr.Instance]() {
				return
			}
			for i := range v.NumField() {
				name := v.Type().String() + "." + v.Type().Field(i).Name
				seen[name] = seen[name] || !v.Field(i).IsZero()
				walk(v.Field(i))
			}
		}
	}
	walk(reflect.ValueOf(p.c))
	for name, set := range seen {
		if !set && !strings.HasPrefix(name, "plans.Base.") {
			t.Errorf("no test covers the field %s", name)
		}
	}
}

func TestInvariants(t *testing.T) {
	for name, breakIt := range map[string]func(c *Content){
		"gap in ids":            func(c *Content) { c.Steps = c.Steps[:6]; c.Steps[5].ID = 9 },
		"id twice":              func(c *Content) { c.Barriers[0].ID = 2 },
		"waits for later":       func(c *Content) { c.Steps[0].After = []Node{2} },
		"waits for itself":      func(c *Content) { c.Barriers[0].After = []Node{3} },
		"waits twice":           func(c *Content) { c.Barriers[0].After = []Node{1, 1} },
		"waits for 0":           func(c *Content) { c.Steps[3].After = []Node{0} },
		"cause is a barrier":    func(c *Content) { c.Steps[2].Causes = []Node{3} },
		"unknown action":        func(c *Content) { c.Changes[2].Action = "paint" },
		"no-op with a step":     func(c *Content) { c.Changes[0].Step = 1 },
		"no step":               func(c *Content) { c.Changes[1].Step = 0 },
		"another's step":        func(c *Content) { c.Changes[1].Step = 2 },
		"step without a change": func(c *Content) { c.Steps[0].Addr.Name = "other" },
		"action differs":        func(c *Content) { c.Steps[0].Action = Update },
		"address twice":         func(c *Content) { c.Changes = append(c.Changes, c.Changes[0]) },
		"no address":            func(c *Content) { c.Changes[0].Addr.Host = "" },
		"host twice":            func(c *Content) { c.Hosts[0].Name = "a" },
		"done nowhere":          func(c *Content) { c.Steps[4].At = "c" },
		"host unknown":          func(c *Content) { c.Hosts = c.Hosts[1:] },
		"output twice":          func(c *Content) { c.Outputs[0].Name = "k" },
		"planned and withheld":  func(c *Content) { c.Withheld[0].Addr = c.Changes[0].Addr },
		"mode":                  func(c *Content) { c.Mode = "" },
		"create of what is":     func(c *Content) { c.Changes[1].Before = obj("p", "1") },
		"update to nothing":     func(c *Content) { c.Changes[2].After = None },
		"delete to something":   func(c *Content) { c.Changes[5].After = obj("p", "1") },
		"lax delete":            func(c *Content) { c.Steps[4].Strict = false },
		"marked":                func(c *Content) { c.Changes[0].After = obj("p", cty.StringVal("x").Mark(1)) },
		"not an object":         func(c *Content) { c.Changes[0].After = Object{Value: cty.StringVal("x")} },
		"sensitive value":       func(c *Content) { c.Changes[0].Sensitive = []string{"p"} },
		"secret value":          func(c *Content) { c.Drift[0].Actual = secret(obj("p", "x"), "p", "d") },
		"secret output":         func(c *Content) { c.Outputs[1].After = secret(obj("value", "x"), "value", "d") },
	} {
		c := content()
		breakIt(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		} else if _, ok := err.(*InvariantError); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJSON(t *testing.T) {
	c := content()
	key := addr.StringKey("net.ipv4")
	c.Changes[0].Addr.Key, c.Changes[0].Addr.Module = key, "module.m[0]"
	p := mustNew(t, c)
	data, err := p.JSON(JSONOptions{Version: "1.2.3", Variables: map[string]cty.Value{"v": cty.NumberIntVal(1000000)}})
	if err != nil {
		t.Fatal(err)
	}
	var tf tfjson.Plan
	if err := json.Unmarshal(data, &tf); err != nil {
		t.Fatal(err)
	}
	byName := map[string]*tfjson.ResourceChange{}
	for _, r := range tf.ResourceChanges {
		byName[r.Name] = r
	}
	for name, ok := range map[string]func(a tfjson.Actions) bool{
		"same": tfjson.Actions.NoOp, "new": tfjson.Actions.Create, "old": tfjson.Actions.Update, "gone": tfjson.Actions.Delete,
		"kept": tfjson.Actions.Forget,
	} {
		if !ok(byName[name].Change.Actions) {
			t.Errorf("%s: %v", name, byName[name].Change.Actions)
		}
	}
	if !byName["x"].Change.Actions.Update() && !byName["x"].Change.Actions.DestroyBeforeCreate() {
		t.Error(byName["x"].Change.Actions)
	}
	if r := byName["same"]; r.Index != "net.ipv4" || r.ModuleAddress != "module.m[0]" || r.Type != "file" {
		t.Errorf("%+v", r)
	}
	got := byName["new"].Change
	if d := cmp.Diff(map[string]any{"p": "1", "l": []any{"x", nil}}, got.After); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"v": true, "l": []any{false, true}}, got.AfterUnknown); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"s": true}, got.AfterSensitive); d != "" || got.Before != nil {
		t.Error(d)
	}
	if o := tf.OutputChanges["o"]; o.After != nil || o.AfterSensitive != true || !o.Actions.Create() {
		t.Errorf("%+v", o)
	}
	if o := tf.OutputChanges["k"]; o.Before != "1" || o.AfterUnknown != true || !o.Actions.Update() {
		t.Errorf("%+v", o)
	}
	if len(tf.ResourceDrift) != 1 || !tf.ResourceDrift[0].Change.Actions.Update() || tf.Variables["v"].Value != 1e6 {
		t.Errorf("%+v", tf.ResourceDrift)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{
		"format_version", "kplan_version", "variables", "resource_changes", "resource_drift", "output_changes", "warnings", "checks", "errored", "applyable",
		"hosts", "steps", "barriers", "state", "digest",
	} {
		if _, ok := all[k]; !ok {
			t.Errorf("the key %s is missing", k)
		}
		delete(all, k)
	}
	if len(all) > 0 {
		t.Errorf("more keys: %v", all)
	}
	for _, want := range []string{`"facts":{"arch":"","cgroup_version":0`, `"memory_mib":512`, `"barriers":[{"id":3,"after":[1,2]}]`, `"state":{"lineage":"l","serial":3}`, `"replace_paths":[["id"]]`, `"id":6,"address":"file.gone@a","at":"b","after":[5,1]`, `"id":7,"address":"file.kept@b","after":[]`, `"v":{"value":1000000}`} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%s is missing in %s", want, data)
		}
	}
	if bytes.Contains(data, []byte("hmac-sha256")) {
		t.Error("a keyed digest is shown")
	}
}

func TestKeyed(t *testing.T) {
	key := bytes.Repeat([]byte{1}, 32)
	seen := map[string]int{}
	for i, v := range []cty.Value{
		cty.StringVal("1"), cty.NumberIntVal(1), cty.NullVal(cty.String), cty.NullVal(cty.Number), cty.StringVal("2"),
		cty.ListVal([]cty.Value{cty.StringVal("1")}), cty.SetVal([]cty.Value{cty.StringVal("1")}), cty.ObjectVal(map[string]cty.Value{"a": cty.True}),
	} {
		d := Keyed(key, v)
		if j, twice := seen[d]; twice || !strings.HasPrefix(d, "hmac-sha256:") || len(d) != 76 {
			t.Errorf("%d: %s (as %d)", i, d, j)
		}
		seen[d] = i
		if Keyed(key, v.Mark("s")) != d || Keyed(key[1:], v) == d {
			t.Error(i)
		}
	}
	if Keyed(key, cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)})) != "" {
		t.Error("a digest of what is not known")
	}
}

// TestRandomContent round-trips plans of random shape.
func TestRandomContent(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		c := Content{Mode: Normal, Hosts: []Host{{Name: "h"}}}
		for id := 1; id <= r.IntN(20); id++ {
			var after []Node
			for n := 1; n < id; n++ {
				if r.IntN(3) == 0 {
					after = append(after, Node(n))
				}
			}
			if r.IntN(4) == 0 {
				c.Barriers = append(c.Barriers, Barrier{Node(id), after})
				continue
			}
			a := at("h", "t", fmt.Sprintf("n%d", id))
			v := []cty.Value{cty.StringVal("x"), cty.UnknownVal(cty.String), cty.NullVal(cty.String)}[r.IntN(3)]
			c.Changes = append(c.Changes, Change{Addr: a, Action: Create, After: obj("v", v), Step: Node(id)})
			c.Steps = append(c.Steps, Step{ID: Node(id), Addr: a, Action: Create, After: after})
		}
		p := mustNew(t, c)
		got, err := decodeContent(p.encoded())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p.c, got, same); d != "" {
			t.Fatal(d)
		}
		if mustNew(t, got).Digest() != p.Digest() {
			t.Fatal("another digest")
		}
	}
}

func TestFilled(t *testing.T) {
	open := Object{
		Value:   cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("planned"), "b": cty.UnknownVal(cty.String), "c": cty.NullVal(cty.String), "d": cty.NullVal(cty.String)}),
		Secrets: map[string]string{"c": "", "d": "planned"},
	}
	now := Object{
		Value:   cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("other"), "b": cty.StringVal("known"), "c": cty.NullVal(cty.String), "d": cty.NullVal(cty.String)}),
		Secrets: map[string]string{"c": "digest", "d": "other"},
	}
	for name, want := range map[string]bool{"a": false, "b": true, "c": true, "d": false, "none": false} {
		if got := open.Open(name); got != want {
			t.Errorf("%s is open: %v", name, got)
		}
	}
	f := open.Filled(now)
	want := Object{
		Value:   cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("planned"), "b": cty.StringVal("known"), "c": cty.NullVal(cty.String), "d": cty.NullVal(cty.String)}),
		Secrets: map[string]string{"c": "digest", "d": "planned"},
	}
	if !f.Value.RawEquals(want.Value) || !maps.Equal(f.Secrets, want.Secrets) {
		t.Errorf("filled: %#v", f)
	}
	if open.Secrets["c"] != "" {
		t.Error("the object itself was filled")
	}
	if None.Filled(now).Exists() {
		t.Error("nothing was filled")
	}
}
