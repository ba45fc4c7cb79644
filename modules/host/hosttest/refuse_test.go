package hosttest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

func TestRefusesTheUnknown(t *testing.T) {
	for _, argv := range [][]string{
		{"frobnicate"},
		{"systemctl", "frobnicate", "x"},
		{"systemctl", "--user", "start", "x"},
		{"systemctl", "start"},
		{"systemctl", "show", "--property=Frob", "x"},
		{"apt-get", "-y", "dist-upgrade"},
		{"apt-get", "-y", "--purge", "install", "x"},
		{"apt-get", "install", "-o"},
		{"apt-mark", "auto", "x"},
		{"dpkg", "-i", "x.deb"},
		{"dpkg-query", "-l"},
		{"dpkg-query", "-W", "-f", "${Frob}", "--", "x"},
		{"rm", "--one-file-system", "/x"},
		{"rmdir", "-p", "/x"},
		{"stat", "/x"},
		{"ln", "-sr", "/x", "/y"},
		{"ln", "-s", "/x", "/tmp"},
		{"chmod", "u+x", "/etc"},
		{"chown", "-R", "root", "/etc"},
		{"test", "-x", "/etc"},
		{"[", "-e", "/etc"},
		{"tee", "-a", "/x"},
		{"modprobe", "-r", "loop"},
		{"rmmod", "-f", "loop"},
		{"swapoff", "/x"},
		{"ctr", "-n", "default", "images", "rm", "x"},
		{"ctr", "-n", "k8s.io", "images", "ls", "-q"},
		{"ctr", "-n", "k8s.io", "images", "pull", "x"},
		{"crictl", "rmi", "x"},
		{"kubectl", "get", "pods"},
		{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null"},
		{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "get", "pods"},
		{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "apply", "-f", "-"},
		{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "drain", "k8s-node1"},
		{"sh", "/etc/passwd"},
		{"sh", "-c", "frobnicate"},
		{"sh", "-c", "echo $(id)"},
		{"sh", "-c", "cat < /etc/passwd"},
		{"sh", "-c", "echo a | cat"},
		{"sh", "-c", "echo *"},
		{"sh", "-c", "if true; then true; fi"},
		{"sh", "-c", "echo 'open"},
		{"sh", "-c", "sleep 1 &"},
		{"sh", "-c", "true && frobnicate"},
		{},
	} {
		var reported []string
		m := hosttest.New(hosttest.Report(func(format string, args ...any) { reported = append(reported, fmt.Sprintf(format, args...)) }))
		m.Install("x", "1")
		m.Containerd("x")
		_, err := m.Host().Do(t.Context(), host.Run{Argv: argv, AnyExit: true})
		var unknown *hosttest.UnknownError
		if !errors.As(err, &unknown) || len(reported) != 1 || len(m.Unknown()) != 1 {
			t.Errorf("%q: error %v, reported %q", argv, err, reported)
		}
	}
}

func TestRefusesAQueryThatActs(t *testing.T) {
	for _, argv := range [][]string{
		{"touch", "/tmp/x"},
		{"sh", "-c", "echo a > /tmp/x"},
		{"systemctl", "start", "a.service"},
		{"apt-get", "-y", "update"},
		{"rm", "-f", "/etc/passwd"},
		{"kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "delete", "--ignore-not-found", "--wait", "-f", "-"},
	} {
		m := hosttest.New()
		m.Cluster()
		m.AddUnit("a.service", hosttest.Unit{})
		if _, err := m.Reader().Do(t.Context(), host.Query{Argv: argv}); err == nil || !strings.Contains(err.Error(), "changes the machine") {
			t.Errorf("%q: error %v", argv, err)
		}
	}
}

func TestShell(t *testing.T) {
	for _, c := range []struct {
		text, out string
		code      int
	}{
		{"echo a b", "a b\n", 0},
		{"echo 'a  b' \"c $N\"", "a  b c v\n", 0},
		{"false || echo a && echo b", "a\nb\n", 0},
		{"true || echo a; echo b", "b\n", 0},
		{"false && echo a\n", "", 1},
		{"exit 7; echo a", "", 7},
		{"echo a > /tmp/f; echo b >> /tmp/f && cat /tmp/f", "a\nb\n", 0},
		{"echo a >/dev/null", "", 0},
		{"cat", "in", 0},
		{"[ -e /tmp ] && test -d /tmp && echo y", "y\n", 0},
		{"taught it", "yes", 0},
	} {
		m := hosttest.New(hosttest.Report(t.Errorf))
		m.Script("taught it", func(*hosttest.Call) host.Output { return host.Output{Stdout: []byte("yes")} })
		res, err := m.Host().Do(t.Context(), host.Run{Argv: []string{"/bin/sh", "-c", c.text}, Env: []string{"N=v"}, Stdin: []byte("in"), AnyExit: true})
		if err != nil || string(res[0].Output.Stdout) != c.out || res[0].Output.Code != c.code {
			t.Errorf("%q: %+v, error %v", c.text, res, err)
		}
	}
}

func TestRunNeedsItsUserAndDirectory(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	for _, run := range []host.Run{{Argv: []string{"true"}, User: "nosuch"}, {Argv: []string{"true"}, Dir: "/nosuch"}} {
		var exit *host.ExitError
		if _, err := m.Host().Do(t.Context(), run); !errors.As(err, &exit) {
			t.Errorf("%+v: error %v", run, err)
		}
	}
}

func TestHandleReplacesACommand(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Handle("kubeadm", func(c *hosttest.Call) host.Output {
		if err := c.Write("/etc/kubeadm.log", strings.Join(c.Argv, " ")); err != nil {
			return host.Output{Code: 1}
		}
		return host.Output{}
	})
	if _, err := host.Exec(t.Context(), m.Host(), "kubeadm", "init"); err != nil || m.Content("/etc/kubeadm.log") != "kubeadm init" {
		t.Errorf("error %v, log %q", err, m.Content("/etc/kubeadm.log"))
	}
}
