package linux_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

func TestPackage(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.ArchiveUnlisted("kubelet", "1.34.4-1.1", "1.34.5-1.1")
	m.CutInstall("other", "1")
	apply(t, m, "package", values{"name": "kubelet", "version": "1.34.4-1.1"})
	if p, _ := m.Package("kubelet"); p.Version != "1.34.4-1.1" || p.Held {
		t.Errorf("%+v", p)
	}
	if p, _ := m.Package("other"); p.Cut {
		t.Error("the interrupted installation was not finished")
	}
	apply(t, m, "package", values{"name": "kubelet", "hold": true})
	if p, _ := m.Package("kubelet"); p.Version != "1.34.4-1.1" || !p.Held {
		t.Errorf("a hold changed the version: %+v", p)
	}
	apply(t, m, "package", values{"name": "kubelet", "version": "1.34.5-1.1"})
	if p, _ := m.Package("kubelet"); p.Version != "1.34.5-1.1" || !p.Held {
		t.Errorf("an upgrade lost the hold: %+v", p)
	}
}

func TestPackageRepository(t *testing.T) {
	const sources, keyring = "/etc/apt/sources.list.d/k8s.sources", "/etc/apt/keyrings/k8s.asc"
	_, key := resourcetest.Repository()
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Repository("https://pkgs.example/deb", key)
	typ := typeOf(t, "package_repository")
	want := values{"name": "k8s", "uri": "https://pkgs.example/deb", "suites": []string{"/"}, "key": key}
	apply(t, m, "package_repository", want)
	const text = "# Written by kplan.\nTypes: deb\nURIs: https://pkgs.example/deb\nSuites: /\nSigned-By: " + keyring + "\n"
	if m.Content(sources) != text || m.Content(keyring) != key {
		t.Errorf("%s\n%s", m.Content(sources), m.Content(keyring))
	}

	// What apt refuses is not kept.
	for says, change := range map[string]values{
		"cannot fetch the package lists of https://none.example: apt-get": {"uri": "https://none.example"},
		"the public key is not available":                                 {"key": resourcetest.ForeignKey},
	} {
		v := maps.Clone(want)
		maps.Copy(v, change)
		o := object(t, typ, v)
		prior, err := typ.Read(t.Context(), m.Reader(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := typ.Apply(t.Context(), m.Host(), o, prior); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error %v", change, err)
		}
		if m.Content(sources) != text || m.Content(keyring) != key {
			t.Errorf("%v was kept: %s\n%s", change, m.Content(sources), m.Content(keyring))
		}
	}

	// A key that is not managed stays.
	apply(t, m, "package_repository", values{"name": "k8s", "uri": "https://pkgs.example/deb", "suites": []string{"./"}})
	if !strings.Contains(m.Content(sources), "Suites: ./\nSigned-By: "+keyring) || m.Content(keyring) != key {
		t.Errorf("%s\n%s", m.Content(sources), m.Content(keyring))
	}

	m.Put(sources, text+"Trusted: yes\n")
	o := object(t, typ, want)
	if got, err := typ.Read(t.Context(), m.Reader(), o); err != nil || !slices.Equal(resourcetest.Diff(typ, o, got), []string{"uri", "suites", "key"}) {
		t.Errorf("a file changed by hand is %#v, error %v", got, err)
	}
}

func TestServiceThatIsNotThere(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	typ := typeOf(t, "service")
	off := object(t, typ, values{"name": "firewalld", "enabled": false, "running": false})
	if got, err := typ.Read(t.Context(), m.Reader(), off); err != nil || len(resourcetest.Diff(typ, off, got)) > 0 {
		t.Errorf("%#v, error %v", got, err)
	}
	on := object(t, typ, values{"name": "kubelet", "enabled": true})
	if got, err := typ.Read(t.Context(), m.Reader(), on); err != nil || !got.IsNull() {
		t.Errorf("%#v, error %v", got, err)
	}
	err := typ.Apply(t.Context(), m.Host(), on, cty.NullVal(typ.Schema.Object()))
	if err == nil || !strings.Contains(err.Error(), "kubelet.service does not exist") {
		t.Errorf("error %v", err)
	}
}

func TestServiceThatCannotBeEnabled(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/lib/systemd/system/static.service", "[Service]\n")
	typ := typeOf(t, "service")
	for _, enabled := range []bool{true, false} {
		want := object(t, typ, values{"name": "static", "enabled": enabled})
		if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || len(resourcetest.Diff(typ, want, got)) > 0 {
			t.Errorf("%#v, error %v", got, err)
		}
	}
}

func TestServiceRefresh(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.AddUnit("a.service", hosttest.Unit{Running: true, Starts: 1})
	m.AddUnit("b.service", hosttest.Unit{})
	typ := typeOf(t, "service")
	for _, name := range []string{"a", "b"} {
		if err := typ.Refresh(t.Context(), m.Host(), object(t, typ, values{"name": name, "enabled": true})); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := m.Unit("a.service")
	b, _ := m.Unit("b.service")
	if a.Starts != 2 || b.Running {
		t.Errorf("%+v %+v", a, b)
	}
	if got := typ.Disrupts(object(t, typ, values{"name": "a", "running": false}), object(t, typ, values{"name": "a", "running": true})); !slices.Equal(got, []string{"stops a.service"}) {
		t.Errorf("disrupts %v", got)
	}
}

func TestSystemdUnitLeavesWhatIsOthers(t *testing.T) {
	const vendor, foreign, ours = "/lib/systemd/system/kubelet.service", "/etc/systemd/system/kubelet.service.d/proxy.conf", "/etc/systemd/system/kubelet.service.d/10-a.conf"
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put(vendor, "[Service]\nExecStart=/bin/true\n")
	m.Put(foreign, "[Service]\nNice=1\n")
	typ := typeOf(t, "systemd_unit")
	v := values{"name": "kubelet", "drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=2\n"}}
	apply(t, m, "systemd_unit", v)
	if got := m.Content(ours); got != "# Written by kplan.\n[Service]\nNice=2\n" {
		t.Errorf("the drop-in is %q", got)
	}
	whole := object(t, typ, values{"name": "kubelet", "content": "[Service]\nExecStart=/bin/true\n"})
	if got, err := typ.Read(t.Context(), m.Reader(), whole); err != nil || !got.IsNull() {
		t.Errorf("a package's unit is read as %#v, error %v", got, err)
	}
	if err := typ.Delete(t.Context(), m.Host(), object(t, typ, v)); err != nil {
		t.Fatal(err)
	}
	if m.File(ours) != nil || m.File(foreign) == nil || m.File(vendor) == nil {
		t.Errorf("after delete: %v, %v, %v", m.File(ours), m.File(foreign), m.File(vendor))
	}
	m.RemoveAll(foreign)
	apply(t, m, "systemd_unit", v)
	if err := typ.Delete(t.Context(), m.Host(), object(t, typ, v)); err != nil || m.File("/etc/systemd/system/kubelet.service.d") != nil {
		t.Errorf("an empty directory stays, error %v", err)
	}
}

// TestSystemdUnitIsReadAgain cuts an apply off between the file and systemd's
// reading of it.
func TestSystemdUnitIsReadAgain(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n")
	if _, err := host.Exec(t.Context(), m.Host(), "systemctl", "start", "a.service"); err != nil {
		t.Fatal(err)
	}
	typ := typeOf(t, "systemd_unit")
	v := values{"name": "a.service", "content": "[Service]\nExecStart=/bin/b\n"}
	want := object(t, typ, v)
	lost := errors.New("cut off")
	m.Arrange(hosttest.Fault{Op: 2, Err: lost})
	if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object())); !errors.Is(err, lost) {
		t.Fatalf("error %v", err)
	}
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil || !slices.Equal(resourcetest.Diff(typ, want, got), []string{"content"}) {
		t.Errorf("a file that systemd has not read is %#v, error %v", got, err)
	}
	apply(t, m, "systemd_unit", v)
	if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || len(resourcetest.Diff(typ, want, got)) > 0 {
		t.Errorf("afterwards it is %#v, error %v", got, err)
	}
}
