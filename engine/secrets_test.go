package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/plans"
)

const secretFile = `
resource "file" "s" {
  on                = hosts
  path              = "/etc/s"
  sensitive_content = "secretsecret"
}
`

const maybeSecret = `
variable "v" {
  type      = string
  default   = "secretsecret"
  sensitive = %s
}
resource "file" "s" {
  on      = hosts
  path    = "/etc/s"
  content = var.v
}
`

// The record of a secret is its digest: all that is planned from it has to do
// without the value.
func TestPlansFromRecordedSecrets(t *testing.T) {
	tests := []struct {
		name          string
		before, after string
		mode          plans.Mode
		want          []string
	}{
		{"unchanged", secretFile, secretFile, plans.Normal, nil},
		{"changed", secretFile, strings.ReplaceAll(secretFile, "secretsecret", "secretsecrets"), plans.Normal, []string{"update file.s@a"}},
		{"removed", secretFile, "", plans.Normal, []string{"delete file.s@a"}},
		{"destroyed", secretFile, secretFile, plans.Destroy, []string{"delete file.s@a"}},
		{"moved", secretFile, strings.ReplaceAll(secretFile, "/etc/s", "/etc/t"), plans.Normal, []string{"replace file.s@a"}},
		{"becomes sensitive", strings.ReplaceAll(maybeSecret, "%s", "false"), strings.ReplaceAll(maybeSecret, "%s", "true"), plans.Normal, nil},
		{"is not sensitive any more", strings.ReplaceAll(maybeSecret, "%s", "true"), strings.ReplaceAll(maybeSecret, "%s", "false"), plans.Normal, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(tt.before)
			w.apply()
			w.spec(tt.after)
			p, _ := w.planWith(func(in *engine.PlanInput) { in.Mode = tt.mode })
			if got := steps(p); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Fatalf("steps: %v, want %v", got, tt.want)
			}
			if d := p.Plan.Drift(); len(d) != 0 {
				t.Errorf("drift: %v", d)
			}
			_, diags := w.run(p)
			w.noErrors(diags)
			if tt.mode == plans.Normal {
				w.wantSteps()
			}
		})
	}
}

// told is all that the run told of its steps, and of their failures.
func (w *world) told(p *engine.Planned) string {
	w.t.Helper()
	_, diags := w.run(p)
	if !diags.HasErrors() {
		w.t.Fatal("nothing failed")
	}
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(d.Error() + "\n")
	}
	for _, e := range w.events {
		if s, ok := e.Data.(event.StepEnded); ok {
			b.WriteString(s.Reason + "\n" + s.Output + "\n")
		}
	}
	return b.String()
}

// Secrets are blanked before a long line is cut: the head of a secret is not
// the secret any more, and would not be found.
func TestASecretLongerThanALineIsHidden(t *testing.T) {
	long := strings.Repeat("s3cret-", 60)
	w := newWorld(t, "a")
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		return host.Output{Code: 1, Stderr: []byte("refused: " + long + "\n")}
	})
	w.spec(fmt.Sprintf(`
variable "pw" {
  type      = string
  sensitive = true
  default   = %q
}
resource "exec" "x" {
  on      = hosts
  command = "make-it"
  stdin   = var.pw
}
`, long))
	if told := w.told(w.plan()); strings.Contains(told, "s3cret") || !strings.Contains(told, "refused: (sensitive value)") {
		t.Errorf("told:\n%s", told)
	}
}

// Output is cut wherever its limit falls: the line that was cut may end in half
// of a secret, which nobody would find.
func TestTheLineThatOutputWasCutInIsNotShown(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for name, c := range map[string]struct {
		out  host.Output
		want string
	}{
		"standard error":  {host.Output{Code: 1, Stderr: []byte("one\ntwo\nhunter2hunt"), Truncated: true}, "status 1: two"},
		"standard output": {host.Output{Code: 1, Stdout: []byte("one\ntwo\nhunter2hunt"), Truncated: true}, "status 1: two"},
		"one line":        {host.Output{Code: 1, Stderr: []byte("hunter2hunt"), Truncated: true}, "status 1."},
		"whole lines":     {host.Output{Code: 1, Stderr: []byte("one\ntwo\n"), Truncated: true}, "status 1: two"},
		"not cut":         {host.Output{Code: 1, Stderr: []byte("one\nit is " + secret)}, "status 1: it is (sensitive value)"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { return c.out })
			w.spec(`
resource "exec" "x" {
  on      = hosts
  command = "make-it"
  stdin   = sensitive("` + secret + `")
}
`)
			if told := w.told(w.plan()); strings.Contains(told, "hunt") || !strings.Contains(told, c.want) {
				t.Errorf("told:\n%s", told)
			}
		})
	}
}

// Secrets of what is left over are read from one machine while another writes
// texts in which they are looked for; the race detector sees it where the two
// are not kept apart.
func TestTextsAreBlankedWhileSecretsAreRead(t *testing.T) {
	w := newWorld(t, "b", "c", "d", "e", "f")
	w.machines["a"] = hosttest.New(hosttest.Named("a"), hosttest.Report(t.Errorf), hosttest.Latency(3*time.Millisecond))
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		return host.Output{Code: 1, Stderr: []byte("refused\nrefused\n")}
	})
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintf(&b, "resource \"file\" \"f%d\" {\n  on = hosts\n  path = \"/etc/f%d\"\n  sensitive_content = \"secretsecret\"\n}\n", i, i)
	}
	w.spec(b.String())
	w.apply()
	w.spec(strings.ReplaceAll(once, "hosts", "host.a"))
	if told := w.told(w.plan()); !strings.Contains(told, "refused") {
		t.Errorf("told:\n%s", told)
	}
}

// A type says what it does not take, and often quotes it.
func TestMessagesDoNotQuoteSensitiveArguments(t *testing.T) {
	const variable = `
variable "pw" {
  type      = string
  sensitive = true
  default   = "hunter2 hunter3\nx"
}
`
	for name, body := range map[string]string{
		"sysctl value":     "resource \"sysctl\" \"s\" {\n  on = hosts\n  key = \"net.ipv4.ip_forward\"\n  value = var.pw\n}\n",
		"file owner":       "resource \"file\" \"s\" {\n  on = hosts\n  path = \"/etc/x\"\n  owner = var.pw\n}\n",
		"file path":        "resource \"file\" \"s\" {\n  on = hosts\n  path = var.pw\n}\n",
		"exec environment": "resource \"exec\" \"s\" {\n  on = hosts\n  command = \"x\"\n  environment = { (var.pw) = \"x\" }\n}\n",
		"exec directory":   "resource \"exec\" \"s\" {\n  on = hosts\n  command = \"x\"\n  cwd = var.pw\n}\n",
		"service name":     "resource \"service\" \"s\" {\n  on = hosts\n  name = var.pw\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a")
			w.spec(variable + body)
			diags := w.engine().Validate(w.input())
			if !diags.HasErrors() {
				t.Error("it is valid")
			}
			p, more := w.engine().Plan(t.Context(), w.input())
			defer p.Close()
			for _, d := range append(diags, more...) {
				if strings.Contains(d.Error(), "hunter") {
					t.Errorf("it is quoted: %v", d)
				}
			}
		})
	}
}

// A recorded digest of the same value is no change.
func TestSensitiveOutputsLeaveTheNextPlanEmpty(t *testing.T) {
	w := newWorld(t, "a")
	const outputs = `
output "plain" {
  value = "x"
}
output "secret" {
  value     = "%s"
  sensitive = true
}
`
	w.spec(motd + strings.ReplaceAll(outputs, "%s", "x"))
	w.apply()
	if p := w.plan(); !p.Plan.Empty() {
		t.Errorf("outputs: %v", p.Plan.Outputs())
	}
	w.spec(motd + strings.ReplaceAll(outputs, "%s", "y"))
	if p := w.plan(); p.Plan.Empty() {
		t.Error("a secret output that changes is not seen")
	}
}
