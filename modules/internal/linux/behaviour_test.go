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

func TestFileNamesWhatStandsInItsPlace(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "file")
	_, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/etc", "content": "x"}))
	if err == nil || err.Error() != "cannot manage the file /etc: a directory stands there" {
		t.Errorf("error %v", err)
	}
}

func TestFileWithoutItsDirectory(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "file")
	err := typ.Apply(t.Context(), m.Host(), object(t, typ, values{"path": "/opt/none/x", "content": "x"}), cty.NullVal(typ.Schema.Object()))
	var op *host.OpError
	if !errors.As(err, &op) || op.Path != "/opt/none/x" {
		t.Errorf("error %v", err)
	}
}

func TestFileKeepsWhatIsNotManaged(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.PutAs("/etc/x", "old", 0o600, 1000, 4242)
	apply(t, m, "file", values{"path": "/etc/x", "content": "new"})
	if f := m.File("/etc/x"); string(f.Content) != "new" || f.Mode != 0o600 || f.Owner != "vagrant" || f.Group != "4242" {
		t.Errorf("%+v", f)
	}
	typ := typeOf(t, "file")
	got, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/etc/x", "mode": "0600"}))
	if err != nil || !got.GetAttr("content").IsNull() {
		t.Errorf("content that is not managed was read: %#v, error %v", got, err)
	}
}

func TestDirectoryKeepsWhatStays(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	for _, name := range []string{"a", "b", "c", "d"} {
		m.Put("/opt/d/"+name, "")
	}
	typ := typeOf(t, "directory")
	got, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": "/opt/d"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		gone    []string
		claimed string
		want    string
	}{
		{nil, "", "a, b and 2 more stay in it"},
		{[]string{"/opt/d/a", "/opt/d/b"}, "", "c and d stay in it"},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/d"}, "", "c stays in it"},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/c", "/opt/d/d"}, "", ""},
		{[]string{"/opt/d/a", "/opt/d/b", "/opt/d/c", "/opt/d/d"}, "path /opt/d/new", "new stays in it"},
	} {
		outlook := resource.Outlook{
			Gone: func(claim string) bool {
				return slices.ContainsFunc(c.gone, func(p string) bool { return claim == "path "+p })
			},
			Claimed: func(prefix string) string {
				if strings.HasPrefix(c.claimed, prefix) {
					return c.claimed
				}
				return ""
			},
		}
		if why := typ.Keeps(got, outlook); why != c.want {
			t.Errorf("without %v: %q", c.gone, why)
		}
	}
}

func TestSymlinkLosesNothing(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/opt/file", "kept")
	m.Put("/opt/dir/file", "kept")
	m.PutLink("/opt/link", "/opt/dir")
	typ := typeOf(t, "symlink")
	for p, says := range map[string]string{
		"/opt/file": "cannot manage the link /opt/file: a file stands there",
		"/opt/dir":  "cannot manage the link /opt/dir: a directory stands there",
	} {
		want := object(t, typ, values{"path": p, "target": "/etc"})
		if _, err := typ.Read(t.Context(), m.Reader(), want); err == nil || err.Error() != says {
			t.Errorf("reading %s: error %v", p, err)
		}
		// What came to the path after it was read as missing stays, too.
		err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object()))
		if err == nil || !strings.Contains(err.Error(), "File exists") {
			t.Errorf("linking over %s: error %v", p, err)
		}
	}
	want := object(t, typ, values{"path": "/opt/link", "target": "/opt/dir"})
	if err := typ.Delete(t.Context(), m.Host(), want); err != nil {
		t.Fatal(err)
	}
	if m.File("/opt/link") != nil || m.Content("/opt/file") != "kept" || m.Content("/opt/dir/file") != "kept" {
		t.Error("the link stays, or something else is gone")
	}
}

func TestLineKeepsTheRest(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.PutAs("/etc/x", "a=1\nb=2\n", 0o600, 1000, 4242)
	apply(t, m, "line", values{"path": "/etc/x", "match": "^a=", "line": "a=3"})
	if f := m.File("/etc/x"); string(f.Content) != "a=3\nb=2\n" || f.Mode != 0o600 || f.Owner != "vagrant" || f.Group != "4242" {
		t.Errorf("%+v", f)
	}
}

func TestLineMakesNoFile(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "line")
	want := object(t, typ, values{"path": "/etc/none", "match": "^a=", "line": "a=3"})
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil || !got.IsNull() {
		t.Errorf("a line of no file is %#v, error %v", got, err)
	}
	err = typ.Apply(t.Context(), m.Host(), want, got)
	if err == nil || !strings.Contains(err.Error(), "cannot manage a line of /etc/none: there is no such file") || m.File("/etc/none") != nil {
		t.Errorf("error %v, file %v", err, m.File("/etc/none"))
	}
	m.Put("/etc/big", strings.Repeat("a\n", 9<<20))
	m.PutLink("/etc/link", "big")
	for p, says := range map[string]string{
		"/etc/big":  "it is larger than 16 MiB",
		"/etc/link": "a symbolic link to big stands there",
		"/etc":      "a directory stands there",
	} {
		_, err := typ.Read(t.Context(), m.Reader(), object(t, typ, values{"path": p, "match": "^a", "line": "a"}))
		if err == nil || !strings.HasSuffix(err.Error(), says) {
			t.Errorf("%s: error %v", p, err)
		}
	}
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
