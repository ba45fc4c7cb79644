package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/plans"
)

// ran is when a step was under way, in seconds of the run.
type ran struct {
	step         plans.Node
	began, ended int
}

func tallyOf(t *testing.T, pl *plans.Plan, steps ...ran) *Tally {
	t.Helper()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tally := &Tally{}
	addrs := map[plans.Node]plans.Step{}
	for _, s := range pl.Steps() {
		addrs[s.ID] = s
	}
	for _, r := range steps {
		tally.Event(event.Event{Time: start.Add(time.Duration(r.began) * time.Second), Data: event.StepStarted{Step: int(r.step)}})
	}
	for _, r := range steps {
		tally.Event(event.Event{Time: start.Add(time.Duration(r.ended) * time.Second), Data: event.StepEnded{
			Step: int(r.step), Addr: addrs[r.step].Addr, Outcome: event.Done, Elapsed: time.Duration(r.ended-r.began) * time.Second,
		}})
	}
	last := steps[len(steps)-1].ended
	tally.Event(event.Event{Data: event.RunEnded{Elapsed: time.Duration(last) * time.Second}})
	return tally
}

func TestCriticalPath(t *testing.T) {
	s := &sheet{TB: t}
	s.hosts("a", "b")
	step := func(name string, after ...plans.Node) plans.Node {
		return s.add(plans.Change{Addr: at(t, name), Action: plans.Create, After: object("path", "/"+name)}, plans.Step{After: after})
	}
	a1, a2, b1 := step("file.one@a"), step("file.two@a"), step("file.one@b")
	all := s.barrier(a1, b1)
	b2 := step("file.two@b", all)
	b3 := step("file.three@b", b2)
	pl := s.plan()
	tests := map[string]struct {
		steps []ran
		want  string
	}{
		"through a barrier":             {[]ran{{b1, 0, 1}, {a1, 0, 9}, {b2, 9, 19}, {b3, 19, 20}}, "one@a two@b three@b"},
		"through the turn of a machine": {[]ran{{a2, 0, 8}, {b1, 0, 1}, {a1, 8, 9}, {b2, 9, 10}, {b3, 10, 10}}, "two@a one@a two@b three@b"},
		"steps of no length":            {[]ran{{a1, 0, 0}, {a2, 0, 0}, {b1, 0, 0}}, "one@b"},
		"steps of one act":              {[]ran{{a1, 0, 9}, {a2, 0, 9}}, "two@a"},
		"one that is cut off":           {[]ran{{b2, 3, 9}}, "two@b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range tallyOf(t, pl, tt.steps...).critical(pl) {
				got = append(got, s.end.Addr.Resource.Name+"@"+s.end.Addr.Host)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	report := func(steps ...ran) string {
		var out bytes.Buffer
		New(Options{Out: &out, Err: &bytes.Buffer{}}).Report(tallyOf(t, pl, steps...), pl)
		return out.String()
	}
	const want = "Critical path, 1m00s in all:\n    40s  file.one@a\n    19s  file.two@b\n   1.0s  1 shorter step\n"
	if got := report(ran{b1, 0, 1}, ran{a1, 0, 40}, ran{b2, 40, 59}, ran{b3, 59, 60}); !strings.Contains(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := report(ran{a1, 0, 9}); strings.Contains(got, "Critical") {
		t.Errorf("a short run says\n%s", got)
	}
}
