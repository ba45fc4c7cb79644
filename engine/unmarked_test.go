package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

const aFile = `
resource "file" "f" {
  on      = hosts
  path    = "/etc/f"
  %s
}
`

// spelled is all of a plan that anybody is shown, or that is saved.
func spelled(t *testing.T, p *plans.Plan) string {
	t.Helper()
	out, err := p.JSON(plans.JSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(out)
	for _, c := range p.Changes() {
		fmt.Fprintf(&b, "%s %#v %#v %#v %#v\n", c.Reason, c.Before, c.After, c.Recorded, c.Standing)
	}
	for _, d := range p.Drift() {
		fmt.Fprintf(&b, "%#v %#v\n", d.Recorded, d.Actual)
	}
	return b.String()
}

// What was a secret when it was recorded is one on the machine for as long as
// it stands there, whatever the spec says of its successor.
func TestASecretStaysOneWhenItsMarkIsTakenAway(t *testing.T) {
	const public = `content = "public\n"`
	for name, c := range map[string]struct{ was, is string }{
		"the mark": {`content = sensitive("hunter2\n")`, public},
		"the name": {`sensitive_content = "hunter2\n"`, public},
		"the name, ignored": {
			`sensitive_content = "hunter2\n"`, public + "\n  mode = \"0600\"\n  lifecycle { ignore_changes = [content] }",
		},
		"the mark, ignored": {
			`content = sensitive("hunter2\n")`, public + "\n  mode = \"0600\"\n  lifecycle { ignore_changes = [content] }",
		},
		"and the path":          {`content = sensitive("hunter2\n")`, public + "\n  path = \"/etc/g\""},
		"the name and the path": {`sensitive_content = "hunter2\n"`, public + "\n  path = \"/etc/g\""},
	} {
		for _, drift := range []string{"", "hunter3\n"} {
			t.Run(name+" "+strings.TrimSpace(drift), func(t *testing.T) {
				w := newWorld(t, "a")
				w.spec(fmt.Sprintf(aFile, c.was))
				w.apply()
				if drift != "" {
					w.machines["a"].Put("/etc/f", drift)
				}
				spec := aFile
				if strings.Contains(c.is, "path") {
					spec = strings.ReplaceAll(spec, "  path    = \"/etc/f\"\n", "")
				}
				w.spec(fmt.Sprintf(spec, c.is))
				p, in := w.planWith(func(*engine.PlanInput) {})
				if s := spelled(t, p.Plan); strings.Contains(s, "hunter") {
					t.Errorf("the plan shows it:\n%s", s)
				}
				if n := len(p.Plan.Drift()); drift == "" && n > 0 {
					t.Errorf("%d objects drifted, and nobody changed one", n)
				}
				_, diags := w.run(w.derive(in, p.Plan))
				w.noErrors(diags)
				if s := fmt.Sprintf("%#v", w.input().State); strings.Contains(s, "hunter") {
					t.Errorf("the state holds it:\n%s", s)
				}
				if s := spelled(t, w.plan().Plan); strings.Contains(s, "hunter") {
					t.Errorf("the next plan shows it:\n%s", s)
				}
				w.wantSteps()
			})
		}
	}
}

// What stands on the machine may be printed by its programs.
func TestASecretThatIsReplacedIsBlankedInTexts(t *testing.T) {
	w := newWorld(t, "a")
	w.spec(fmt.Sprintf(aFile, `content = sensitive("hunter2\n")`))
	w.apply()
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		return host.Output{Code: 1, Stderr: []byte("it was hunter2\n")}
	})
	w.spec(fmt.Sprintf(aFile, `content = "public\n"`) + once)
	if told := w.told(w.plan()); strings.Contains(told, "hunter2") || !strings.Contains(told, "it was (sensitive value)") {
		t.Errorf("told:\n%s", told)
	}
}

// The two names of the content of a file are one thing: another name for the
// same content is neither a change nor drift, and neither name shows a secret.
func TestTheSameContentUnderItsOtherName(t *testing.T) {
	marked, plain, secret := `content = sensitive("hunter2\n")`, `content = "hunter2\n"`, `sensitive_content = "hunter2\n"`
	for name, c := range map[string]struct {
		was, is string
		shown   bool
	}{
		"marked to secret": {marked, secret, false},
		"secret to marked": {secret, marked, false},
		"plain to secret":  {plain, secret, false},
		"secret to plain":  {secret, plain, true},
		"marked to plain":  {marked, plain, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(fmt.Sprintf(aFile, c.was))
			w.apply()
			w.spec(fmt.Sprintf(aFile, c.is))
			for range 2 { // from the record under the old name, and under the new one
				p := w.plan()
				if s := steps(p); len(s) != 0 || len(p.Plan.Drift()) != 0 {
					t.Errorf("steps %v, drift %v", s, p.Plan.Drift())
				}
				if s := spelled(t, p.Plan); strings.Contains(s, "hunter") != c.shown {
					t.Errorf("shown:\n%s", s)
				}
				p.Close()
				w.apply()
			}
		})
	}
}
