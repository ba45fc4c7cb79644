package view

import (
	"slices"
	"time"

	"github.com/kplan/kplan/plans"
)

// A run that took as long as longRun says where its time went: by name the steps
// that took a longPart-th of it.
const (
	longRun  = 10 * time.Second
	longPart = 50
)

// critical is the chain of steps that decided when the run was over: the one that
// ended last, before it what ended last of all that it waited for, and so on. A
// step waits for those that it comes after, and for those before it on its
// machine.
func (t *Tally) critical(pl *plans.Plan) (chain []spanOf) {
	after, lane := map[plans.Node][]plans.Node{}, map[plans.Node]string{}
	for _, s := range pl.Steps() {
		after[s.ID], lane[s.ID] = s.After, s.Machine()
	}
	for _, b := range pl.Barriers() {
		after[b.ID] = b.After
	}
	ended := map[plans.Node]int{} // places in t.spans, which is in the order of ends
	lanes := map[string][]int{}
	for i, s := range t.spans {
		id := plans.Node(s.end.Step)
		ended[id] = i
		lanes[lane[id]] = append(lanes[lane[id]], i)
	}
	var last func(nodes []plans.Node) int
	last = func(nodes []plans.Node) int {
		latest := -1
		for _, n := range nodes {
			i, ok := ended[n]
			if !ok {
				i = last(after[n]) // of a barrier
			}
			latest = max(latest, i)
		}
		return latest
	}
	for i := len(t.spans) - 1; i >= 0; {
		s := t.spans[i]
		chain = append(chain, s)
		id := plans.Node(s.end.Step)
		before := last(after[id])
		for _, k := range slices.Backward(lanes[lane[id]]) {
			if k < i && !t.spans[k].ended.After(s.began) {
				before = max(before, k)
				break
			}
		}
		i = before
	}
	slices.Reverse(chain)
	return chain
}

// criticalPath says where the time of a long run went.
func criticalPath(p *page, t *Tally, pl *plans.Plan) {
	if t.Ended.Elapsed < longRun {
		return
	}
	var all, rest time.Duration
	var long []spanOf
	chain := t.critical(pl)
	for _, s := range chain {
		took := s.ended.Sub(s.began)
		all += took
		if took >= t.Ended.Elapsed/longPart {
			long = append(long, s)
		} else {
			rest += took
		}
	}
	if len(long) == 0 {
		return
	}
	p.end()
	p.sayf("Critical path, %s in all:", span(all))
	for _, s := range long {
		p.sayf("  %5s  %s", span(s.ended.Sub(s.began)), s.end.Addr)
	}
	if n := len(chain) - len(long); n > 0 {
		p.sayf("  %5s  %s", span(rest), count(n, "shorter step"))
	}
}
