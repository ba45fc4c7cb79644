package view

import (
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

// after names what a step waits for, by resource: what is on its own host
// without the host, what is on several with their number.
func (o *order) after(s plans.Step) string {
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
	var words []string
	for name, on := range hosts {
		switch {
		case len(on) > 1:
			words = append(words, name+" on "+count(len(on), "host"))
		case on[s.Addr.Host]:
			words = append(words, name)
		default:
			for h := range on {
				words = append(words, name+"@"+h)
			}
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
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
