package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// everyType uses each resource type at least once.
const everyType = `
resource "hostname" "this" {
  on   = hosts
  name = each.host.name
}
resource "hosts_file" "nodes" {
  on      = hosts
  entries = { for h in hosts : h.address => [h.name] }
}
resource "swap" "off" {
  on      = hosts
  enabled = false
}
resource "sysctl" "forward" {
  on    = hosts
  key   = "net.ipv4.ip_forward"
  value = "1"
}
resource "package" "hello" {
  on      = hosts
  name    = "lab-hello"
  version = "1.0-1"
}
resource "package" "daemon" {
  on   = hosts
  name = "lab-daemon"
}
resource "directory" "conf" {
  on   = hosts
  path = "/etc/kplan-test"
  mode = "0750"
}
resource "file" "conf" {
  on         = hosts
  path       = "/etc/kplan-test/daemon.conf"
  content    = "host = ${each.host.name}\nquote = \"it's\" $HOME\n"
  mode       = "0640"
  depends_on = [directory.conf]
}
resource "service" "daemon" {
  on         = hosts
  name       = "lab-daemon"
  enabled    = true
  running    = true
  on_change  = [file.conf]
  depends_on = [package.daemon]
}
resource "exec" "mark" {
  on         = hosts
  command    = "id -un > /var/lib/marked"
  creates    = "/var/lib/marked"
  depends_on = [service.daemon]
}
`

// everyStep is how many steps everyType makes on one bare machine.
const everyStep = 10

var counts = regexp.MustCompile(`(\d+) (done|already|not needed|adopted|failed|stale|skipped|withheld|stopped)`)

// fulfilled sums the steps of an apply that ended as the plan promised.
func fulfilled(out string) (n int) {
	for _, m := range counts.FindAllStringSubmatch(out, -1) {
		var k int
		fmt.Sscan(m[1], &k)
		switch m[2] {
		case "done", "already", "not needed", "adopted":
			n += k
		}
	}
	return n
}

func TestBareMachinesPlanCompletely(t *testing.T) {
	s := newSite(t, everyType)
	s.ok("plan", "-out", "p.kplan")
	var plan struct {
		Steps []struct{ ID int }
	}
	if err := json.Unmarshal([]byte(s.ok("show", "-json", "p.kplan").stdout), &plan); err != nil {
		t.Fatal(err)
	}
	r := s.ok("apply", "p.kplan")
	if got := fulfilled(r.stdout); got != len(plan.Steps) || got == 0 {
		t.Errorf("%d of %d steps were fulfilled:\n%s", got, len(plan.Steps), r.stdout)
	}
	s.has(r.stdout, "Apply complete!")
	s.empty()
	if got := s.on("k8s-node2", "cat /etc/kplan-test/daemon.conf"); got != "host = k8s-node2\nquote = \"it's\" $HOME\n" {
		t.Errorf("daemon.conf: %q", got)
	}
	// A package that starts its own service: the service's step is fulfilled
	// without an act, not stale.
	if got := s.on("k8s-node1", "systemctl is-active lab-daemon"); got != "active\n" {
		t.Errorf("lab-daemon is %q", got)
	}
	s.want(5, "apply", "p.kplan") // already applied
}

func TestPlanAndDriftAreHarmless(t *testing.T) {
	s := newSite(t, everyType)
	ctx := context.Background()
	look := func() map[string]map[string]string {
		all := map[string]map[string]string{}
		for _, m := range s.lab.Machines() {
			files, err := m.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			all[m.Name] = files
		}
		return all
	}
	same := func(what string, before map[string]map[string]string) {
		for name, files := range look() {
			for path, was := range before[name] {
				if is, ok := files[path]; !ok || is != was {
					t.Errorf("after %s, on %s: %s was %s, is %s", what, name, path, was, is)
				}
			}
			for path := range files {
				if _, ok := before[name][path]; !ok {
					t.Errorf("after %s, on %s: %s is new", what, name, path)
				}
			}
		}
	}
	before := look()
	s.ok("plan")
	same("plan of bare machines", before)
	s.ok("apply", "-auto-approve")
	before = look()
	s.ok("plan")
	s.ok("drift")
	same("plan and drift of converged machines", before)
}

func TestDriftIsFoundAndRepaired(t *testing.T) {
	s := newSite(t, everyType)
	s.ok("apply", "-auto-approve")
	s.on("k8s-node1", "sysctl -qw net.ipv4.ip_forward=0")
	s.on("k8s-node2", "echo more >> /etc/kplan-test/daemon.conf")
	s.on("k8s-node2", "systemctl stop lab-daemon")
	s.on("k8s-node3", "chmod 700 /etc/kplan-test")
	r := s.want(2, "drift")
	for _, a := range []string{
		"sysctl.forward@k8s-node1", "file.conf@k8s-node2", "service.daemon@k8s-node2", "directory.conf@k8s-node3",
	} {
		s.has(r.stdout, a)
	}
	if strings.Contains(r.stdout, "exec.mark") || strings.Contains(r.stdout, "package.") {
		t.Errorf("drift names what did not change:\n%s", r.stdout)
	}
	s.ok("apply", "-auto-approve")
	s.ok("drift")
	s.empty()
}

// TestStale changes one object of each type between plan and apply.
func TestStale(t *testing.T) {
	s := newSite(t, everyType)
	changes := []struct{ name, script string }{
		{"file.conf", "mkdir -p -m 750 /etc/kplan-test && echo other > /etc/kplan-test/daemon.conf"},
		{"directory.conf", "mkdir -p /etc/kplan-test && chmod 711 /etc/kplan-test"},
		{"hosts_file.nodes", "echo '10.0.2.15 k8s-node1' >> /etc/hosts"},
		{"package.hello", "apt-get -qq install lab-hello=2.0-1 >/dev/null"},
		{"sysctl.forward", "echo net.ipv4.ip_forward=0 > /etc/sysctl.d/60-kplan-net.ipv4.ip_forward.conf"},
		{"service.daemon", "systemctl mask lab-daemon.service"},
		{"hostname.this", "hostname another"},
		{"swap.off", "echo '/swapfile none swap sw 0 0' >> /etc/fstab"},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			s := s.in(t)
			s.lab.Reset(t)
			s.ok("plan", "-out", "p.kplan")
			s.on("k8s-node2", c.script)
			r := s.want(5, "apply", "p.kplan")
			s.has(r.stderr, c.name+"@k8s-node2")
			for _, m := range s.lab.Machines() {
				if out := s.on(m.Name, "ls -d /run/kplan /var/lib/kplan /var/lib/marked 2>/dev/null || true"); out != "" {
					t.Errorf("something was written on %s: %s", m.Name, out)
				}
			}
		})
	}
}

// TestBound changes something else that the plan rests on; each has its own
// error.
func TestBound(t *testing.T) {
	const spec = `
variable "colour" {
  type    = string
  default = "red"
}
variable "password" {
  type      = string
  sensitive = true
}
resource "file" "conf" {
  on                = hosts
  path              = "/etc/bound.conf"
  sensitive_content = "colour = ${var.colour}\nhost = ${each.host.facts.hostname}\npassword = ${var.password}\n"
}
`
	s := newSite(t, spec)
	s.env = []string{"KPLAN_VAR_password=one"}
	tests := []struct {
		name   string
		change func(s *site)
		args   []string
		env    string
		code   int
		says   string
	}{
		{"fact", func(s *site) { s.on("k8s-node2", "hostname another") }, nil, "one", 5, "the fact hostname"},
		{"machine-id", func(s *site) {
			s.on("k8s-node2", "echo 0123456789abcdef0123456789abcdef > /etc/machine-id")
		}, nil, "one", 5, "machine-id"},
		{"host key", func(s *site) {
			s.on("k8s-node2", "cp -a /etc/ssh /etc/ssh.kept; rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh")
		}, nil, "one", 6, "SHA256:"},
		{"variable", func(*site) {}, []string{"-var", "colour=blue"}, "one", 1, "colour"},
		{"sensitive variable", func(*site) {}, nil, "two", 5, "password"},
		{"state", func(s *site) { s.ok("apply", "-auto-approve") }, nil, "one", 5, "serial"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			s.lab.Reset(t)
			s.ok("plan", "-out", "p.kplan")
			tt.change(s)
			s.env = []string{"KPLAN_VAR_password=" + tt.env}
			r := s.want(tt.code, append([]string{"apply"}, append(tt.args, "p.kplan")...)...)
			s.has(r.stderr, tt.says)
			if tt.name == "host key" { // it is the machine's for the tests to come
				s.on("k8s-node2", "rm -r /etc/ssh; mv /etc/ssh.kept /etc/ssh; systemctl restart ssh")
			}
		})
	}
}

func TestOneHostDown(t *testing.T) {
	s := newSite(t, everyType)
	m, err := s.lab.Machine("k8s-node3")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOff(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := s.want(8, "plan", "-out", "p.kplan")
	s.has(r.stdout, "k8s-node3")
	r = s.want(3, "apply", "p.kplan")
	if got := fulfilled(r.stdout); got != 2*everyStep && got == 0 {
		t.Errorf("%d steps were fulfilled:\n%s", got, r.stdout)
	}
	s.has(r.stdout+r.stderr, "k8s-node3")
	if err := m.PowerOn(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.ok("apply", "-auto-approve")
	s.empty()
}

func TestSecretsStayIn(t *testing.T) {
	const canary = "c4n4ry-s3cr3t-v4lu3"
	s := newSite(t, `
variable "password" {
  type      = string
  sensitive = true
}
resource "file" "secret" {
  on      = hosts
  path    = "/etc/secret"
  content = "password = ${var.password}\n"
  mode    = "0600"
}
resource "exec" "uses" {
  on          = hosts
  command     = "cat > /dev/null; echo $TOKEN; sleep 1; echo $TOKEN >&2; exit 1"
  stdin       = var.password
  environment = { TOKEN = var.password }
  depends_on  = [file.secret]
}
`)
	s.env = []string{"KPLAN_VAR_password=" + canary}
	var seen strings.Builder
	watch := exec.Command("sh", "-c", "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; done")
	watch.Stdout = &seen
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, args := range [][]string{
		{"plan", "-out", "p.kplan"},
		{"show", "p.kplan"},
		{"show", "-json", "p.kplan"},
		{"apply", "p.kplan"},
		{"plan", "-json"},
		{"drift"},
		{"state", "list"},
		{"show"},
		{"apply", "-auto-approve", "-json", "-log-level", "debug"},
	} {
		r := s.kplan(args...)
		printed.WriteString(r.stdout + r.stderr)
	}
	watch.Process.Kill()
	watch.Wait()
	if strings.Contains(printed.String(), canary) {
		t.Errorf("the secret was printed:\n%s", printed.String())
	}
	if strings.Contains(seen.String(), canary) {
		t.Error("the secret stood on a command line")
	}
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), canary) {
			t.Errorf("the secret stands in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.lab.Machines() {
		if out := s.on(m.Name, "grep -rlF "+canary+" /run/kplan /var/lib/kplan /var/log /tmp /var/tmp 2>/dev/null || true"); out != "" {
			t.Errorf("the secret stands on %s in %s", m.Name, out)
		}
		if out := s.on(m.Name, "cat /etc/secret"); !strings.Contains(out, canary) {
			t.Errorf("/etc/secret on %s is %q", m.Name, out)
		}
	}
}
