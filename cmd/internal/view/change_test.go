package view

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/plans"
)

// An attribute may be a secret on one side of a change only: it is written as
// one, and as there on both sides.
func TestSecretsOnOneSide(t *testing.T) {
	public, secret := object("content", "public"), secretly(object("content", ""), "content", "d")
	for name, c := range map[string]struct {
		before, after plans.Object
		want          string
	}{
		"before": {secret, public, "~ content = (sensitive value)\n"},
		"after":  {public, secret, "~ content = (sensitive value)\n"},
		"gone":   {secret, plans.None, "- content = (sensitive value) -> null\n"},
		"new":    {plans.None, secret, "+ content = (sensitive value)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPage(look{})
			body(p, "~", at(t, "file.f@a").Resource, c.before, c.after, []string{"content"}, nil)
			if !strings.Contains(p.String(), c.want) || strings.Contains(p.String(), "public") {
				t.Errorf("written:\n%s", p.String())
			}
		})
	}
}
