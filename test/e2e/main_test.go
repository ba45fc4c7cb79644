// Package e2e runs the real binary against real machines, and looks at what it
// prints, what it leaves on them and what it records.
package e2e

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/test/site"
)

func TestMain(m *testing.M) { site.Main(m) }

// has wants text in what was printed.
func has(t *testing.T, where, text string) {
	t.Helper()
	if !strings.Contains(where, text) {
		t.Errorf("%q is not in:\n%s", text, where)
	}
}

// empty wants a plan that has nothing to do.
func empty(t *testing.T, s *site.Site) {
	t.Helper()
	r := s.Want(0, "plan", "-detailed-exitcode")
	has(t, r.Stdout, "No changes. Your infrastructure matches the configuration.")
}
