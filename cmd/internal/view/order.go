package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/plans"
)

// order says in words what the steps of a plan wait for.
type order struct {
	plan     *plans.Plan
	barriers map[plans.Node][]plans.Node
	behind   map[string]onHosts // what stands behind barriers, by their ids
}

// onHosts is resources with the hosts that they are on.
type onHosts map[string]map[string]bool

func (o onHosts) add(name, host string) {
	if o[name] == nil {
		o[name] = map[string]bool{}
	}
	o[name][host] = true
}

func newOrder(pl *plans.Plan) *order {
	o := &order{plan: pl, barriers: make(map[plans.Node][]plans.Node, len(pl.Barriers())), behind: map[string]onHosts{}}
	for _, b := range pl.Barriers() {
		o.barriers[b.ID] = b.After
	}
	return o
}

// wait names what the step at a place waits for, by resource: what is on
// several hosts with their number, and the step's own host only in full. What is behind barriers is shared by many steps, and so is
// never copied for one.
func (o *order) wait(place int, full bool) string {
	s := o.plan.Steps()[place]
	direct, shared := onHosts{}, onHosts(nil)
	var ids []plans.Node
	for _, n := range s.After {
		if before, ok := o.plan.Step(n); ok {
			direct.add(here(before.Addr), before.Addr.Host)
		} else {
			ids = append(ids, n)
		}
	}
	if len(ids) > 0 {
		shared = o.barrier(ids)
	}
	names := slices.AppendSeq(make([]string, 0, len(direct)+len(shared)), maps.Keys(direct))
	names = slices.AppendSeq(names, maps.Keys(shared))
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		n, host := union(direct[name], shared[name])
		switch {
		case n > 1:
			names[i] = name + " on " + count(n, "host")
		case full || host != s.Addr.Host:
			names[i] = name + "@" + host
		}
	}
	return strings.Join(names, ", ")
}

// union is how many hosts there are in one of two sets, and one of them.
func union(a, b map[string]bool) (n int, host string) {
	if len(a) > len(b) {
		a, b = b, a
	}
	n = len(b)
	for host = range b {
		break
	}
	for h := range a {
		if !b[h] {
			n++
		}
	}
	return n, host
}

// barrier is the resources behind barriers, each with its hosts.
func (o *order) barrier(ids []plans.Node) onHosts {
	key := fmt.Sprint(ids)
	if all, ok := o.behind[key]; ok {
		return all
	}
	all, seen := onHosts{}, map[plans.Node]bool{}
	for _, n := range ids {
		o.gather(n, seen, all)
	}
	o.behind[key] = all
	return all
}

func (o *order) gather(n plans.Node, seen map[plans.Node]bool, all onHosts) {
	if seen[n] {
		return
	}
	seen[n] = true
	if s, ok := o.plan.Step(n); ok {
		all.add(s.Addr.Resource.String(), s.Addr.Host)
		return
	}
	for _, b := range o.barriers[n] {
		o.gather(b, seen, all)
	}
}
