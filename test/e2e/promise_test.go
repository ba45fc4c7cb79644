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

	"github.com/kplan/kplan/test/site"
)

// everyType uses each resource type at least once, but for container_image: the
// machines have no containerd.
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
resource "kernel_module" "overlay" {
  on   = hosts
  name = "overlay"
}
resource "line" "umask" {
  on    = hosts
  path  = "/etc/login.defs"
  match = "^UMASK\\s"
  line  = "UMASK 027"
}
resource "sysctl" "forward" {
  on    = hosts
  key   = "net.ipv4.ip_forward"
  value = "1"
}
resource "symlink" "mirror" {
  on     = hosts
  path   = "/srv/lab-mirror"
  target = "lab-apt"
}
resource "package_repository" "mirror" {
  on     = hosts
  name   = "lab-mirror"
  uri    = "file:${symlink.mirror.path}"
  suites = ["./"]
  key    = file("lab.asc")
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
resource "systemd_unit" "daemon" {
  on       = hosts
  name     = "lab-daemon.service"
  drop_ins = { "10-nice.conf" = "[Service]\nNice=5\n" }
}
resource "containerd" "runtime" {
  on            = hosts
  version       = "1.6"
  sandbox_image = "10.0.2.1:5000/pause:3.10.1"
  registries    = { "10.0.2.1:5000" = ["http://10.0.2.1:5000"] }
  proxy         = { no_proxy = each.host.address }
}
resource "crictl_config" "this" {
  on      = hosts
  timeout = 10
}
resource "kubeadm_config" "this" {
  on                = hosts
  version           = "1.34.4"
  name              = each.host.name
  advertise_address = each.host.address
  kubelet           = yamlencode({ cgroupDriver = "systemd", maxPods = 50 })
}
resource "service" "daemon" {
  on         = hosts
  name       = "lab-daemon"
  enabled    = true
  running    = true
  on_change  = [file.conf, systemd_unit.daemon]
  depends_on = [package.daemon]
}
resource "exec" "mark" {
  on         = hosts
  command    = "id -un > /var/lib/marked"
  creates    = "/var/lib/marked"
  depends_on = [service.daemon]
}
resource "reboot" "asked" {
  on         = hosts
  depends_on = [package.hello]
}
`

// every is a site with a spec of everyType.
func every(t *testing.T) *site.Site {
	t.Helper()
	s := site.New(t, everyType)
	s.Write("lab.asc", s.On("k8s-node1", "cat /etc/apt/keyrings/lab.asc"))
	return s
}

// everyStep is how many steps everyType makes on one bare machine.
const everyStep = 18

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
	s := every(t)
	s.Want(0, "plan", "-out", "p.kplan")
	var plan struct {
		Steps []struct{ ID int }
	}
	if err := json.Unmarshal([]byte(s.Want(0, "show", "-json", "p.kplan").Stdout), &plan); err != nil {
		t.Fatal(err)
	}
	r := s.Want(0, "apply", "p.kplan")
	if got := fulfilled(r.Stdout); got != len(plan.Steps) || got == 0 {
		t.Errorf("%d of %d steps were fulfilled:\n%s", got, len(plan.Steps), r.Stdout)
	}
	has(t, r.Stdout, "Apply complete!")
	empty(t, s)
	if got := s.On("k8s-node2", "cat /etc/kplan-test/daemon.conf"); got != "host = k8s-node2\nquote = \"it's\" $HOME\n" {
		t.Errorf("daemon.conf: %q", got)
	}
	// A package that starts its own service: the service's step is fulfilled
	// without an act, not stale.
	if got := s.On("k8s-node1", "systemctl is-active lab-daemon"); got != "active\n" {
		t.Errorf("lab-daemon is %q", got)
	}
	s.Want(5, "apply", "p.kplan") // already applied
}

func TestPlanAndDriftAreHarmless(t *testing.T) {
	s := every(t)
	ctx := context.Background()
	look := func() map[string]map[string]string {
		all := map[string]map[string]string{}
		for _, m := range s.Lab.Machines() {
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
	s.Want(0, "plan")
	same("plan of bare machines", before)
	s.Want(0, "apply", "-auto-approve")
	before = look()
	s.Want(0, "plan")
	s.Want(0, "drift")
	same("plan and drift of converged machines", before)
}

func TestDriftIsFoundAndRepaired(t *testing.T) {
	s := every(t)
	s.Want(0, "apply", "-auto-approve")
	s.On("k8s-node1", "sysctl -qw net.ipv4.ip_forward=0")
	s.On("k8s-node2", "echo more >> /etc/kplan-test/daemon.conf")
	s.On("k8s-node2", "systemctl stop lab-daemon")
	s.On("k8s-node3", "chmod 700 /etc/kplan-test")
	r := s.Want(2, "drift")
	for _, a := range []string{
		"sysctl.forward@k8s-node1", "file.conf@k8s-node2", "service.daemon@k8s-node2", "directory.conf@k8s-node3",
	} {
		has(t, r.Stdout, a)
	}
	if strings.Contains(r.Stdout, "exec.mark") || strings.Contains(r.Stdout, "package.") {
		t.Errorf("drift names what did not change:\n%s", r.Stdout)
	}
	s.Want(0, "apply", "-auto-approve")
	s.Want(0, "drift")
	empty(t, s)
}

// TestStale changes one object of each type between plan and apply.
func TestStale(t *testing.T) {
	s := every(t)
	changes := []struct{ name, script string }{
		{"file.conf", "mkdir -p -m 750 /etc/kplan-test && echo other > /etc/kplan-test/daemon.conf"},
		{"directory.conf", "mkdir -p /etc/kplan-test && chmod 711 /etc/kplan-test"},
		{"hosts_file.nodes", "echo '10.0.2.15 k8s-node1' >> /etc/hosts"},
		{"kernel_module.overlay", "mkdir -p /etc/modules-load.d && echo other > /etc/modules-load.d/kplan-overlay.conf"},
		{"line.umask", "sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs"},
		{"systemd_unit.daemon", "cd /etc/systemd/system && mkdir lab-daemon.service.d && echo '[Service]' > lab-daemon.service.d/10-nice.conf"},
		{"symlink.mirror", "ln -s /etc /srv/lab-mirror"},
		{"package_repository.mirror", "printf 'Types: deb\\nURIs: file:/none\\nSuites: ./\\n' > /etc/apt/sources.list.d/lab-mirror.sources"},
		{"containerd.runtime", "mkdir -p /etc/containerd && echo 'oom_score = 1' > /etc/containerd/config.toml"},
		{"crictl_config.this", "echo 'debug: true' > /etc/crictl.yaml"},
		{"kubeadm_config.this", "mkdir -p /etc/kubernetes && echo 'kind: ClusterConfiguration' > /etc/kubernetes/kubeadm.yaml"},
		{"package.hello", "apt-get -qq install lab-hello=2.0-1 >/dev/null"},
		{"sysctl.forward", "echo net.ipv4.ip_forward=0 > /etc/sysctl.d/60-kplan-net.ipv4.ip_forward.conf"},
		{"service.daemon", "systemctl mask lab-daemon.service"},
		{"hostname.this", "hostname another"},
		{"swap.off", "echo '/swapfile none swap sw 0 0' >> /etc/fstab"},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			s := s.In(t)
			s.Lab.Reset(t)
			s.Want(0, "plan", "-out", "p.kplan")
			s.On("k8s-node2", c.script)
			r := s.Want(5, "apply", "p.kplan")
			has(t, r.Stderr, c.name+"@k8s-node2")
			for _, m := range s.Lab.Machines() {
				if out := s.On(m.Name, "ls -d /run/kplan /var/lib/kplan /var/lib/marked 2>/dev/null || true"); out != "" {
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
	s := site.New(t, spec)
	s.Env = []string{"KPLAN_VAR_password=one"}
	tests := []struct {
		name   string
		change func(s *site.Site)
		args   []string
		env    string
		code   int
		says   string
	}{
		{"fact", func(s *site.Site) { s.On("k8s-node2", "hostname another") }, nil, "one", 5, "the fact hostname"},
		{"machine-id", func(s *site.Site) {
			s.On("k8s-node2", "echo 0123456789abcdef0123456789abcdef > /etc/machine-id")
		}, nil, "one", 5, "machine-id"},
		{"host key", func(s *site.Site) {
			s.On("k8s-node2", "cp -a /etc/ssh /etc/ssh.kept; rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh")
		}, nil, "one", 6, "SHA256:"},
		{"variable", func(*site.Site) {}, []string{"-var", "colour=blue"}, "one", 1, "colour"},
		{"sensitive variable", func(*site.Site) {}, nil, "two", 5, "password"},
		{"state", func(s *site.Site) { s.Want(0, "apply", "-auto-approve") }, nil, "one", 5, "serial"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.In(t)
			s.Lab.Reset(t)
			s.Want(0, "plan", "-out", "p.kplan")
			tt.change(s)
			s.Env = []string{"KPLAN_VAR_password=" + tt.env}
			r := s.Want(tt.code, append([]string{"apply"}, append(tt.args, "p.kplan")...)...)
			has(t, r.Stderr, tt.says)
			if tt.name == "host key" { // it is the machine's for the tests to come
				s.On("k8s-node2", "rm -r /etc/ssh; mv /etc/ssh.kept /etc/ssh; systemctl restart ssh")
			}
		})
	}
}

func TestOneHostDown(t *testing.T) {
	s := every(t)
	m, err := s.Lab.Machine("k8s-node3")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOff(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := s.Want(8, "plan", "-out", "p.kplan")
	has(t, r.Stdout, "k8s-node3")
	r = s.Want(3, "apply", "p.kplan")
	if got := fulfilled(r.Stdout); got != 2*everyStep && got == 0 {
		t.Errorf("%d steps were fulfilled:\n%s", got, r.Stdout)
	}
	has(t, r.Stdout+r.Stderr, "k8s-node3")
	if err := m.PowerOn(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.Want(0, "apply", "-auto-approve")
	empty(t, s)
}

// TestSecretsStayIn looks for a secret variable, which stands in a file, in an
// environment and in what a command prints, and for the password of sudo.
func TestSecretsStayIn(t *testing.T) {
	const canary, become = "c4n4ry-s3cr3t-v4lu3", "ops-password"
	s := site.New(t, `
variable "password" {
  type      = string
  sensitive = true
}
variable "become_password" {
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
  command     = "cat > /dev/null; cat /etc/secret; echo $TOKEN; sleep 1; echo $TOKEN >&2; exit 1"
  stdin       = var.password
  environment = { TOKEN = var.password }
  depends_on  = [file.secret]
}
`)
	spec, err := os.ReadFile(filepath.Join(s.Dir, "main.kplan.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	s.Write("main.kplan.hcl", strings.Replace(string(spec), `"root"`, "\"ops\"\n  become = \"sudo\"\n  become_password = var.become_password", 1))
	s.Env = []string{"KPLAN_VAR_password=" + canary, "KPLAN_VAR_become_password=" + become}
	var seen strings.Builder
	// The machines' processes are processes of this host, too.
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
		{"state", "pull"},
		{"show"},
		{"apply", "-auto-approve", "-json", "-log-level", "debug"},
	} {
		r := s.Run(args...)
		printed.WriteString(r.Stdout + r.Stderr)
	}
	_ = watch.Process.Kill()
	_ = watch.Wait()
	has(t, printed.String(), "(sensitive value)")
	for _, secret := range []string{canary, become} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%s was printed:\n%s", secret, printed.String())
		}
		if strings.Contains(seen.String(), secret) {
			t.Errorf("%s stood on a command line", secret)
		}
		err := filepath.WalkDir(s.Dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if strings.Contains(string(data), secret) {
				t.Errorf("%s stands in %s", secret, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.Lab.Machines() {
			if out := s.On(m.Name, "grep -rlF "+secret+" /run/kplan /var/lib/kplan /var/log /tmp /var/tmp 2>/dev/null || true"); out != "" {
				t.Errorf("%s stands on %s in %s", secret, m.Name, out)
			}
		}
	}
	for _, m := range s.Lab.Machines() {
		if out := s.On(m.Name, "cat /etc/secret"); !strings.Contains(out, canary) {
			t.Errorf("/etc/secret on %s is %q", m.Name, out)
		}
	}
}
