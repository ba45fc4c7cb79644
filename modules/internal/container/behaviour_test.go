package container_test

import (
	"errors"
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

func wanted(t *testing.T, name string, v values) (*resource.Type, cty.Value) {
	t.Helper()
	typ, ok := modules.Lookup(name)
	if !ok {
		t.Fatalf("there is no type %s", name)
	}
	o, err := resourcetest.Object(typ.Schema, v)
	if err != nil {
		t.Fatal(err)
	}
	return typ, o
}

// apply reads and applies v.
func apply(t *testing.T, m *hosttest.Machine, name string, v values) {
	t.Helper()
	typ, want := wanted(t, name, v)
	prior, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil {
		t.Fatal(err)
	}
	if err := typ.Apply(t.Context(), m.Host(), want, prior); err != nil {
		t.Fatal(err)
	}
}

// read reads the object, and names what differs.
func read(t *testing.T, m *hosttest.Machine, name string, v values) (cty.Value, []string) {
	t.Helper()
	typ, want := wanted(t, name, v)
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil {
		t.Fatal(err)
	}
	return got, resourcetest.Diff(typ, want, got)
}

const hostsToml = "/etc/containerd/certs.d/quay.io/hosts.toml"

func TestContainerdNamesWhatItWouldOverwrite(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	v := values{"version": "1.7", "registries": map[string][]string{"quay.io": {"https://a"}}, "proxy": map[string]string{"http": "http://p"}}
	apply(t, m, "containerd", v)
	for p, want := range map[string]string{
		"/etc/containerd/config.toml": "debug.level",
		hostsToml:                     `quay.io: debug.level`,
		"/etc/systemd/system/containerd.service.d/kplan-proxy.conf": "/etc/systemd/system/containerd.service.d/kplan-proxy.conf",
	} {
		before := m.Content(p)
		m.Put(p, before+"[debug]\nlevel = \"debug\"\n")
		got, diff := read(t, m, "containerd", v)
		if len(diff) != 1 || got.GetAttr("deviations").AsString() != want {
			t.Errorf("more in %s: %v differ, %#v", p, diff, got.GetAttr("deviations"))
		}
		apply(t, m, "containerd", v)
		if m.Content(p) != before {
			t.Errorf("%s was not written whole:\n%s", p, m.Content(p))
		}
	}
}

func TestContainerdLeavesWhatIsNotItsOwn(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put("/etc/containerd/certs.d/other.org/hosts.toml", "server = \"https://other.org\"\n")
	v := values{"version": "1.7", "registries": map[string][]string{"quay.io": {"https://a"}}}
	apply(t, m, "containerd", v)
	m.Put("/etc/containerd/certs.d/quay.io/ca.crt", "certificate")
	m.Put("/etc/systemd/system/containerd.service.d/kplan-proxy.conf", "# Written by kplan.\n")
	v["registries"] = map[string][]string{}
	apply(t, m, "containerd", v)
	if _, diff := read(t, m, "containerd", v); len(diff) > 0 {
		t.Errorf("%v differ", diff)
	}
	typ, recorded := wanted(t, "containerd", v)
	if err := typ.Delete(t.Context(), m.Host(), recorded); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{
		hostsToml: false, "/etc/containerd/config.toml": false, "/etc/containerd/certs.d/quay.io/ca.crt": true,
		"/etc/containerd/certs.d/other.org/hosts.toml": true, "/etc/systemd/system/containerd.service.d/kplan-proxy.conf": true,
	} {
		if there := m.File(p) != nil; there != want {
			t.Errorf("%s is there: %v", p, there)
		}
	}
}

func TestContainerdWithALinkInItsPlace(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.PutLink("/etc/containerd/config.toml", "/etc/passwd")
	typ, want := wanted(t, "containerd", values{"version": "1.7"})
	_, err := typ.Read(t.Context(), m.Reader(), want)
	var op *host.OpError
	if !errors.As(err, &op) || op.Path != "/etc/containerd/config.toml" {
		t.Errorf("error %v", err)
	}
}

func TestContainerImageWithoutContainerd(t *testing.T) {
	v := values{"ref": "quay.io/a/b:1"}
	m := hosttest.New(hosttest.Report(t.Errorf))
	if got, _ := read(t, m, "container_image", v); !got.IsNull() {
		t.Errorf("a machine without containerd has %#v", got)
	}
	typ, want := wanted(t, "container_image", v)
	if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object())); err == nil || !strings.Contains(err.Error(), "containerd is not running") {
		t.Errorf("apply: error %v", err)
	}
	m.Containerd()
	m.KillContainerd()
	if _, err := typ.Read(t.Context(), m.Reader(), want); err == nil || !strings.HasPrefix(err.Error(), "containerd does not tell its images: ") {
		t.Errorf("read of one that does not run: error %v", err)
	}
}

func TestContainerImageByCrictl(t *testing.T) {
	v := values{"ref": "quay.io/a/b@sha256:" + strings.Repeat("0a", 32)}
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Containerd(v["ref"].(string))
	m.Put("/usr/local/bin/crictl", "")
	crictl := 0
	m.Handle("ctr", func(c *hosttest.Call) host.Output {
		t.Errorf("%q, though there is crictl", c.Argv)
		return host.Output{Code: 1}
	})
	m.Handle("crictl", func(c *hosttest.Call) host.Output {
		crictl++
		return host.Output{}
	})
	typ, want := wanted(t, "container_image", v)
	if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(typ.Schema.Object())); err != nil || crictl != 1 {
		t.Errorf("crictl was called %d times, error %v", crictl, err)
	}
}
