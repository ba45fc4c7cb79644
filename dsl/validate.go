package dsl

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// checkVariables checks the validations of the root module's variables.
func (s *Spec) checkVariables() hcl.Diagnostics { return s.validateVariables(s.top, nil) }

// validateVariables checks the validations of the variables of a module
// instance. What is not known yet is not refused.
func (s *Spec) validateVariables(in *instance, ev *evaluation) hcl.Diagnostics {
	var diags hcl.Diagnostics
	vars := in.node.mod.variables
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		for _, c := range vars[name].validations {
			status, msg, more := s.holds(c, in.frame(ev))
			diags = append(diags, more...)
			if status == Fail {
				rng := vars[name].rng
				switch {
				case vars[name].sensitive:
				case in.parent != nil && in.node.call.args[name] != nil:
					rng = in.node.call.args[name].rng
				case in.parent != nil: // the call left it at its default, which does not go with the rest
					rng = in.node.call.rng
				case in.parent == nil:
					rng = s.given[name].rng
				}
				diags = append(diags, errorAt(rng, "Invalid value for a variable", "%s\n\nThis is what the validation at %s asks of var.%s.", msg, at(c.rng), name))
			}
		}
	}
	return diags
}

// holds evaluates a condition at f. The message is that of one that does not
// hold.
func (s *Spec) holds(c *condition, f frame) (Status, string, hcl.Diagnostics) {
	v, diags := s.eval(c.cond, f)
	if diags.HasErrors() {
		return Unknown, "", diags
	}
	v, _ = v.Unmark()
	b, err := convert.Convert(v, cty.Bool)
	switch {
	case err != nil || b.IsNull() && b.IsKnown():
		return Unknown, "", append(diags, errorAt(c.cond.rng, "Invalid condition", "A condition is true or false."))
	case !b.IsKnown():
		return Unknown, "", diags
	case b.True():
		return Pass, "", diags
	}
	m, more := s.eval(c.message, f)
	if more.HasErrors() {
		return Fail, "", append(diags, more...)
	}
	if m.ContainsMarked() {
		return Fail, "The condition does not hold. Its error_message is sensitive and not shown.", diags
	}
	text, err := convert.Convert(m, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return Fail, "The condition does not hold.", diags
	}
	return Fail, text.AsString(), diags
}
