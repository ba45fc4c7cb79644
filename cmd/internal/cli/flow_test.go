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
	s.want(2, []string{"has changed", `\u001b[2Jgotcha`, `\u003a:error::x`, "Drift: 1 object changed outside of kplan, 1 as recorded."}, "drift")
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
