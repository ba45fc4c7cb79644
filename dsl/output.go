package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Output is the value of an output block of the root module.
type Output struct {
	Name        string
	Description string
	Value       cty.Value // marked where it is sensitive; unknown where it is known after apply
	Sensitive   bool
	Range       hcl.Range // header of the block
}

// Status is how a check stands.
type Status string

// The statuses of checks.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	Unknown Status = "unknown" // known after apply
)

// Check is how a check block stands.
type Check struct {
	Name     string
	Status   Status
	Failures []Failure // one for each assertion that does not hold
	Range    hcl.Range // header of the block
}

// Failure is an assertion that does not hold.
type Failure struct {
	Message string
	Range   hcl.Range // of the condition
}

// Outputs evaluates the outputs of the root module, by name. Expand must have
// found no errors.
func (s *Spec) Outputs(sc Scope) ([]Output, hcl.Diagnostics) {
	var outs []Output
	var diags hcl.Diagnostics
	ev := &evaluation{scope: sc}
	for _, name := range slices.Sorted(maps.Keys(s.root.mod.outputs)) {
		o := s.root.mod.outputs[name]
		v, more := s.value(s.top, valueID{s.root, kindOutput, name}, ev)
		diags = append(diags, more...)
		if !o.sensitive && v.ContainsMarked() {
			diags = append(diags, errorAt(o.value.rng, "Sensitive output", "The value of the output %q is made of sensitive values. Say sensitive = true in its block so that it is not shown.", name))
			continue
		}
		outs = append(outs, Output{Name: name, Description: o.description, Value: v, Sensitive: o.sensitive, Range: o.rng})
	}
	return outs, inOrder(diags)
}

// Checks evaluates the check blocks of all modules: those of the root first, in
// each by name. Expand must have found no errors.
func (s *Spec) Checks(sc Scope) ([]Check, hcl.Diagnostics) {
	var all []Check
	var diags hcl.Diagnostics
	var visit func(in *instance)
	visit = func(in *instance) {
		m := in.node.mod
		for _, name := range slices.Sorted(maps.Keys(m.checks)) {
			k := Check{Name: name, Status: Pass, Range: m.checks[name].rng}
			if in.addr != "" {
				k.Name = string(in.addr) + "." + name
			}
			for _, c := range m.checks[name].asserts {
				status, msg, more := s.holds(c, in.frame(&evaluation{scope: sc}))
				diags = append(diags, more...)
				switch {
				case status == Fail:
					k.Status = Fail
					k.Failures = append(k.Failures, Failure{msg, c.cond.rng})
				case status == Unknown && k.Status == Pass:
					k.Status = Unknown
				}
			}
			all = append(all, k)
		}
		for _, o := range m.ordered {
			if o.call != nil {
				kids, _ := s.calls(in, o.call.name)
				for _, kid := range kids {
					visit(kid)
				}
			}
		}
	}
	visit(s.top)
	return all, inOrder(diags)
}
