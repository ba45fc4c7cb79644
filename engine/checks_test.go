package engine_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
)

const checks = `
resource "package" "daemon" {
  on   = hosts
  name = "daemon"
}
check "values" {
  assert {
    condition     = length(hosts) > 1
    error_message = "one host"
  }
}
check "facts" {
  assert {
    condition     = facts["a"].os == "plan9"
    error_message = "on ${facts["a"].os}"
  }
}
check "results" {
  assert {
    condition     = package.daemon.installed_version == "1.0"
    error_message = "the package is ${package.daemon.installed_version}"
  }
}
check "holds" {
  assert {
    condition     = package.daemon.name == "daemon"
    error_message = "never"
  }
}
`

// A check warns as soon as it is known that it does not hold: of values when the
// spec is validated, of facts and of what stands when it is planned, of what a
// step results in after it.
func TestChecks(t *testing.T) {
	w := newWorld(t, "a")
	m := w.machines["a"]
	m.Archive("daemon", "1.0", "2.0")
	w.spec(checks)
	want := func(when string, diags hcl.Diagnostics, says ...string) {
		t.Helper()
		var got []string
		for _, d := range diags {
			if d.Severity != hcl.DiagWarning || d.Subject == nil {
				t.Errorf("%s: %v", when, d)
			}
			got = append(got, d.Summary+": "+d.Detail)
		}
		if !slices.Equal(got, says) {
			t.Errorf("%s: %q, want %q", when, got, says)
		}
	}
	const values, facts, results = "Check does not hold: values: one host", "Check does not hold: facts: on debian", "Check does not hold: results: the package is 2.0"
	want("validating", w.engine().Validate(w.input()), values)
	offline := w.input()
	offline.Offline = true
	_, diags := w.engine().Plan(t.Context(), offline)
	want("planning without machines", diags, values)
	p, diags := w.engine().Plan(t.Context(), w.input())
	want("planning", diags, facts, values)
	_, diags = w.run(p)
	want("applying", diags, facts, results, values)
	p, diags = w.engine().Plan(t.Context(), w.input())
	want("planning again", diags, facts, results, values)
	p.Close()
	drift := w.input()
	drift.Mode = plans.RefreshOnly
	p, diags = w.engine().Plan(t.Context(), drift)
	want("looking for drift", diags, facts, results, values)
	p.Close()
	destroy := w.input()
	destroy.Mode = plans.Destroy
	p, diags = w.engine().Plan(t.Context(), destroy)
	want("destroying", diags)
	p.Close()
}

// What a block leaves out is not managed, and can be referred to: a check sees it
// as it is at each reading, and neither that it changes nor that it is wrong is
// drift.
func TestChecksOfWhatIsNotManaged(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(`
resource "file" "f" {
  on   = hosts
  path = "/etc/f"
}
check "mode" {
  assert {
    condition     = file.f.mode == "0644"
    error_message = "The mode is ${file.f.mode}."
  }
}
`)
	p, diags := w.engine().Plan(t.Context(), w.input())
	if len(diags) > 0 {
		t.Errorf("before it is there: %v", diags)
	}
	if _, diags = w.run(p); len(diags) > 0 {
		t.Errorf("as it should be: %v", diags)
	}
	chmod := func(mode fs.FileMode) {
		t.Helper()
		if _, err := w.machines["a"].Host().Do(t.Context(), host.WriteFile{Path: "/etc/f", Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o600)
	p, diags = w.engine().Plan(t.Context(), w.input())
	if len(diags) != 1 || diags[0].Detail != "The mode is 0600." || !p.Plan.Empty() || len(p.Plan.Drift()) > 0 {
		t.Errorf("changed behind kplan's back: %v, steps %v, drift %v", diags, steps(p), p.Plan.Drift())
	}
	chmod(0o400) // between a plan and its apply
	if _, diags = w.run(p); len(diags) != 1 || diags[0].Detail != "The mode is 0400." {
		t.Errorf("after an apply without steps: %v", diags)
	}
}

// While looking for drift, what would only act again on what is right is left as
// it is, and seen.
func TestChecksOfWhatDriftLeavesToRefresh(t *testing.T) {
	w := withDaemon(t)
	w.spec(strings.ReplaceAll(daemon, "%s", "red") + `
check "boot" {
  assert {
    condition     = service.daemon.enabled
    error_message = "It does not start at boot."
  }
}
`)
	w.apply()
	w.machines["a"].Put("/etc/daemon.conf", "by hand\n")
	in := w.input()
	in.Mode = plans.RefreshOnly
	p, diags := w.engine().Plan(t.Context(), in)
	if len(diags) != 1 || diags[0].Detail != "It does not start at boot." || len(p.Plan.Drift()) != 1 {
		t.Errorf("%v", diags)
	}
	p.Close()
}

// A check that cannot be evaluated keeps nobody from the apply that may mend it.
func TestACheckThatCannotBeEvaluated(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(motd + `
check "number" {
  assert {
    condition     = tonumber(file.motd.content) > 3
    error_message = "small"
  }
}
`)
	p, diags := w.engine().Plan(t.Context(), w.input())
	if diags.HasErrors() || len(diags) != 1 {
		t.Errorf("diagnostics %v", diags)
	}
	p.Close()
}
