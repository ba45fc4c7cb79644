package linux_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

type values = resourcetest.Values

func typeOf(t *testing.T, name string) *resource.Type {
	t.Helper()
	typ, ok := modules.Lookup(name)
	if !ok {
		t.Fatalf("there is no type %s", name)
	}
	return typ
}

func object(t *testing.T, typ *resource.Type, v values) cty.Value {
	t.Helper()
	o, err := resourcetest.Object(typ.Schema, v)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// apply reads and applies v, and returns the words of the acts.
func apply(t *testing.T, m *hosttest.Machine, name string, v values) []string {
	t.Helper()
	typ := typeOf(t, name)
	want := object(t, typ, v)
	prior, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil {
		t.Fatal(err)
	}
	before := len(m.Acts())
	if err := typ.Apply(t.Context(), m.Host(), want, prior); err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, a := range m.Acts()[before:] {
		words = append(words, a.String())
	}
	return words
}

func TestExecTellsItsOwnStatusFromAGuards(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "exec")
	outcome, err := typ.Do(t.Context(), m.Host(), object(t, typ, values{"command": "exit 213", "unless": "false"}))
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Output.Code != 1 {
		t.Errorf("outcome %q, error %v", outcome, err)
	}
	_, err = typ.Do(t.Context(), m.Host(), object(t, typ, values{"command": []string{"false"}}))
	if err == nil || err.Error() != "false ended with exit status 1" {
		t.Errorf("error %v", err)
	}
}

func TestExecStatusOfItsOwn(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "exec")
	_, err := typ.Do(t.Context(), m.Host(), object(t, typ, values{"command": "exit 213"}))
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Output.Code != 213 {
		t.Errorf("error %v", err)
	}
}

func TestExecKeepsItsTextOffTheCommandLine(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "exec")
	if _, err := typ.Do(t.Context(), m.Host(), object(t, typ, values{"command": "echo hunter2 > /tmp/x", "unless": "test -e /hunter2"})); err != nil {
		t.Fatal(err)
	}
	if a := m.Acts()[0].String(); strings.Contains(a, "hunter2") || m.Content("/tmp/x") != "hunter2\n" {
		t.Errorf("%s\n%s", a, m.Content("/tmp/x"))
	}
}

func TestExecSaysWhatDecides(t *testing.T) {
	typ := typeOf(t, "exec")
	for _, c := range []struct {
		v    values
		want string
	}{
		{values{"command": "true"}, ""},
		{values{"command": "true", "creates": "/x"}, ""},
		{values{"command": "true", "unless": "a"}, "if unless fails"},
		{values{"command": "true", "onlyif": "a"}, "if onlyif succeeds"},
		{values{"command": "true", "onlyif": "a", "unless": "b"}, "if onlyif succeeds and unless fails"},
	} {
		if got := typ.Condition(object(t, typ, c.v)); got != c.want {
			t.Errorf("%v: %q", c.v, got)
		}
	}
}

func TestKernelModule(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "kernel_module")
	apply(t, m, "kernel_module", values{"name": "xt-tcp-udp", "options": map[string]string{"ports": "8,9"}})
	if got := m.Content("/sys/module/xt_tcp_udp/parameters/ports"); got != "8,9\n" {
		t.Errorf("it is loaded with ports = %q", got)
	}
	if got := m.Content("/etc/modules-load.d/kplan-xt_tcp_udp.conf"); got != "# Written by kplan.\nxt_tcp_udp\n" {
		t.Errorf("at boot is loaded: %q", got)
	}
	underscores := object(t, typ, values{"name": "xt_tcp_udp"})
	if got, err := typ.Read(t.Context(), m.Reader(), underscores); err != nil || len(resourcetest.Diff(typ, underscores, got)) > 0 {
		t.Errorf("with underscores it is %#v, error %v", got, err)
	}

	m.PutDir("/sys/module/xt_tcp_udp/holders/nft_compat")
	off := object(t, typ, values{"name": "xt_tcp_udp", "loaded": false, "persist": false})
	prior, err := typ.Read(t.Context(), m.Reader(), off)
	if err != nil {
		t.Fatal(err)
	}
	if got := typ.Disrupts(off, prior); !slices.Equal(got, []string{"unloads the kernel module xt_tcp_udp"}) {
		t.Errorf("disrupts %v", got)
	}
	err = typ.Apply(t.Context(), m.Host(), off, prior)
	if err == nil || !strings.Contains(err.Error(), "Module xt_tcp_udp is in use by: nft_compat") {
		t.Errorf("unloading one that is in use: error %v", err)
	}
	if m.File("/etc/modules-load.d/kplan-xt_tcp_udp.conf") == nil || m.File("/etc/modprobe.d/kplan-xt_tcp_udp.conf") == nil {
		t.Error("a module that cannot be unloaded lost its files")
	}
}

func TestKernelModuleThatIsNotThere(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "kernel_module")
	err := typ.Apply(t.Context(), m.Host(), object(t, typ, values{"name": "none"}), cty.NullVal(typ.Schema.Object()))
	if err == nil || !strings.Contains(err.Error(), "Module none not found") || m.File("/etc/modules-load.d/kplan-none.conf") != nil {
		t.Errorf("error %v, file %v", err, m.File("/etc/modules-load.d/kplan-none.conf"))
	}
	off := object(t, typ, values{"name": "none", "loaded": false, "persist": false})
	if got, err := typ.Read(t.Context(), m.Reader(), off); err != nil || len(resourcetest.Diff(typ, off, got)) > 0 {
		t.Errorf("one that is not to be loaded is %#v, error %v", got, err)
	}
}

func TestSwapUnits(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/run/systemd/system/dev-zram0.swap", "[Swap]\n")
	m.AddUnit("dev-sda2.swap", hosttest.Unit{Running: true}) // made of what is in use
	m.AddUnit("zramswap.service", hosttest.Unit{})
	if _, ok := m.Unit("dev-zram0.swap"); !ok {
		t.Fatal("no unit of zram")
	}
	apply(t, m, "swap", values{"enabled": false})
	if u, _ := m.Unit("dev-zram0.swap"); !u.Masked {
		t.Error("the unit of zram is not masked")
	}
	if u, _ := m.Unit("dev-sda2.swap"); u.Masked {
		t.Error("a unit made of what was in use is masked")
	}
}

func TestClaims(t *testing.T) {
	for _, c := range []struct {
		typ  string
		v    values
		want string
	}{
		{"file", values{"path": "/etc/x"}, "path /etc/x"},
		{"directory", values{"path": "/etc/x"}, "path /etc/x"},
		{"symlink", values{"path": "/etc/x", "target": "y"}, "path /etc/x"},
		{"line", values{"path": "/etc/x", "match": "^a", "line": "a"}, "line /etc/x ^a"},
		{"hosts_file", values{"entries": map[string][]string{"10.0.0.1": {"a"}}}, "path /etc/hosts"},
		{"hostname", values{"name": "a"}, "path /etc/hostname"},
		{"systemd_unit", values{"name": "a", "content": "x"}, "path /etc/systemd/system/a.service"},
		{"systemd_unit", values{"name": "a.timer", "drop_ins": map[string]string{"b.conf": "x"}}, "path /etc/systemd/system/a.timer.d/b.conf"},
		{"service", values{"name": "docker"}, "unit docker.service"},
		{"service", values{"name": "docker.socket"}, "unit docker.socket"},
		{"kernel_module", values{"name": "br-netfilter"}, "kernel module br_netfilter"},
		{"kernel_module", values{"name": "br-netfilter"}, "path /etc/modules-load.d/kplan-br_netfilter.conf"},
		{"package", values{"name": "a"}, "package a"},
		{"package_repository", values{"name": "a", "uri": "x:y", "suites": []string{"/"}}, "path /etc/apt/sources.list.d/a.sources"},
		{"package_repository", values{"name": "a", "uri": "x:y", "suites": []string{"/"}}, "path /etc/apt/keyrings/a.asc"},
		{"sysctl", values{"key": "vm.swappiness", "value": "0"}, "sysctl vm.swappiness"},
		{"sysctl", values{"key": "vm.swappiness", "value": "0"}, "path /etc/sysctl.d/60-kplan-vm.swappiness.conf"},
	} {
		typ := typeOf(t, c.typ)
		if got := typ.Claims(object(t, typ, c.v)); !slices.Contains(got, c.want) {
			t.Errorf("%s %v claims %v", c.typ, c.v, got)
		}
	}
}

// A machine is restarted where it says that it asks for it, and by nobody's
// guess.
func TestRebootAsksTheMachine(t *testing.T) {
	typ := typeOf(t, "reboot")
	for name, c := range map[string]struct {
		ask     func(m *hosttest.Machine)
		verdict resource.Verdict
		outcome resource.Outcome
	}{
		"nothing":     {func(*hosttest.Machine) {}, resource.DueAfter, resource.NotNeeded},
		"the file":    {func(m *hosttest.Machine) { m.Put("/run/reboot-required", "") }, resource.DueNow, resource.Done},
		"its details": {func(m *hosttest.Machine) { m.Put("/run/reboot-required.pkgs", "dbus\n") }, resource.DueAfter, resource.NotNeeded},
		"the program": {needsRestarting(1), resource.DueNow, resource.Done},
		"not by it":   {needsRestarting(0), resource.DueAfter, resource.NotNeeded},
		"it fails":    {needsRestarting(2), resource.DueAfter, resource.NotNeeded},
	} {
		t.Run(name, func(t *testing.T) {
			m := hosttest.New(hosttest.Report(t.Errorf))
			c.ask(m)
			boot := m.Boot()
			want := object(t, typ, values{"name": "x"})
			if v, err := typ.Due(t.Context(), m.Reader(), want); v != c.verdict || err != nil {
				t.Errorf("Due gives %q and the error %v", v, err)
			}
			o, err := typ.Do(t.Context(), m.Host(), want)
			if o != c.outcome || err != nil || (m.Boot() != boot) != (o == resource.Done) {
				t.Errorf("Do gives %q and the error %v, boot %s after %s", o, err, m.Boot(), boot)
			}
		})
	}
}

func needsRestarting(code int) func(*hosttest.Machine) {
	return func(m *hosttest.Machine) {
		m.Handle("needs-restarting", func(c *hosttest.Call) host.Output {
			if !slices.Equal(c.Argv, []string{"needs-restarting", "-r"}) {
				return c.Unknown()
			}
			return host.Output{Code: code}
		})
	}
}
