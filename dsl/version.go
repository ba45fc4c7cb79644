package dsl

import (
	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
)

// checkVersion refuses a spec that is for another version of kplan.
func (s *Spec) checkVersion() hcl.Diagnostics {
	set := s.root.mod.settings
	if set == nil || set.version == nil {
		return nil
	}
	c := &collector{mod: s.root.mod}
	text := c.text(set.version)
	if c.diags.HasErrors() {
		return c.diags
	}
	rng := set.version.Expr.Range()
	want, err := version.NewConstraint(text)
	if err != nil {
		return hcl.Diagnostics{errorAt(rng, "Invalid version constraint", "%q is no version constraint, such as \">= 0.1\" or \"~> 1.2\".", text)}
	}
	have, err := version.NewVersion(s.options.Version)
	if err != nil || want.Check(have) || want.Check(have.Core()) {
		return nil // a version that was not released satisfies every constraint
	}
	return hcl.Diagnostics{errorAt(rng, "Another version of kplan is needed", "The spec asks for kplan %s, and this is kplan %s.", text, have)}
}
