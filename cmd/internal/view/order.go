package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/plans"
)

// order says in words what the steps of a plan wait for.
type order struct {
	steps    map[plans.Node]plans.Step
	barriers map[plans.Node][]plans.Node
	behind   map[plans.Node]map[string]map[string]bool // barriers: resources and their hosts
}

func newOrder(pl *plans.Plan) *order {
	o := &order{
		steps:    make(map[plans.Node]plans.Step, len(pl.Steps())),
		barriers: make(map[plans.Node][]plans.Node, len(pl.Barriers())),
		behind:   map[plans.Node]map[string]map[string]bool{},
	}
	for _, s := range pl.Steps() {
		o.steps[s.ID] = s
	}
	for _, b := range pl.Barriers() {
		o.barriers[b.ID] = b.After
	}
	return o
}

// wait is what a step waits for, in words: local leaves out its own host, full
// names every host.
type wait struct {
	step        plans.Node
	local, full string
}

func (w wait) seenFromHost() string { return w.local }
func (w wait) inFull() string       { return w.full }

// wait names what a step waits for, by resource: what is on several hosts with
// their number.
func (o *order) wait(s plans.Step) wait {
	hosts := map[string]map[string]bool{}
	add := func(name, host string) {
		if hosts[name] == nil {
			hosts[name] = map[string]bool{}
		}
		hosts[name][host] = true
	}
	for _, n := range s.After {
		if before, ok := o.steps[n]; ok {
			add(here(before.Addr), before.Addr.Host)
			continue
		}
		for name, on := range o.barrier(n) {
			for h := range on {
				add(name, h)
			}
		}
	}
	var local, full []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		on := hosts[name]
		if len(on) > 1 {
			name += " on " + count(len(on), "host")
			local, full = append(local, name), append(full, name)
			continue
		}
		for h := range on {
			full = append(full, name+"@"+h)
			if h != s.Addr.Host {
				name += "@" + h
			}
			local = append(local, name)
		}
	}
	return wait{s.ID, strings.Join(local, ", "), strings.Join(full, ", ")}
}

// barrier is the resources behind a barrier, each with its hosts.
func (o *order) barrier(n plans.Node) map[string]map[string]bool {
	if hosts, ok := o.behind[n]; ok {
		return hosts
	}
	hosts := map[string]map[string]bool{}
	o.gather(n, map[plans.Node]bool{}, hosts)
	o.behind[n] = hosts
	return hosts
}

func (o *order) gather(n plans.Node, seen map[plans.Node]bool, hosts map[string]map[string]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	if s, ok := o.steps[n]; ok {
		name := s.Addr.Resource.String()
		if hosts[name] == nil {
			hosts[name] = map[string]bool{}
		}
		hosts[name][s.Addr.Host] = true
		return
	}
	for _, b := range o.barriers[n] {
		o.gather(b, seen, hosts)
	}
}
