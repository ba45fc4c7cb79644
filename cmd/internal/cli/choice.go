package cli

import (
	"fmt"
	"slices"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/state"
)

// choice is the flags that limit a plan.
type choice struct{ targets, excludes, replaces *[]string }

func defineChoice(f *flags) choice {
	return choice{
		targets:  f.List("target", "ADDRESS", "plan only what ADDRESS covers, and what that needs"),
		excludes: f.List("exclude", "ADDRESS", "leave out what ADDRESS covers, and what needs it"),
		replaces: f.List("replace", "ADDRESS", "replace what ADDRESS covers, even where it is right"),
	}
}

// chosen is one of these flags: what it was given, and where that goes.
type chosen struct {
	name  string
	texts *[]string
	to    *[]addr.Target
}

func (c choice) flags(in *engine.PlanInput) []chosen {
	return []chosen{
		{"target", c.targets, &in.Targets},
		{"exclude", c.excludes, &in.Excludes},
		{"replace", c.replaces, &in.Replaces},
	}
}

// named refuses an address that names nothing in the spec or in the state: a
// plan for it would have no steps, and say no word of why. What is wrong with
// the spec is left to the engine.
func (c choice) named(in *engine.PlanInput) error {
	if len(in.Targets)+len(in.Excludes)+len(in.Replaces) == 0 {
		return nil
	}
	x, diags := in.Spec.Expand()
	if diags.HasErrors() {
		return nil
	}
	for _, f := range c.flags(in) {
		for _, t := range *f.to {
			if names(t, in.Spec, x, in.State) {
				continue
			}
			detail := "Neither the spec nor the state has anything at this address."
			if near := nearest(t.String(), addresses(in.Spec, x, in.State)); near != "" {
				detail += " Did you mean " + near + "?"
			}
			return problem(fmt.Sprintf("--%s %s names nothing", f.name, t), detail)
		}
	}
	return nil
}

// names reports whether t covers something, or is a block that has no instance.
func names(t addr.Target, spec *dsl.Spec, x *dsl.Expansion, s *state.Snapshot) bool {
	if slices.Contains(hosts(spec, s), t.String()) {
		return true
	}
	for _, r := range x.Resources {
		if t.Matches(addr.Instance{Resource: r}) {
			return true
		}
	}
	for _, in := range x.Instances {
		if t.Matches(in.Addr) {
			return true
		}
	}
	for a := range s.Objects {
		if t.Matches(a) {
			return true
		}
	}
	return false
}

// hosts are the addresses of those of the spec and of those that are recorded.
func hosts(spec *dsl.Spec, s *state.Snapshot) []string {
	var all []string
	for _, h := range spec.Hosts() {
		all = append(all, "host."+h.Name)
	}
	for name := range s.Hosts {
		all = append(all, "host."+name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// addresses are what may be named: hosts, modules and resources before their
// instances.
func addresses(spec *dsl.Spec, x *dsl.Expansion, s *state.Snapshot) []string {
	var instances []addr.Instance
	for _, in := range x.Instances {
		instances = append(instances, in.Addr)
	}
	for a := range s.Objects {
		instances = append(instances, a)
	}
	slices.SortFunc(instances, addr.Compare)
	resources := slices.Clone(x.Resources)
	var whole []string
	for _, a := range instances {
		resources = append(resources, a.Resource)
		whole = append(whole, a.String())
	}
	var modules, blocks []string
	for _, r := range resources {
		if r.Module != "" {
			modules = append(modules, string(r.Module))
		}
		blocks = append(blocks, r.String())
	}
	return slices.Concat(hosts(spec, s), modules, blocks, whole)
}
