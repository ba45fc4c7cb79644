// Package backendtest holds the laws that every state.Backend obeys, as a test
// suite. It knows no backend.
package backendtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state"
)

// Place is one place of state, opened as often as a process would be started.
type Place struct {
	Open func() state.Backend
	// Kill ends a lease as the death of its process would: the lock is free,
	// and nothing more is written.
	Kill func(state.Lease)
}

// Run runs the laws, each on a new place.
func Run(t *testing.T, make func(t *testing.T) Place) {
	for _, law := range []struct {
		name  string
		check func(t *testing.T, p Place)
	}{
		{"never written", neverWritten},
		{"lock creates and raises the epoch", lockCreates},
		{"one writer", oneWriter},
		{"readers keep writers out", shared},
		{"save", save},
		{"a run is recorded", runRecorded},
		{"a run that is cut off is recorded", runKilled},
		{"a journal is seen by readers", runSeen},
		{"debts", debts},
		{"types are kept", types},
		{"many at once", many},
		{"nothing after the end", afterEnd},
		{"key", key},
	} {
		t.Run(law.name, func(t *testing.T) { law.check(t, make(t)) })
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lock(t testing.TB, b state.Backend) state.Lease {
	t.Helper()
	return must[state.Lease](t)(b.Lock(context.Background(), 0, state.Holder{ID: "l1", User: "u", Command: "apply"}))
}

func read(t testing.TB, b state.Backend) *state.Snapshot {
	t.Helper()
	return must[*state.Snapshot](t)(b.Read(context.Background()))
}

// Address is the address of the n-th object of the suite.
func Address(n int) addr.Instance {
	return addr.Instance{Resource: addr.Resource{Type: "file", Name: "f"}, Key: addr.IntKey(n), Host: "h"}
}

// Result is a result that records the n-th object.
func Result(run string, n int) state.Result {
	a := Address(n)
	return state.Result{Run: run, Step: n, Addr: a, Outcome: "done", Records: true, Object: &state.Object{
		Addr: a, Origin: "created", Attrs: json.SimpleJSONValue{Value: cty.ObjectVal(map[string]cty.Value{
			"path": cty.StringVal(fmt.Sprintf("/etc/f%d", n)), "mode": cty.StringVal("0644"), "owner": cty.NullVal(cty.String),
			"tags": cty.ListVal([]cty.Value{cty.StringVal("a")}),
		})},
	}}
}

// Intent is the intent before it.
func Intent(run string, n int) state.Intent {
	return state.Intent{Run: run, Step: n, Addr: Address(n), Host: "h", Class: "inline", Action: "create", Input: "i", First: "f", BootID: "b"}
}

func neverWritten(t *testing.T, p Place) {
	s := read(t, p.Open())
	if s.Lineage != "" || s.Objects == nil || s.Hosts == nil {
		t.Errorf("%+v", s)
	}
	release := must[func() error](t)(p.Open().Share(context.Background(), 0))
	ok(t, release())
	if s := read(t, p.Open()); s.Lineage != "" {
		t.Error("reading created a state")
	}
}

func lockCreates(t *testing.T, p Place) {
	l := lock(t, p.Open())
	first := l.Snapshot()
	if first.Lineage == "" || first.Serial != 0 || first.Epoch != 1 {
		t.Errorf("%+v", first)
	}
	ok(t, l.Release())
	l = lock(t, p.Open())
	if s := l.Snapshot(); s.Lineage != first.Lineage || s.Serial != 0 || s.Epoch != 2 {
		t.Errorf("%+v", s)
	}
	p.Kill(l)
	if s := read(t, p.Open()); s.Epoch != 2 {
		t.Errorf("the epoch %d is not durable", s.Epoch)
	}
}

func oneWriter(t *testing.T, p Place) {
	l := lock(t, p.Open())
	_, err := p.Open().Lock(context.Background(), 20*time.Millisecond, state.Holder{ID: "l2"})
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.ID != "l1" {
		t.Errorf("%v", err)
	}
	if _, err := p.Open().Share(context.Background(), 0); !errors.As(err, &locked) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Open().Lock(ctx, time.Hour, state.Holder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	time.AfterFunc(30*time.Millisecond, func() { _ = l.Release() })
	l2 := must[state.Lease](t)(p.Open().Lock(context.Background(), 10*time.Second, state.Holder{ID: "l2"}))
	ok(t, l2.Release())
	ok(t, l2.Release())
}

func shared(t *testing.T, p Place) {
	ok(t, lock(t, p.Open()).Release())
	a := must[func() error](t)(p.Open().Share(context.Background(), 0))
	b := must[func() error](t)(p.Open().Share(context.Background(), 0))
	_, err := p.Open().Lock(context.Background(), 0, state.Holder{})
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Holder != nil {
		t.Errorf("%v", err)
	}
	ok(t, a())
	ok(t, b())
	ok(t, lock(t, p.Open()).Release())
}

func save(t *testing.T, p Place) {
	l := lock(t, p.Open())
	s := l.Snapshot()
	s.Hosts["h"] = state.Host{Name: "h", MachineID: "m"}
	s.Serial, s.Epoch = 100, 100
	ok(t, l.Save(context.Background(), s))
	if s := l.Snapshot(); s.Serial != 1 || s.Epoch != 1 || s.Hosts["h"].MachineID != "m" {
		t.Errorf("%+v", s)
	}
	if s := read(t, p.Open()); s.Serial != 1 || s.Epoch != 1 || s.Hosts["h"].MachineID != "m" {
		t.Errorf("%+v", s)
	}
	s.Lineage = state.NewLineage()
	if l.Save(context.Background(), s) == nil {
		t.Error("a state of another lineage is saved")
	}
	ok(t, l.Release())
	s.Lineage = l.Snapshot().Lineage
	if l.Save(context.Background(), s) == nil {
		t.Error("a save without the lock")
	}
}

func begin(t testing.TB, l state.Lease, run string, steps int) state.Journal {
	t.Helper()
	return must[state.Journal](t)(l.Begin(context.Background(), run, "digest", steps))
}

func runRecorded(t *testing.T, p Place) {
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 2)
	ok(t, j.Host(ctx, state.Host{Name: "h", MachineID: "m"}))
	ok(t, j.Intent(ctx, Intent("r1", 1), Intent("r1", 2)))
	ok(t, j.Result(ctx, Result("r1", 1)))
	ok(t, j.Result(ctx, Result("r1", 2)))
	outputs := map[string]json.SimpleJSONValue{"o": {Value: cty.StringVal("x")}}
	ok(t, j.End(ctx, true, outputs))
	for _, s := range []*state.Snapshot{l.Snapshot(), read(t, p.Open())} {
		if s.Serial != 1 || len(s.Objects) != 2 || s.Hosts["h"].MachineID != "m" || len(s.Interrupted) != 0 || len(s.Outputs) != 1 ||
			!s.Applied.Complete || s.Applied.Running || s.Applied.Run != "r1" || s.Applied.Digest != "digest" || s.Applied.Ended.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	j = begin(t, l, "r2", 1)
	ok(t, j.Result(ctx, state.Result{Run: "r2", Step: 1, Addr: Address(1), Records: true}))
	ok(t, j.End(ctx, false, nil))
	ok(t, l.Release())
	if s := read(t, p.Open()); s.Serial != 2 || len(s.Objects) != 1 || len(s.Outputs) != 1 || s.Applied.Complete {
		t.Errorf("%+v", s)
	}
}

func runKilled(t *testing.T, p Place) {
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 3)
	ok(t, j.Intent(ctx, Intent("r1", 1), Intent("r1", 2)))
	ok(t, j.Result(ctx, Result("r1", 1)))
	p.Kill(l)
	check := func(s *state.Snapshot) {
		t.Helper()
		if s.Serial != 1 || len(s.Objects) != 1 || len(s.Interrupted) != 1 || s.Interrupted[Address(2)].Run != "r1" ||
			!s.Applied.Running || s.Applied.Complete || s.Applied.Digest != "digest" || s.Applied.Done != 1 || s.Applied.Steps != 3 {
			t.Errorf("%+v", s)
		}
	}
	check(read(t, p.Open()))
	l = lock(t, p.Open())
	check(l.Snapshot())
	check(read(t, p.Open()))
	j = begin(t, l, "r2", 1)
	ok(t, j.Result(ctx, Result("r2", 2)))
	ok(t, j.End(ctx, true, nil))
	ok(t, l.Release())
	if s := read(t, p.Open()); s.Serial != 2 || len(s.Objects) != 2 || len(s.Interrupted) != 0 || s.Applied.Running {
		t.Errorf("%+v", s)
	}
}

func runSeen(t *testing.T, p Place) {
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 40)
	for n := 1; n <= 12; n++ {
		ok(t, j.Intent(ctx, Intent("r1", n)))
		ok(t, j.Result(ctx, Result("r1", n)))
	}
	if s := read(t, p.Open()); !s.Applied.Running || s.Applied.Done != 12 || s.Applied.Steps != 40 || len(s.Objects) != 12 || s.Serial != 1 {
		t.Errorf("%+v", s)
	}
	ok(t, j.End(ctx, true, nil))
	ok(t, l.Release())
}

func debts(t *testing.T, p Place) {
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 2)
	r := Result("r1", 1)
	r.Owes = map[string]state.Debt{Address(2).String(): {Run: "r1", Cause: Address(1).String()}}
	ok(t, j.Result(ctx, r))
	bad := r
	bad.Owes = map[string]state.Debt{"nonsense": {}}
	if j.Result(ctx, bad) == nil {
		t.Error("a debt of no address")
	}
	p.Kill(l)
	l = lock(t, p.Open())
	if s := l.Snapshot(); len(s.Debts(Address(2))) != 1 {
		t.Errorf("%+v", s)
	}
	j = begin(t, l, "r2", 1)
	r = Result("r2", 2)
	r.Pays = true
	ok(t, j.Result(ctx, r))
	ok(t, j.End(ctx, true, nil))
	ok(t, l.Release())
	if s := read(t, p.Open()); len(s.Debts(Address(2))) != 0 || len(s.Objects) != 2 {
		t.Errorf("%+v", s)
	}
}

func types(t *testing.T, p Place) {
	ctx := context.Background()
	v := cty.ObjectVal(map[string]cty.Value{
		"list": cty.ListVal([]cty.Value{cty.NumberIntVal(1)}), "set": cty.SetVal([]cty.Value{cty.StringVal("a")}),
		"map": cty.MapValEmpty(cty.Bool), "null": cty.NullVal(cty.List(cty.String)), "tuple": cty.TupleVal([]cty.Value{cty.True, cty.StringVal("<&>")}),
	})
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 2)
	r := Result("r1", 1)
	r.Object.Attrs.Value = v
	ok(t, j.Result(ctx, Result("r1", 2)))
	ok(t, j.Result(ctx, r))
	unknown := Result("r1", 3)
	unknown.Object.Attrs.Value = cty.UnknownVal(cty.String)
	if j.Result(ctx, unknown) == nil {
		t.Error("an unknown value is recorded")
	}
	ok(t, j.Result(ctx, Result("r1", 4)))
	check := func() {
		t.Helper()
		s := read(t, p.Open())
		if got := s.Objects[Address(1)].Attrs.Value; !got.RawEquals(v) {
			t.Errorf("%#v", got)
		}
		if got, want := s.Objects[Address(4)].Attrs.Value, Result("", 4).Object.Attrs.Value; !got.RawEquals(want) {
			t.Errorf("%#v", got)
		}
	}
	check()
	ok(t, j.End(ctx, true, nil))
	check()
	ok(t, l.Release())
}

func many(t *testing.T, p Place) {
	const workers, each = 32, 20
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", workers*each)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				if err := errors.Join(j.Intent(ctx, Intent("r1", n)), j.Result(ctx, Result("r1", n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p.Kill(l)
	if s := read(t, p.Open()); len(s.Objects) != workers*each || len(s.Interrupted) != 0 {
		t.Errorf("%d objects, %d interrupted", len(s.Objects), len(s.Interrupted))
	}
}

func afterEnd(t *testing.T, p Place) {
	ctx := context.Background()
	l := lock(t, p.Open())
	j := begin(t, l, "r1", 1)
	if _, err := l.Begin(ctx, "r2", "", 1); err == nil {
		t.Error("two runs at once")
	}
	if l.Save(ctx, l.Snapshot()) == nil {
		t.Error("a save during a run")
	}
	ok(t, j.End(ctx, true, nil))
	if j.Result(ctx, Result("r1", 1)) == nil || j.Intent(ctx, Intent("r1", 1)) == nil || j.End(ctx, true, nil) == nil {
		t.Error("a record behind the end")
	}
	ok(t, l.Save(ctx, l.Snapshot()))
	j = begin(t, l, "r2", 1)
	ok(t, l.Release())
	if j.Result(ctx, Result("r2", 1)) == nil || j.End(ctx, true, nil) == nil {
		t.Error("a record without the lock")
	}
	if _, err := l.Begin(ctx, "r3", "", 1); err == nil {
		t.Error("a run without the lock")
	}
}

func key(t *testing.T, p Place) {
	ctx := context.Background()
	if k := must[[]byte](t)(p.Open().Key(ctx, false)); k != nil {
		t.Error("a key of no state")
	}
	k := must[[]byte](t)(p.Open().Key(ctx, true))
	if len(k) != 32 {
		t.Errorf("a key of %d bytes", len(k))
	}
	if again := must[[]byte](t)(p.Open().Key(ctx, false)); string(again) != string(k) {
		t.Error("another key")
	}
	if s := read(t, p.Open()); s.Lineage == "" || s.Serial != 0 {
		t.Errorf("%+v", s)
	}
}
