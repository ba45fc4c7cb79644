package resourcetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/test/needs"
)

// errBroken is what a machine is broken with.
var errBroken = errors.New("the law broke the machine")

// maxBreaks bounds the operations of one apply; more is a loop without end.
const maxBreaks = 60

// Laws tries the laws of typ with those of cases that are of it. machine gives
// a bare machine each time; where that is dear, the laws ask for one a case,
// and for more only if it is a Breaker.
func Laws(t *testing.T, typ *resource.Type, machine func(t *testing.T) Machine, cases []Case) {
	t.Helper()
	tried, together := false, false
	for _, c := range cases {
		if c.Type != typ.Name {
			continue
		}
		tried, together = true, together || len(c.Together) > 0
		t.Run(c.Name, func(t *testing.T) {
			l := &law{T: t, typ: typ, c: c, machine: machine}
			m := l.bare()
			if typ.IsAct {
				l.act(m)
			} else {
				l.life(m)
				l.together(m)
			}
			if _, ok := m.(Breaker); ok {
				l.broken(false)
				l.broken(true)
				l.cancelled()
			}
		})
	}
	if !tried {
		t.Errorf("no case tries the type %s", typ.Name)
	}
	if together != typ.CanBatch() {
		t.Errorf("the type %s batches: %t; cases try it: %t", typ.Name, typ.CanBatch(), together)
	}
}

type law struct {
	*testing.T
	typ     *resource.Type
	c       Case
	machine func(t *testing.T) Machine
}

// bare is a machine that is prepared for the case.
func (l *law) bare() Machine {
	l.Helper()
	m := l.machine(l.T)
	for _, need := range l.c.Needs {
		if !m.Has(need) {
			needs.Missing(l.T, "the machine has no "+need)
		}
	}
	for _, op := range l.c.Prepare {
		if _, err := m.Host().Do(l.Context(), op); err != nil {
			l.Fatalf("cannot prepare the machine: %v", err)
		}
	}
	return m
}

// among is the context of an act on m, which may need others.
func (l *law) among(m Machine) context.Context {
	if p, ok := m.(Peered); ok {
		return host.WithPeers(l.Context(), p.Peer)
	}
	return l.Context()
}

func (l *law) object(v Values) cty.Value {
	l.Helper()
	o, err := Object(l.typ.Schema, v)
	if err != nil {
		l.Fatal(err)
	}
	if err := l.typ.Validate(o); err != nil {
		l.Fatalf("Validate refuses the case: %v", err)
	}
	return o
}

// life: a bare machine has no object; apply makes it; each change is seen, and
// made; delete takes it away.
func (l *law) life(m Machine) {
	l.Helper()
	values := l.c.Want
	want := l.object(values)
	if len(l.typ.Claims(want)) == 0 {
		l.Error("the object claims nothing")
	}
	switch got := l.read(m, want); {
	case !l.c.Stands && !got.IsNull():
		l.Fatalf("Read of a bare machine gives %#v", got)
	case l.c.Stands && (got.IsNull() || len(Diff(l.typ, want, got)) == 0):
		l.Fatalf("the bare machine was to have the object, differently; Read gives %#v", got)
	}
	l.apply(m, want)
	for _, change := range l.c.Changes {
		values = over(values, change)
		want = l.object(values)
		got := l.read(m, want)
		var names []string
		for _, a := range l.typ.Schema.Attributes {
			if _, changed := change[a.Name]; changed && !want.GetAttr(a.Name).IsNull() {
				names = append(names, a.Name)
			}
		}
		if diff := Diff(l.typ, want, got); !got.IsNull() && !slices.Equal(diff, names) {
			l.Errorf("after a change of %v, the diff names %v", names, diff)
		}
		l.apply(m, want)
	}
	if l.typ.RefreshWord() != "" {
		if err := l.typ.Refresh(l.Context(), m.Host(), want); err != nil {
			l.Errorf("Refresh: %v", err)
		}
		if diff := Diff(l.typ, want, l.read(m, want)); len(diff) > 0 {
			l.Errorf("after a refresh, %v differ", diff)
		}
	}
	if !l.typ.CanDelete() {
		return
	}
	recorded := l.read(m, want)
	alone := resource.Outlook{Deleted: func(string) bool { return false }, Claimed: func(string) string { return "" }}
	if l.typ.Keeps(recorded, alone) != "" {
		return // the delete is a forget
	}
	for range 2 { // what is gone may be deleted again
		if err := l.typ.Delete(l.among(m), m.Host(), recorded); err != nil {
			l.Fatalf("Delete: %v", err)
		}
	}
	if got := l.read(m, want); !got.IsNull() {
		l.Errorf("after Delete, Read gives %#v", got)
	}
}

// together: what is made in one act is as wanted, each of it, and stays so where
// that is done again.
func (l *law) together(m Machine) {
	l.Helper()
	for _, round := range l.c.Together {
		for range 2 {
			var wants, priors []cty.Value
			for _, v := range round {
				wants = append(wants, l.object(v))
				priors = append(priors, l.read(m, wants[len(wants)-1]))
			}
			if err := l.typ.ApplyAll(l.among(m), m.Host(), wants, priors); err != nil {
				l.Fatalf("ApplyAll: %v", err)
			}
			for _, want := range wants {
				got := l.read(m, want)
				if diff := Diff(l.typ, want, got); len(diff) > 0 {
					l.Fatalf("after ApplyAll, %v differ:\n%#v\nwanted:\n%#v", diff, got, want)
				}
			}
		}
	}
}

// read reads the object through a host that refuses acts, and counts the calls.
func (l *law) read(m Machine, want cty.Value) cty.Value {
	l.Helper()
	h := &counting{Host: m.Reader()}
	got, err := l.typ.Read(l.Context(), h, want)
	if err != nil {
		l.Fatalf("Read: %v", err)
	}
	if limit := max(1, l.c.Calls); h.calls > limit {
		l.Errorf("Read makes a chain of %d calls, the case says %d", h.calls, limit)
	}
	if l.typ.Inspects() {
		l.inspect(m, want)
	}
	return got
}

// inspect looks at the machine through a host that refuses acts, in one call,
// and wants each finding to say what is wrong and what to do.
func (l *law) inspect(m Machine, want cty.Value) {
	l.Helper()
	h := &counting{Host: m.Reader()}
	list, err := l.typ.Inspect(l.Context(), h, want, resource.Situation{Address: "10.0.2.15", Now: time.Now()})
	if err != nil || h.calls > 1 {
		l.Errorf("Inspect makes %d calls, error %v", h.calls, err)
	}
	for _, f := range list {
		compared := f.Unique != "" && f.Msg == ""
		if f.Name == "" || !compared && (f.Msg == "" || !strings.HasSuffix(f.Advice, ".")) {
			l.Errorf("a finding that does not say what is wrong and what to do: %+v", f)
		}
	}
}

// apply makes the object as wanted, and proves it.
func (l *law) apply(m Machine, want cty.Value) {
	l.Helper()
	if err := l.typ.Apply(l.among(m), m.Host(), want, l.read(m, want)); err != nil {
		l.Fatalf("Apply: %v", err)
	}
	got := l.read(m, want)
	if diff := Diff(l.typ, want, got); len(diff) > 0 {
		l.Fatalf("after Apply, %v differ:\n%#v\nwanted:\n%#v", diff, got, want)
	}
}

// broken: an apply that breaks at its n-th operation, for every n, converges
// when it is done again.
func (l *law) broken(done bool) {
	l.Helper()
	want := l.object(l.c.Want)
	for n := 1; ; n++ {
		if n > maxBreaks {
			l.Fatalf("Apply makes more than %d operations", maxBreaks)
		}
		m := l.bare()
		var prior cty.Value
		if !l.typ.IsAct {
			prior = l.read(m, want)
		}
		m.(Breaker).Break(n, done, errBroken)
		err := l.once(m, want, prior)
		if !m.(Breaker).Mend() {
			return
		}
		if !errors.Is(err, errBroken) {
			l.Errorf("broken at operation %d, it gives the error %v", n, err)
		}
		if l.typ.IsAct {
			if _, err := l.typ.Do(l.Context(), m.Host(), want); err != nil {
				l.Fatalf("broken at operation %d, then done again: %v", n, err)
			}
			continue
		}
		l.apply(m, want)
	}
}

func (l *law) once(m Machine, want, prior cty.Value) error {
	if l.typ.IsAct {
		_, err := l.typ.Do(l.Context(), m.Host(), want)
		return err
	}
	return l.typ.Apply(l.among(m), m.Host(), want, prior)
}

// cancelled: a cancelled context comes back as such.
func (l *law) cancelled() {
	l.Helper()
	want := l.object(l.c.Want)
	m := l.bare()
	ctx, cancel := context.WithCancel(l.among(m))
	cancel()
	check := func(what string, err error) {
		l.Helper()
		if !errors.Is(err, context.Canceled) {
			l.Errorf("%s with a cancelled context gives the error %v", what, err)
		}
	}
	if l.typ.IsAct {
		_, err := l.typ.Do(ctx, m.Host(), want)
		check("Do", err)
		return
	}
	_, err := l.typ.Read(ctx, m.Reader(), want)
	check("Read", err)
	check("Apply", l.typ.Apply(ctx, m.Host(), want, cty.NullVal(l.typ.Schema.Object())))
	if l.typ.CanDelete() {
		check("Delete", l.typ.Delete(ctx, m.Host(), want))
	}
}

// act: Due writes nothing; what the machine shows to be due is not once it is
// done; guards turn a second time into not needed.
func (l *law) act(m Machine) {
	l.Helper()
	want := l.object(l.c.Want)
	due := func() resource.Verdict {
		l.Helper()
		h := &counting{Host: m.Reader()}
		v, err := l.typ.Due(l.Context(), h, want)
		if err != nil {
			l.Fatalf("Due: %v", err)
		}
		if limit := max(1, l.c.Calls); h.calls > limit {
			l.Errorf("Due makes a chain of %d calls, the case says %d", h.calls, limit)
		}
		return v
	}
	first := due()
	if first == resource.DoneBefore {
		l.Errorf("on a bare machine, Due says %q", first)
	}
	for i, expect := range []resource.Outcome{resource.Done, again(l.c.Guarded)} {
		outcome, err := l.typ.Do(l.Context(), m.Host(), want)
		if err != nil || outcome != expect {
			l.Errorf("Do, time %d, gives %q and the error %v; expected %q", i+1, outcome, err, expect)
		}
	}
	if second := due(); first == resource.DueNow && second != resource.DoneBefore && second != resource.DueAfter {
		l.Errorf("once it is done, Due says %q", second)
	}
	if l.c.Guarded == (l.typ.Condition(want) == "") {
		l.Errorf("the condition is %q", l.typ.Condition(want))
	}
}

func again(guarded bool) resource.Outcome {
	if guarded {
		return resource.NotNeeded
	}
	return resource.Done
}

// Do counts; an act through a host for reading is refused by the machine.
func (c *counting) Do(ctx context.Context, ops ...host.Op) ([]host.Result, error) {
	c.calls++
	return c.Host.Do(ctx, ops...)
}
