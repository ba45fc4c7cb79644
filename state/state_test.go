package state_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state"
)

func at(t testing.TB, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func attrs(v map[string]cty.Value) json.SimpleJSONValue {
	return json.SimpleJSONValue{Value: cty.ObjectVal(v)}
}

// same compares what must survive being written: values exactly, addresses by
// their place.
var same = cmp.Options{
	cmp.Comparer(func(a, b addr.Instance) bool { return a == b }),
	cmp.Comparer(func(a, b json.SimpleJSONValue) bool {
		if a.Value == cty.NilVal || b.Value == cty.NilVal {
			return a.Value == b.Value
		}
		return a.Type().Equals(b.Type()) && a.RawEquals(b.Value)
	}),
	cmpopts.EquateEmpty(),
}

func full(t testing.TB) *state.Snapshot {
	s := state.NewSnapshot(state.NewLineage())
	s.Serial, s.Epoch = 7, 9
	s.Applied = state.Applied{Run: "r1", Digest: "abc", Complete: true, Ended: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Done: 3, Steps: 3}
	s.Hosts["b"] = state.Host{Name: "b", Address: "10.0.0.2", HostKey: "ssh-ed25519 AAAA", MachineID: "m", Connection: state.Connection{Host: "10.0.0.2", Port: 22, User: "root"}}
	s.Hosts["a"] = state.Host{Name: "a", Address: "10.0.0.1", Connection: state.Connection{Local: true}}
	for i, text := range []string{`sysctl.x["b"]@a`, `sysctl.x["a"]@a`, "file.y[10]@b", "file.y[9]@b", `module.m["<>&"].exec.z@b`} {
		a := at(t, text)
		s.Objects[a] = state.Object{
			Addr: a, Origin: "created", Needs: []string{"file.y[9]@b"}, Secrets: map[string]string{"s": "hmac-sha256:00"}, KeepOnDestroy: i == 1,
			Attrs: attrs(map[string]cty.Value{
				"n": cty.NumberIntVal(int64(i)), "l": cty.ListVal([]cty.Value{cty.StringVal("<x>")}), "null": cty.NullVal(cty.Map(cty.String)),
				"e": cty.SetValEmpty(cty.Number), "bin": cty.StringVal("\xff\x00"),
			}),
			Debts: []state.Debt{{Run: "r0", Cause: "file.y[9]@b"}},
		}
	}
	odd := at(t, "sysctl.odd@a") // another type than the others of its resource type
	s.Objects[odd] = state.Object{Addr: odd, Attrs: attrs(map[string]cty.Value{"k": cty.True})}
	act := at(t, "exec.act@a")
	s.Objects[act] = state.Object{Addr: act, InputDigest: "d"}
	s.Outputs["o"] = json.SimpleJSONValue{Value: cty.ListVal([]cty.Value{cty.StringVal("x")})}
	in := at(t, "exec.cut@a")
	s.Interrupted[in] = state.Intent{Addr: in, Run: "r1", Step: 4, Host: "a", Class: "once", Epoch: 9}
	s.Owed[in] = []state.Debt{{Run: "r1", Cause: "x.y@a"}}
	return s
}

func TestEncode(t *testing.T) {
	s := full(t)
	b, err := state.Encode(s, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	got, err := state.Decode("state.json", b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, got, same); d != "" {
		t.Error(d)
	}
	again, err := state.Encode(got, "1.2.3")
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("not canonical: %v\n%s", err, again)
	}
	empty := state.NewSnapshot(s.Lineage)
	if b, err = state.Encode(empty, ""); err != nil {
		t.Fatal(err)
	}
	if got, err = state.Decode("", b); err != nil || !cmp.Equal(empty, got, same) {
		t.Errorf("%v\n%s", err, b)
	}
}

// TestDecodeRefuses changes each bit of a state, and cuts it everywhere.
func TestDecodeRefuses(t *testing.T) {
	b, err := state.Encode(full(t), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte) {
		t.Helper()
		s, err := state.Decode("state.json", b)
		var damaged *state.DamagedError
		var newer *state.NewerError
		if s != nil || !(errors.As(err, &damaged) || errors.As(err, &newer)) {
			t.Fatalf("%s: accepted, or %v", what, err)
		}
	}
	for i := range b {
		refused("cut", b[:i])
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			refused("bit", c)
		}
	}
	refused("tail", append(bytes.Clone(b), '\n'))
	for _, text := range []string{"{}", "null", "[]", "\x00", strings.Repeat("[", 20000), `{"format":1}`} {
		refused(text, []byte(text))
	}
	_, err = state.Decode("p", bytes.Replace(b, []byte(`"format": 1,`), []byte(`"format": 2,`), 1))
	var newer *state.NewerError
	if !errors.As(err, &newer) || newer.Version != "1.2.3" {
		t.Errorf("newer: %v", err)
	}
}

func TestFold(t *testing.T) {
	file, svc := at(t, "file.conf@a"), at(t, "service.x@a")
	debt := state.Debt{Run: "r", Cause: "file.conf@a"}
	begin := state.Record{Begin: &state.Begin{Run: "r", Serial: 0, Epoch: 2, Digest: "d", Steps: 2}}
	obj := func(a addr.Instance) *state.Object { return &state.Object{Addr: a, Origin: "created"} }
	for name, tc := range map[string]struct {
		records []state.Record
		check   func(s *state.Snapshot) bool
	}{
		"begin": {nil, func(s *state.Snapshot) bool {
			return s.Serial == 1 && s.Epoch == 2 && s.Applied.Running && s.Applied.Steps == 2 && s.Applied.Digest == "d"
		}},
		"intent alone": {[]state.Record{{Intent: &state.Intent{Addr: file, Run: "r"}}}, func(s *state.Snapshot) bool {
			return s.Interrupted[file].Run == "r"
		}},
		"intent and result": {
			[]state.Record{{Intent: &state.Intent{Addr: file}}, {Result: &state.Result{Addr: file, Step: 1, Concludes: true, Records: true, Object: obj(file)}}},
			func(s *state.Snapshot) bool {
				return len(s.Interrupted) == 0 && len(s.Objects) == 1 && s.Applied.Done == 1 && slices.Equal(s.Applied.Concluded, []int{1})
			},
		},
		"result without record": {[]state.Record{{Result: &state.Result{Addr: file, Object: obj(file)}}}, func(s *state.Snapshot) bool { return len(s.Objects) == 0 }},
		"removed": {
			[]state.Record{{Result: &state.Result{Addr: file, Records: true, Object: obj(file)}}, {Result: &state.Result{Addr: file, Records: true}}},
			func(s *state.Snapshot) bool { return len(s.Objects) == 0 },
		},
		"a host is let go": {
			[]state.Record{{Host: &state.Host{Name: "a"}}, {Host: &state.Host{Name: "b"}}, {Host: &state.Host{Name: "a", Forgotten: true}}},
			func(s *state.Snapshot) bool { _, b := s.Hosts["b"]; return b && len(s.Hosts) == 1 },
		},
		"a debt waits for its object": {
			[]state.Record{
				{Result: &state.Result{Addr: file, Records: true, Object: obj(file), Owes: map[string]state.Debt{"service.x@a": debt}}},
				{Result: &state.Result{Addr: svc, Records: true, Object: obj(svc)}},
			},
			func(s *state.Snapshot) bool { return len(s.Objects[svc].Debts) == 1 && len(s.Owed) == 0 },
		},
		"a debt is paid": {
			[]state.Record{
				{Result: &state.Result{Addr: file, Owes: map[string]state.Debt{"service.x@a": debt}}},
				{Result: &state.Result{Addr: svc, Records: true, Object: &state.Object{Debts: []state.Debt{debt}}, Pays: true}},
			},
			func(s *state.Snapshot) bool { return len(s.Debts(svc)) == 0 && len(s.Objects) == 1 },
		},
		"a debt is not counted twice": {
			[]state.Record{
				{Result: &state.Result{Addr: svc, Records: true, Object: obj(svc)}},
				{Result: &state.Result{Addr: file, Owes: map[string]state.Debt{"service.x@a": debt}}},
				{Result: &state.Result{Addr: file, Owes: map[string]state.Debt{"service.x@a": debt}}},
			},
			func(s *state.Snapshot) bool { return len(s.Debts(svc)) == 1 },
		},
		"end": {[]state.Record{{End: &state.End{Complete: true, Outputs: map[string]json.SimpleJSONValue{"o": {Value: cty.True}}}}}, func(s *state.Snapshot) bool {
			return s.Applied.Complete && !s.Applied.Running && len(s.Outputs) == 1
		}},
	} {
		s := state.NewSnapshot("")
		for _, r := range append([]state.Record{begin}, tc.records...) {
			if err := s.Fold(r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !tc.check(s) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if err := state.NewSnapshot("other").Fold(begin); err == nil {
		t.Error("a journal of another lineage is folded")
	}
}
