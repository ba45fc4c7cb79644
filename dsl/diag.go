package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// errorAt is an error diagnostic. summary is terse and fixed, detail whole
// sentences with what to do.
func errorAt(rng hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &rng}
}

func warningAt(rng hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	d := errorAt(rng, summary, detail, args...)
	d.Severity = hcl.DiagWarning
	return d
}

// Distinct leaves out diagnostics that say the same of the same place: those of
// an expression that many instances share.
func Distinct(diags hcl.Diagnostics) hcl.Diagnostics {
	type key struct{ summary, detail, subject string }
	seen := map[key]bool{}
	return slices.DeleteFunc(slices.Clone(diags), func(d *hcl.Diagnostic) bool {
		k := key{d.Summary, d.Detail, ""}
		if d.Subject != nil {
			k.subject = d.Subject.String()
		}
		was := seen[k]
		seen[k] = true
		return was
	})
}

// inOrder sorts diagnostics by their place, so that what a user sees does not
// depend on the order of checks.
func inOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	diags = Distinct(diags)
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		if c := strings.Compare(a.Subject.Filename, b.Subject.Filename); c != 0 {
			return c
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	return diags
}

// suggest is ` Did you mean "x"?` for the name among names that is most like
// given, or nothing.
func suggest(given string, names []string) string {
	if n := nearest(given, names); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	return ""
}

func nearest(given string, names []string) string {
	best, at := "", 3
	if len(given) < 4 {
		at = 2
	}
	plain := strings.NewReplacer("_", "", "-", "")
	for _, n := range slices.Sorted(slices.Values(names)) {
		if n != given && strings.EqualFold(plain.Replace(n), plain.Replace(given)) { // podCIDR, pod_cidr
			return n
		}
		if d := levenshtein.Distance(given, n, nil); d < at && d < len(given) {
			best, at = n, d
		}
	}
	return best
}

// list writes names as `a, b and c`, cut after a few.
func list(names []string) string {
	const most = 6
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
