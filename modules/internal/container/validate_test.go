package container_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

func TestValidateRefuses(t *testing.T) {
	type values = resourcetest.Values
	registry := func(name string, mirrors ...string) values {
		return values{"version": "1.7", "registries": map[string][]string{name: mirrors}}
	}
	proxy := func(name, value string) values {
		return values{"version": "1.7", "proxy": map[string]string{name: value}}
	}
	for _, c := range []struct {
		typ   string
		v     values
		field string
		says  string // what to write instead
	}{
		{"containerd", values{"version": "v1.7.28"}, "version", `Write "1.7.28"`},
		{"containerd", values{"version": "1.2"}, "version", "from 1.3"},
		{"containerd", values{"version": "latest"}, "version", `"1.7.28"`},
		{"containerd", values{"version": "1.7", "sandbox_image": "a\"b"}, "sandbox_image", "in full"},
		{"containerd", values{"version": "1.7", "cni_bin_dir": "opt/cni"}, "cni_bin_dir", `"/opt/cni/bin"`},
		{"containerd", values{"version": "1.7", "cni_bin_dir": "/opt/cni/"}, "cni_bin_dir", `"/opt/cni/bin"`},
		{"containerd", values{"version": "1.7", "deviations": "x"}, "deviations", "Leave the attribute out"},
		{"containerd", registry("https://docker.io/", "https://a"), "registries", `"docker.io"`},
		{"containerd", registry("docker.io/library", "https://a"), "registries", `"docker.io"`},
		{"containerd", registry("..", "https://a"), "registries", `"docker.io"`},
		{"containerd", registry("docker.io"), "registries", "at least one URL"},
		{"containerd", registry("docker.io", "a.example.org"), "registries", `"https://mirror.example.org"`},
		{"containerd", registry("docker.io", "https://me:secret@a"), "registries", "no URL of a mirror"},
		{"containerd", registry("docker.io", "https://a", "https://a"), "registries", "once"},
		{"containerd", proxy("ftp", "http://a"), "proxy", "http, https or no_proxy"},
		{"containerd", proxy("http", ""), "proxy", "one word"},
		{"containerd", proxy("no_proxy", "a b"), "proxy", "one word"},
		{"crictl_config", values{"runtime_endpoint": "/run/containerd/containerd.sock"}, "runtime_endpoint", `"unix:///run`},
		{"crictl_config", values{"image_endpoint": "unix://run/x.sock"}, "image_endpoint", `"unix:///run`},
		{"crictl_config", values{"timeout": 0}, "timeout", "leave it out"},
		{"container_image", values{"ref": "nginx"}, "ref", "tag or digest"},
		{"container_image", values{"ref": "nginx:1.27"}, "ref", "full name"},
		{"container_image", values{"ref": "library/nginx:1.27"}, "ref", "full name"},
		{"container_image", values{"ref": "quay.io/a/b"}, "ref", "full name"},
		{"container_image", values{"ref": "quay.io/a/b:1,name!=x"}, "ref", "full name"},
		{"container_image", values{"ref": "--all"}, "ref", "full name"},
		{"container_image", values{"ref": "quay.io/a@sha256:12"}, "ref", "full name"},
		{"container_image", values{"ref": "docker.io/nginx:1.27"}, "ref", `Write "docker.io/library/nginx:1.27"`},
		{"crictl_config", values{"deviations": "x"}, "deviations", "Leave the attribute out"},
	} {
		typ, _ := modules.Lookup(c.typ)
		v, err := resourcetest.Object(typ.Schema, c.v)
		if err != nil {
			t.Fatal(err)
		}
		var bad *resource.FieldError
		if err := typ.Validate(v); !errors.As(err, &bad) {
			t.Errorf("%s %v: the error is %v", c.typ, c.v, err)
			continue
		}
		if bad.Field != c.field || !strings.Contains(bad.Msg, c.says) || !strings.HasSuffix(bad.Msg, ".") {
			t.Errorf("%s %v: %s: %s\nexpected of %s: %q", c.typ, c.v, bad.Field, bad.Msg, c.field, c.says)
		}
	}
}
