package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/local"
)

// site is a directory with a spec, and machines in memory that answer to its
// hosts.
type site struct {
	t        *testing.T
	dir      string
	machines map[string]*hosttest.Machine
	down     map[string]bool
}

func newSite(t *testing.T, spec string, hosts ...string) *site {
	s := &site{t: t, dir: t.TempDir(), machines: map[string]*hosttest.Machine{}, down: map[string]bool{}}
	for _, h := range hosts {
		s.machines[h] = hosttest.New(hosttest.Named(h), hosttest.Report(t.Errorf))
	}
	s.write("main.kplan.hcl", spec)
	return s
}

func (s *site) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// answer is what a run of the program gave.
type answer struct {
	code           int
	stdout, stderr string
}

func (s *site) run(args ...string) answer {
	s.t.Helper()
	var out, err bytes.Buffer
	code := Main(s.t.Context(), Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Dir: s.dir,
		Connect: func(_ context.Context, h, _ *dsl.Host) (engine.Link, error) {
			if s.down[h.Name] {
				return engine.Link{}, errors.New("connection refused")
			}
			return engine.Link{Session: s.machines[h.Name].Session(), HostKey: "ssh-ed25519 " + h.Name}, nil
		},
	})
	return answer{code, out.String(), err.String()}
}

// want runs the program and checks its exit code, and that all of contains
// stands in what it wrote.
func (s *site) want(code int, contains []string, args ...string) answer {
	s.t.Helper()
	a := s.run(args...)
	if a.code != code {
		s.t.Errorf("kplan %s ended with %d, want %d\n%s%s", strings.Join(args, " "), a.code, code, a.stdout, a.stderr)
	}
	for _, c := range contains {
		if !strings.Contains(a.stdout+a.stderr, c) {
			s.t.Errorf("kplan %s does not say %q:\n%s%s", strings.Join(args, " "), c, a.stdout, a.stderr)
		}
	}
	return a
}

const twoHosts = `
host "web1" { address = "10.0.0.1" }
host "web2" { address = "10.0.0.2" }
variable "greeting" {
  type    = string
  default = "hello"
}
resource "file" "motd" {
  on      = hosts
  path    = "/etc/motd"
  content = "${var.greeting}\n"
}
output "greeting" { value = var.greeting }
`

func TestLifeOfASite(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	s.want(0, []string{"Success!"}, "validate")
	s.want(0, nil, "state", "list")
	s.want(2, []string{"  # file.motd@web1 will be created", "Plan: 2 to add, 0 to change, 0 to destroy."}, "plan", "-detailed-exitcode")
	if _, err := os.Stat(filepath.Join(s.dir, ".kplan")); err == nil {
		t.Error("plan made a state")
	}
	s.want(1, []string{"Nobody can be asked", "kplan apply FILE"}, "apply")
	s.want(0, []string{"Apply complete! Resources: 2 added, 0 changed, 0 destroyed.", "Steps: 2 done."}, "apply", "--auto-approve")
	s.want(0, []string{"No changes. Your infrastructure matches the configuration."}, "plan", "--detailed-exitcode")
	s.want(0, []string{"file.motd@web1\nfile.motd@web2\n"}, "state", "list")
	s.want(0, []string{"file.motd@web2\n"}, "state", "list", "host.web2")
	s.want(0, []string{`content = <<-EOT`, "# file.motd@web1:"}, "state", "show", "file.motd@web1")
	s.want(0, []string{"# file.motd@web2:"}, "show")
	s.want(0, []string{`"format_version": "1.0"`, `"address": "file.motd@web1"`}, "show", "-json")
	s.want(0, []string{`greeting = "hello"`}, "output")
	s.want(0, []string{"SERIAL", "current"}, "state", "history")
	if a := s.want(0, nil, "output", "--raw", "greeting"); a.stdout != "hello" {
		t.Errorf("output --raw gives %q", a.stdout)
	}
	s.want(0, []string{"No drift. 2 objects are as recorded."}, "drift")

	s.machines["web2"].Put("/etc/motd", "\x1b[2Jgotcha\n::error::x\n")
	s.want(2, []string{"has changed", `+ \u001b[2Jgotcha`, "Drift: 1 object changed outside of kplan, 1 as recorded."}, "drift")
	s.want(2, []string{`"address": "file.motd@web2"`}, "drift", "--json")
	s.want(2, []string{"Note: Objects have changed outside of kplan", "file.motd@web2 will be updated in-place", "Plan: 0 to add, 1 to change, 0 to destroy."}, "plan", "--detailed-exitcode")

	s.down["web1"] = true
	s.want(8, []string{"This plan is incomplete", "host web1"}, "plan", "--detailed-exitcode")
	s.want(3, []string{"Apply incomplete.", "withheld"}, "apply", "--auto-approve")
	s.down["web1"] = false
	s.want(0, []string{"Destroy complete! Resources: 2 destroyed."}, "destroy", "--auto-approve")
	s.want(0, nil, "state", "list")
}

func TestJSONStreams(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	a := s.want(0, nil, "apply", "--auto-approve", "--json")
	checkStream(t, a.stdout)
	for _, typ := range []string{"version", "planned_change", "change_summary", "apply_start", "apply_complete", "run_complete"} {
		if !strings.Contains(a.stdout, `"type":"`+typ+`"`) {
			t.Errorf("no message of type %s in\n%s", typ, a.stdout)
		}
	}
	s.want(0, []string{"Destroy complete!"}, "destroy", "--auto-approve", "--json-into", "events.json", "--trace", "trace.json")
	for _, name := range []string{"events.json", "trace.json"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "events.json" {
			checkStream(t, string(b))
		} else if !strings.Contains(string(b), `"traceEvents":[{`) {
			t.Errorf("trace: %s", b)
		}
	}
	s.want(1, []string{`"type":"diagnostic"`}, "plan", "--json", "--var", "nosuch=1")
}

func TestSavedPlan(t *testing.T) {
	s := newSite(t, twoHosts+`
variable "token" {
  type      = string
  sensitive = true
  default   = "canary-in-the-spec"
}
resource "file" "token" {
  on                = host.web1
  path              = "/etc/token"
  sensitive_content = var.token
}
`, "web1", "web2")
	planned := s.want(2, []string{"Saved the plan to site plan.kplan", "kplan apply 'site plan.kplan'"}, "plan", "-out", "site plan.kplan", "-detailed-exitcode", "-var", "greeting=servus")
	shown := s.want(0, nil, "show", "site plan.kplan")
	if shown.stdout != planned.stdout {
		t.Errorf("show prints\n%s\nplan printed\n%s", shown.stdout, planned.stdout)
	}
	doc := s.want(0, []string{`"format_version":"1.0"`, `"greeting":{"value":"servus"}`}, "show", "-json", "site plan.kplan")
	s.want(0, []string{"digraph", "create file.motd"}, "graph", "site plan.kplan")
	for _, a := range []answer{planned, shown, doc} {
		if strings.Contains(a.stdout+a.stderr, "canary") {
			t.Errorf("a secret: %s", a.stdout)
		}
	}
	digest := doc.stdout[strings.Index(doc.stdout, `"digest":"`)+10:][:64]
	if !strings.Contains(planned.stdout, "Plan digest: "+digest+"\n") {
		t.Errorf("plan does not print the digest %s", digest)
	}

	s.want(1, []string{"applied as a whole"}, "apply", "--target", "file.motd", "site plan.kplan")
	s.want(6, nil, "apply", "--expect", strings.Repeat("0", 64), "site plan.kplan")
	s.want(1, nil, "apply", "-var", "greeting=other", "site plan.kplan")
	s.want(5, []string{"token"}, "apply", "-var", "token=other", "site plan.kplan")
	s.write("cut.kplan", "PK")
	s.want(6, nil, "apply", "cut.kplan")
	s.want(6, nil, "show", "cut.kplan")
	s.want(6, nil, "show", ".")

	s.machines["web1"].Put("/etc/motd", "somebody was here\n")
	s.want(5, nil, "apply", "site plan.kplan")
	s.machines["web1"].RemoveAll("/etc/motd")
	s.want(0, []string{"Apply complete! Resources: 3 added, 0 changed, 0 destroyed."}, "apply", "--expect", digest, "site plan.kplan")
	if got := s.machines["web2"].Content("/etc/motd"); got != "servus\n" {
		t.Errorf("web2 got %q", got)
	}
	s.want(5, []string{"already applied"}, "apply", "site plan.kplan")
}

// TestAtlantis runs the three commands of Atlantis's custom workflow as they
// stand in its documentation, but for the program's name.
func TestAtlantis(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	s.want(0, []string{"Plan: 2 to add, 0 to change, 0 to destroy."}, "plan", "-input=false", "-no-color", "-out", "p")
	s.want(0, []string{`"resource_changes":[`}, "show", "-json", "p")
	s.want(0, []string{"Apply complete!"}, "apply", "-no-color", "p")
}

func TestLockedAndDamaged(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	s.want(0, nil, "apply", "--auto-approve")
	lease, err := local.New(filepath.Join(s.dir, ".kplan"), Version).Lock(t.Context(), 0, state.Holder{ID: "abc", User: "eve", Host: "there", Command: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	s.want(4, []string{"kplan unlock abc", "eve", "--lock-timeout"}, "apply", "--auto-approve")
	s.want(4, nil, "plan", "--lock-timeout", "50ms")
	s.want(0, []string{"file.motd@web1"}, "state", "list")
	s.want(4, nil, "unlock", "abc")
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	s.want(0, nil, "hosts", "accept", "--auto-approve", "web1")
	s.want(0, []string{"file.motd@web2\n"}, "state", "list")
	s.want(1, []string{"The state records no host web1"}, "hosts", "accept", "web1")
	s.write(".kplan/state.json", "{}")
	for _, command := range [][]string{{"plan"}, {"state", "list"}, {"show"}, {"drift"}, {"apply", "--auto-approve"}, {"output"}} {
		s.want(7, []string{"kplan state repair"}, command...)
	}
	s.want(0, nil, "state", "repair")
	s.want(0, nil, "state", "list")
}
