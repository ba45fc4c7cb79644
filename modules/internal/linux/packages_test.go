package linux_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

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
