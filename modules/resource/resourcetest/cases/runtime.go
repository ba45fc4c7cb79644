package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// configured is a machine with a config.toml of others.
func configured(text string) []host.Op {
	return []host.Op{run("mkdir", "-p", "/etc/containerd"), host.WriteFile{Path: "/etc/containerd/config.toml", Mode: 0o644, Content: []byte(text)}}
}

var runtime = []resourcetest.Case{
	{
		Type: "containerd", Name: "all that there is",
		Want: resourcetest.Values{
			"version": "1.6", "sandbox_image": "10.0.2.1:5000/pause:3.10.1", "restrict_oom_score_adj": true,
			"registries": map[string][]string{"10.0.2.1:5000": {"http://10.0.2.1:5000"}, "docker.io": {"https://b.example.org/hub", "http://a.example.org"}},
			"proxy":      map[string]string{"https": "http://10.0.2.1:3128/a%20b", "no_proxy": "10.0.0.0/8,.example.org"},
		},
		Changes: []resourcetest.Values{
			{"sandbox_image": "registry.k8s.io/pause:3.9"},
			{"systemd_cgroup": false},
			{"restrict_oom_score_adj": false},
			{"cni_bin_dir": "/usr/lib/cni"},
			{"version": "2.1.5"},
			{"version": "2.3", "systemd_cgroup": true},
			{"cni_bin_dir": "/opt/cni/bin"},
			{"registries": map[string][]string{
				"10.0.2.1:5000": {"http://10.0.2.1:5000"}, "docker.io": {"http://a.example.org", "https://b.example.org/hub"}, "_default": {"https://c"},
			}},
			{"proxy": map[string]string{"http": "http://10.0.2.1:3128"}},
			{"proxy": map[string]string{}},
		},
	},
	{
		Type: "containerd", Name: "with nothing set",
		Want:    resourcetest.Values{"version": "2.0"},
		Changes: []resourcetest.Values{{"version": "1.7.28"}},
	},
	{
		Type: "containerd", Name: "registries that are dropped", Calls: 2,
		Want: resourcetest.Values{"version": "1.7", "registries": map[string][]string{"docker.io": {"https://a"}, "quay.io": {"https://a", "https://b"}}},
		Changes: []resourcetest.Values{
			{"registries": map[string][]string{"quay.io": {"https://a", "https://b"}}},
			{"registries": map[string][]string{}},
		},
	},
	{
		Type: "containerd", Name: "over that of a package", Stands: true,
		Prepare: configured("version = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n"),
		Want:    resourcetest.Values{"version": "1.6.20"},
	},
	{
		Type: "containerd", Name: "over what is no configuration", Stands: true,
		Prepare: configured("version = = 2\n"),
		Want:    resourcetest.Values{"version": "2.2"},
	},
	{
		Type: "crictl_config", Name: "all that there is",
		Want: resourcetest.Values{"image_endpoint": "unix:///run/images.sock", "timeout": 10},
		Changes: []resourcetest.Values{
			{"runtime_endpoint": "unix:///run/crio/crio.sock"},
			{"image_endpoint": "unix:///run/crio/crio.sock"},
			{"timeout": 2},
		},
	},
	{
		Type: "crictl_config", Name: "over that of others", Stands: true,
		Prepare: []host.Op{host.WriteFile{
			Path: "/etc/crictl.yaml", Mode: 0o644,
			Content: []byte("runtime-endpoint: unix:///run/containerd/containerd.sock\ndebug: false\n"),
		}},
		Want: resourcetest.Values{},
	},
	{
		Type: "container_image", Name: "by its tag", Needs: []string{"containerd"},
		Want:     resourcetest.Values{"ref": "10.0.2.1:5000/pause:3.10.1"},
		Together: [][]resourcetest.Values{{{"ref": "10.0.2.1:5000/pause:3.10.1"}, {"ref": "10.0.2.1:5000/kube-proxy:v1.34.4"}}},
	},
}
