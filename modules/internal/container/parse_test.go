package container

import (
	"reflect"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/deviations"
)

func TestFormatOfVersion(t *testing.T) {
	for version, number := range map[string]int64{
		"1.3": 2, "1.6": 2, "1.7.28": 2, "2.0": 3, "2.1.5": 3, "2.2.9": 3, "2.3": 4, "2.10.1": 4,
		"1.2": 0, "3.0": 0, "2": 0, "v2.0": 0, "1.6.20~ds1": 0, "": 0,
	} {
		if f, ok := formatOf(version); f.number != number || ok != (number != 0) {
			t.Errorf("containerd %s reads the format %d, %v", version, f.number, ok)
		}
	}
}

func TestConfigOfEachFormat(t *testing.T) {
	image, yes := "registry.k8s.io/pause:3.10.1", true
	c := Containerd{SandboxImage: &image, RestrictOOMScoreAdj: &yes, SystemdCgroup: true, CNIBinDir: "/opt/cni/bin"}
	for version, want := range map[string]string{
		"1.7.28": `# Written by kplan.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.k8s.io/pause:3.10.1"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
`,
		"2.3": `# Written by kplan.
version = 4

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "registry.k8s.io/pause:3.10.1"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = true
`,
	} {
		c.Version = version
		if got := renderConfig(c); got != want {
			t.Errorf("for containerd %s:\n%s", version, got)
		}
	}
}

// What others wrote is read as it is: attributes where they fit, and the rest
// by name.
func TestParseConfig(t *testing.T) {
	image := "x"
	want := Containerd{Version: "1.7", SandboxImage: &image, SystemdCgroup: true, CNIBinDir: "/opt/cni/bin"}
	whole := renderConfig(want)
	for _, c := range []struct {
		name, text string
		want       Containerd
		odd        string
	}{
		{"what kplan wrote", whole, want, ""},
		{
			"spelled otherwise", "plugins.'io.containerd.grpc.v1.cri' = {sandbox_image = 'x', cni = {bin_dir = '/opt/cni/bin', conf_dir = '/etc/cni/net.d'}, " +
				"registry = {config_path = '/etc/containerd/certs.d'}, containerd = {runtimes = {runc = {runtime_type = 'io.containerd.runc.v2', options = {SystemdCgroup = true}}}}} # all\nversion = 2\n", want, "",
		},
		{
			"more in it", whole + "BinaryName = \"/usr/bin/crun\"\n[debug]\nlevel = \"debug\"\n", want,
			`debug.level, plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.BinaryName`,
		},
		{
			"no attribute of the block", strings.Replace(whole, "sandbox_image", "restrict_oom_score_adj = true\nsandbox_image", 1), want,
			`plugins."io.containerd.grpc.v1.cri".restrict_oom_score_adj`,
		},
		{
			"another registry directory", strings.Replace(whole, "certs.d", "hosts", 1), want,
			`plugins."io.containerd.grpc.v1.cri".registry.config_path`,
		},
		{
			"a value of another kind", strings.Replace(whole, `sandbox_image = "x"`, "sandbox_image = 1", 1),
			Containerd{Version: "1.7", SystemdCgroup: true, CNIBinDir: "/opt/cni/bin"},
			`plugins."io.containerd.grpc.v1.cri".sandbox_image`,
		},
		{"of Docker", "disabled_plugins = [\"cri\"]\n", Containerd{}, "disabled_plugins"},
		{"of a format to come", "version = 9\n", Containerd{}, "version"},
		{"no TOML", "version = \n", Containerd{}, "/etc/containerd/config.toml is no TOML"},
		{
			"empty", "version = 2\n",
			Containerd{Version: "1.7"},
			`plugins."io.containerd.grpc.v1.cri".cni.conf_dir is missing, ` +
				`plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.runtime_type is missing, ` +
				`plugins."io.containerd.grpc.v1.cri".registry.config_path is missing`,
		},
		{
			"much in it", whole + "[a]\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\n", want,
			"a.b, a.c, a.d, a.e, a.f, and more",
		},
	} {
		got, odd := parseConfig(c.text, want)
		if !reflect.DeepEqual(got, c.want) || deviations.Summary(odd) != c.odd {
			t.Errorf("%s: read %+v, beside that %q", c.name, got, deviations.Summary(odd))
		}
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		registry string
		mirrors  []string
		first    string
	}{
		{"docker.io", []string{"https://z", "https://a:5000"}, `server = "https://registry-1.docker.io"`},
		{"quay.io", []string{"http://a", "http://a:5000", "http://a/quay.io"}, `server = "https://quay.io"`},
		{"10.0.2.1:5000", []string{"http://10.0.2.1:5000"}, `server = "http://10.0.2.1:5000"`},
		{"_default", []string{"https://z"}, ``},
	} {
		text := renderHosts(c.registry, c.mirrors)
		if got := strings.Split(text, "\n")[1]; got != c.first {
			t.Errorf("%s: %s", c.registry, got)
		}
		mirrors, odd := parseHosts(c.registry, text)
		if !reflect.DeepEqual(mirrors, c.mirrors) || odd != nil {
			t.Errorf("%s: read %q, beside that %q:\n%s", c.registry, mirrors, odd, text)
		}
	}
	for text, want := range map[string]string{
		"server = \"https://quay.io\"\n[host.'https://a']\ncapabilities = [\"pull\", \"resolve\"]\nskip_verify = true\n":       `quay.io: host."https://a".skip_verify`,
		"server = \"https://quay.io\"\n  [ host . \"https://a\" ] # first\ncapabilities = [\"pull\", \"resolve\", \"push\"]\n": `quay.io: host."https://a".capabilities`,
		"server = \"https://quay.io\"\n[host.\"https://a\"]\n":                                                                 `quay.io: host."https://a".capabilities is missing`,
		"[host.\"https://a\"]\ncapabilities = [\"pull\", \"resolve\"]\n":                                                       `quay.io: server is missing`,
	} {
		if mirrors, odd := parseHosts("quay.io", text); !reflect.DeepEqual(mirrors, []string{"https://a"}) || deviations.Summary(odd) != want {
			t.Errorf("read %q, beside that %q:\n%s", mirrors, odd, text)
		}
	}
	if _, odd := parseHosts("quay.io", "= 1"); deviations.Summary(odd) != "/etc/containerd/certs.d/quay.io/hosts.toml is no TOML" {
		t.Errorf("no TOML: %q", odd)
	}
}

func TestProxy(t *testing.T) {
	proxy := map[string]string{"http": "http://a:b%40c@10.0.2.1:3128", "no_proxy": "10.0.0.0/8,.example.org"}
	text := renderProxy(proxy)
	if want := "# Written by kplan.\n[Service]\nEnvironment=\"HTTP_PROXY=http://a:b%%40c@10.0.2.1:3128\"\nEnvironment=\"NO_PROXY=10.0.0.0/8,.example.org\"\n"; text != want {
		t.Errorf("written:\n%s", text)
	}
	if got, odd := parseProxy(&text); !reflect.DeepEqual(got, proxy) || len(odd) > 0 {
		t.Errorf("read %v", got)
	}
}

func TestParseCrictl(t *testing.T) {
	socket, seconds := "unix:///x", int64(3)
	want := CrictlConfig{RuntimeEndpoint: socket, ImageEndpoint: &socket, Timeout: &seconds}
	for text, expected := range map[string]CrictlConfig{
		renderCrictl(want): want,
		"---\n# set by hand\ntimeout: 3 # s\nimage-endpoint: 'unix:///x'\r\nruntime-endpoint: unix:///x\n": want,
		"runtime-endpoint: unix:///x\ndebug: true\npull-image-on-create: false\n":                          {RuntimeEndpoint: socket, Deviations: "debug, pull-image-on-create"},
		"runtime-endpoint:\n  - x\ntimeout: soon\n":                                                        {Deviations: "line 1, line 2, timeout"},
		"": {},
	} {
		if got := parseCrictl(text, want); !reflect.DeepEqual(got, expected) {
			t.Errorf("read %+v of:\n%s", got, text)
		}
	}
	if got := parseCrictl(renderCrictl(want), CrictlConfig{}); got.Deviations != "image-endpoint, timeout" {
		t.Errorf("what the block does not set is read as %+v", got)
	}
}
