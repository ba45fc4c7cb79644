package inprocess

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/test/needs"
	"github.com/kplan/kplan/test/site"
)

// laptop is a machine that kplan itself runs on, by the user ada.
type laptop struct {
	*machine
	t *testing.T
}

const (
	// sudoers lets ada become root.
	sudoers = "ada ALL=(ALL) NOPASSWD: ALL"

	// kubeconfig is what ada has.
	kubeconfig = `# mine
apiVersion: v1
kind: Config
clusters:
- {name: old, cluster: {server: "https://old.example.org"}}
contexts:
- {name: old, context: {cluster: old, user: me}}
current-context: old
users:
- {name: me, user: {token: "mine"}}
`
	// things are what the laptop is to have, of its own and of a cluster whose
	// control plane is reached over SSH.
	things = `
host "laptop" {
  address = "127.0.0.1"
  connection { local = true }
}
resource "kubeconfig" "mine" {
  on      = host.laptop
  path    = "/home/ada/.kube/config"
  user    = "ada"
  name    = "production"
  cluster = { plane = { endpoint = "192.0.2.1:6443", ca_hash = "` + hosttest.AuthorityHash + `" } }
}
resource "file" "token" {
  on                = host.laptop
  path              = "/etc/token"
  sensitive_content = var.token
}
resource "exec" "environment" {
  on      = host.laptop
  command = "env >/root/environment"
}
`
)

// kplan runs kplan there, as ada would type it, and wants it to end so.
func (l *laptop) kplan(code int, args string) (stdout, stderr string) {
	l.t.Helper()
	var outs, errs bytes.Buffer
	cmd := l.typed(args)
	cmd.Stdout, cmd.Stderr = &outs, &errs
	_ = cmd.Run() // the exit code says it
	if got := cmd.ProcessState.ExitCode(); got != code {
		l.t.Fatalf("kplan %s ended with %d, want %d\n%s\n%s", args, got, code, &outs, &errs)
	}
	return outs.String(), errs.String()
}

func (l *laptop) typed(args string) *exec.Cmd {
	return l.command("cd /home/ada/spec && echo $$ >/home/ada/pid && exec env -i PATH=/usr/bin:/bin HOME=/home/ada USER=ada LANG=C.UTF-8 " +
		"KPLAN_VAR_token=hunter2 setpriv --reuid ada --regid ada --init-groups /home/ada/kplan " + args)
}

// until waits for a script to succeed.
func (l *laptop) until(script string) {
	l.t.Helper()
	l.run(l.t, fmt.Sprintf("timeout 20 sh -c 'until { %s; } >/dev/null 2>&1; do sleep 0.05; done'", script))
}

func (l *laptop) write(path, content string) {
	l.t.Helper()
	cmd := l.command("cat >" + path)
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
}

// has wants each of the texts in what was printed.
func (l *laptop) has(where string, texts ...string) {
	l.t.Helper()
	for _, text := range texts {
		if !strings.Contains(where, text) {
			l.t.Errorf("%q is not in:\n%s", text, where)
		}
	}
}

// newLaptop is a laptop with a user who has a kubeconfig, and beside it a
// control plane. head is the spec's part that is of connections.
func newLaptop(t *testing.T) (l *laptop, head string) {
	t.Helper()
	possible(t)
	needs.Program(t, "sudo")
	key, private := newKey(t)
	plane := newMachine(t, "plane", key)
	plane.run(t, "mkdir -p /etc/kubernetes")
	(&laptop{plane, t}).write("/etc/kubernetes/admin.conf", hosttest.AdminConf(time.Now().AddDate(1, 0, 0)))

	l = &laptop{newMachine(t, "laptop", key), t}
	binary, err := os.ReadFile(site.NewProgram(t).Bin())
	if err != nil {
		t.Fatal(err)
	}
	l.run(t, "mkdir /home && useradd --create-home --shell /bin/sh ada && mkdir -p /home/ada/spec /home/ada/.kube && rm -f /etc/sudoers.d/*")
	l.write("/home/ada/kplan", string(binary))
	l.write("/home/ada/.kube/config", kubeconfig)
	addr := plane.server.Addr()
	l.write("/home/ada/spec/key", private)
	l.write("/home/ada/spec/known_hosts", knownhosts.Line([]string{addr.String()}, plane.server.HostKeys()[0])+"\n")
	l.run(t, "chmod 755 /home/ada/kplan && chmod 600 /home/ada/spec/key /home/ada/.kube/config && chown -R ada:ada /home/ada")
	return l, fmt.Sprintf(`
variable "token" {
  type      = string
  sensitive = true
}
connection {
  user             = "root"
  private_key_file = "key"
  known_hosts_file = "known_hosts"
  become           = "sudo"
}
host "plane" {
  address = "192.0.2.1"
  connection {
    host = %q
    port = %d
  }
}
`, addr.IP, addr.Port)
}

// TestOnThisMachine has kplan change the machine that it runs on, and take what
// it needs for that from another.
func TestOnThisMachine(t *testing.T) {
	l, head := newLaptop(t)
	const file, state = "/home/ada/spec/main.kplan.hcl", "stat -c %i:%Y:%a:%U /home/ada/.kube/config; cat /home/ada/.kube/config"

	l.write(file, strings.Replace(head, `"sudo"`, `"none"`, 1)+things)
	_, stderr := l.kplan(1, "apply -auto-approve")
	l.has(stderr, "Cannot take over host laptop", "Permission denied", `to act as root, write become = "sudo" in the connection`)
	l.run(t, "! ls /run/kplan /var/lib/kplan /etc/token")

	l.write(file, head+things)
	_, stderr = l.kplan(8, "plan")
	l.has(stderr, "cannot become root with sudo", "it asks for a password, and become_password is not set")
	l.run(t, "echo '"+sudoers+"' >/etc/sudoers.d/ada")

	before := l.run(t, state)
	stdout, _ := l.kplan(0, "plan -out first")
	l.has(stdout, "Plan: 3 to add, 0 to change, 0 to destroy.")
	l.run(t, "! ls /run/kplan /var/lib/kplan /etc/token")
	if after := l.run(t, state); after != before {
		t.Errorf("planning made of the kubeconfig\n%s", after)
	}

	stdout, _ = l.kplan(0, "apply first")
	l.has(stdout, "Apply complete! Resources: 3 added")
	merged := l.run(t, state)
	l.has(merged, "# mine\n", "current-context: old\n", ":600:ada\n", "production", "https://192.0.2.1:6443")
	if backup := l.run(t, "cat /home/ada/.kube/config.kplan.bak"); backup != kubeconfig {
		t.Errorf("the backup is\n%s", backup)
	}
	if env := l.run(t, "cat /root/environment"); strings.Contains(env, "KPLAN") || strings.Contains(env, "HOME=") || strings.Contains(env, "ada") {
		t.Errorf("the environment of a command is\n%s", env)
	}
	stdout, _ = l.kplan(0, "plan -detailed-exitcode")
	l.has(stdout, "No changes.")

	l.run(t, "echo other >/etc/token")
	stdout, _ = l.kplan(2, "drift")
	l.has(stdout, "file.token@laptop")
	l.kplan(0, "apply -auto-approve")
	if token := l.run(t, "cat /etc/token"); token != "hunter2" {
		t.Errorf("after the apply it is %q", token)
	}

	// A plan is of one machine, and so is what is recorded.
	l.run(t, "echo other >/etc/token")
	l.kplan(0, "plan -out second")
	l.run(t, "cp /etc/machine-id /root && tr 0-8 1-9 </root/machine-id >/etc/machine-id")
	_, stderr = l.kplan(5, "apply second")
	l.has(stderr, "the machine-id was", "Host laptop has the machine-id")
	l.run(t, "cp /root/machine-id /etc/machine-id && grep other /etc/token")

	// It may go by one name only.
	server := l.server.Addr()
	l.write("/home/ada/spec/again.kplan.hcl", fmt.Sprintf("host \"again\" {\n  address = \"192.0.2.2\"\n  connection {\n    host     = %q\n    port     = %d\n    host_key = %q\n  }\n}\n",
		server.IP, server.Port, strings.TrimSpace(knownhosts.Line(nil, l.server.HostKeys()[0]))))
	_, stderr = l.kplan(5, "plan")
	l.has(stderr, "Two hosts with one machine-id")
	l.run(t, "rm /home/ada/spec/again.kplan.hcl")

	// Without its block, what was made there is deleted there.
	l.write(file, head)
	stdout, _ = l.kplan(0, "plan")
	l.has(stdout, "2 to destroy")
	l.kplan(0, "apply -auto-approve")
	l.run(t, "! ls /etc/token /home/ada/.kube/config.kplan.bak")
	if left := l.run(t, "cat /home/ada/.kube/config"); left != kubeconfig {
		t.Errorf("deleted, the kubeconfig is\n%s", left)
	}
}

const slow = `
host "laptop" {
  address = "127.0.0.1"
  connection { local = true }
}
resource "exec" "slow" {
  on      = host.laptop
  command = "echo >>/root/begun; cat /root/gate >>/root/ended"
}
resource "exec" "next" {
  on         = host.laptop
  command    = "echo >>/root/next"
  depends_on = [exec.slow]
}
`

// standing finds the shell that kplan works by.
const standing = `grep -al "[#]run" /proc/[0-9]*/cmdline`

// TestKilledOnThisMachine kills kplan. The shell that it worked by ends, what it
// had begun goes on, and the next run finds it.
func TestKilledOnThisMachine(t *testing.T) {
	l, head := newLaptop(t)
	l.run(t, "echo '"+sudoers+"' >/etc/sudoers.d/ada && mkfifo /root/gate")
	l.write("/home/ada/spec/main.kplan.hcl", head+slow)
	cmd := l.typed("apply -auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.until("[ -e /root/begun ]")
	l.run(t, standing+"; kill -9 $(cat /home/ada/pid)")
	_ = cmd.Wait() // it was killed
	l.run(t, "echo opened >/root/gate")
	l.until("[ -s /root/ended ] && ! " + standing)
	stdout, _ := l.kplan(0, "apply -auto-approve")
	l.has(stdout, "1 adopted")
	if got := l.run(t, "cat /root/begun /root/ended /root/next"); got != "\nopened\n\n" {
		t.Errorf("what was done is %q", got)
	}
}

// TestCtrlC sends what Ctrl-C in a terminal does, to all processes of kplan's
// group. kplan alone heeds it: the step that runs is finished by the same shell.
func TestCtrlC(t *testing.T) {
	l, head := newLaptop(t)
	l.run(t, "echo '"+sudoers+"' >/etc/sudoers.d/ada && mkfifo /root/gate")
	l.write("/home/ada/spec/main.kplan.hcl", head+slow)
	cmd := l.typed("apply -auto-approve --log-level=debug")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &out, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.until("[ -e /root/begun ]")
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	l.run(t, standing+"; echo opened >/root/gate")
	_ = cmd.Wait() // the signal ended what brought kplan there too
	l.has(out.String(), "Stopping: finishing 1 running step")
	if n := strings.Count(out.String(), "[laptop] connecting to this machine"); n != 1 {
		t.Errorf("it was connected to %d times:\n%s", n, &out)
	}
	if got := l.run(t, "cat /root/begun /root/ended; ls /root"); strings.Contains(got, "next") || !strings.HasPrefix(got, "\nopened\n") {
		t.Errorf("what was done is %q", got)
	}
	stdout, _ := l.kplan(0, "plan")
	l.has(stdout, "Plan: 1 to add")
}
