package kubeadm

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

func configWanted(version string) KubeadmConfig {
	text := func(s string) *string { return &s }
	return KubeadmConfig{
		Path: "/etc/kubernetes/kubeadm.yaml", Version: version, Name: text("k8s-node1"), AdvertiseAddress: text("10.0.2.15"),
		Endpoint: text("10.0.2.15:6443"), PodCIDR: text("10.244.0.0/16"), ServiceCIDR: text("10.96.0.0/16"),
		ImageRepository: text("registry.k8s.io"), CRISocket: "unix:///run/containerd/containerd.sock",
		CertSANs: []string{"k8s.example.org"}, APIServerExtraArgs: map[string]string{"v": "4", "audit-log-path": "/a \"b\""},
		EtcdExtraArgs: map[string]string{}, Kubelet: text("{cgroupDriver: systemd, maxPods: 50}"), Patches: text("/etc/patches"),
	}
}

const configHead = `# Written by kplan.
apiVersion: "kubeadm.k8s.io/API"
bootstrapTokens:
- ttl: "15m"
kind: "InitConfiguration"
localAPIEndpoint:
  advertiseAddress: "10.0.2.15"
nodeRegistration:
  criSocket: "unix:///run/containerd/containerd.sock"
  name: "k8s-node1"
patches:
  directory: "/etc/patches"
---
`

const configTail = `apiVersion: "kubeadm.k8s.io/API"
controlPlaneEndpoint: "10.0.2.15:6443"
imageRepository: "registry.k8s.io"
kind: "ClusterConfiguration"
kubernetesVersion: "vVERSION"
networking:
  podSubnet: "10.244.0.0/16"
  serviceSubnet: "10.96.0.0/16"
---
apiVersion: "kubelet.config.k8s.io/v1beta1"
cgroupDriver: "systemd"
kind: "KubeletConfiguration"
maxPods: 50
`

// Flags are a mapping in v1beta3 and a list in v1beta4.
func TestRenderConfig(t *testing.T) {
	for version, tt := range map[string]struct{ api, args string }{
		"1.30.14": {"v1beta3", `apiServer:
  certSANs: ["k8s.example.org"]
  extraArgs:
    audit-log-path: "/a \"b\""
    v: "4"
`},
		"1.31.0": {"v1beta4", `apiServer:
  certSANs: ["k8s.example.org"]
  extraArgs:
  - name: "audit-log-path"
    value: "/a \"b\""
  - name: "v"
    value: "4"
`},
	} {
		want := strings.NewReplacer("API\"", tt.api+"\"", "VERSION", version).Replace(configHead + tt.args + configTail)
		if got := renderConfig(configWanted(version)); got != want {
			t.Errorf("of %s:\n%s\nwant:\n%s", version, got, want)
		}
	}
}

// What is changed by hand shows in the attribute that it is about, and beside
// the attributes by its place.
func TestParseConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		old, fresh string // in the file
		differs    func(got, want KubeadmConfig) bool
		deviations string
	}{
		"as it is":             {"", "", nil, ""},
		"a comment":            {"---\n", "---\n# by hand\n", nil, ""},
		"the version":          {"v1.34.4", "v1.34.5", func(g, w KubeadmConfig) bool { return g.Version == "1.34.5" }, ""},
		"no version":           {"kubernetesVersion: \"v1.34.4\"\n", "", func(g, w KubeadmConfig) bool { return g.Version == "" }, ""},
		"a range":              {"10.244.0.0/16", "10.245.0.0/16", func(g, w KubeadmConfig) bool { return *g.PodCIDR == "10.245.0.0/16" }, ""},
		"no name":              {"  name: \"k8s-node1\"\n", "", func(g, w KubeadmConfig) bool { return g.Name == nil }, ""},
		"the socket":           {"containerd.sock", "crio.sock", func(g, w KubeadmConfig) bool { return g.CRISocket == "unix:///run/containerd/crio.sock" }, ""},
		"a flag":               {"value: \"4\"", "value: \"5\"", func(g, w KubeadmConfig) bool { return g.APIServerExtraArgs["v"] == "5" }, ""},
		"of the kubelet":       {"maxPods: 50", "maxPods: 51", func(g, w KubeadmConfig) bool { return *g.Kubelet == "cgroupDriver: \"systemd\"\nmaxPods: 51\n" }, ""},
		"a number":             {"value: \"4\"", "value: 4", func(g, w KubeadmConfig) bool { return len(g.APIServerExtraArgs) == 1 }, "ClusterConfiguration.apiServer.extraArgs"},
		"another key":          {"imageRepository:", "clusterName: x\nimageRepository:", nil, "ClusterConfiguration.clusterName"},
		"what is not set":      {"networking:\n", "networking:\n  dnsDomain: x\n", nil, "ClusterConfiguration.networking.dnsDomain"},
		"another API":          {"kubeadm.k8s.io/v1beta4", "kubeadm.k8s.io/v1beta3", nil, "ClusterConfiguration.apiVersion, InitConfiguration.apiVersion"},
		"of an earlier kplan":  {"bootstrapTokens:\n- ttl: \"15m\"\n", "", nil, ""},
		"tokens of somebody's": {"ttl: \"15m\"", "ttl: \"0s\"", nil, "InitConfiguration.bootstrapTokens"},
		"another kind":         {"---\napiVersion: \"kubelet", "---\nkind: JoinConfiguration\n---\napiVersion: \"kubelet", nil, "a document JoinConfiguration"},
		"a kind twice":         {"kind: \"KubeletConfiguration\"", "kind: \"ClusterConfiguration\"", func(g, w KubeadmConfig) bool { return g.Kubelet == nil }, "ClusterConfiguration twice"},
		"no YAML":              {"networking:\n", "networking: [\n", func(g, w KubeadmConfig) bool { return g.Version == "" && g.Kubelet == nil }, "the file is no configuration of kubeadm"},
	} {
		t.Run(name, func(t *testing.T) {
			want := configWanted("1.34.4")
			m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
			if err := want.Apply(t.Context(), m.Host(), nil); err != nil {
				t.Fatal(err)
			}
			text := m.Content(want.Path)
			if !strings.Contains(text, tt.old) {
				t.Fatalf("%q is not in\n%s", tt.old, text)
			}
			if tt.old != "" {
				write(t, m, want.Path, strings.ReplaceAll(text, tt.old, tt.fresh), 0o600)
			}
			got, err := want.Read(t.Context(), m.Reader())
			if err != nil || got == nil {
				t.Fatalf("%+v, %v", got, err)
			}
			if got.Deviations != tt.deviations {
				t.Errorf("deviations: %q, want %q", got.Deviations, tt.deviations)
			}
			if tt.differs != nil && !tt.differs(*got, want) {
				t.Errorf("read as %+v", got)
			}
			if tt.differs == nil && tt.deviations == "" && renderConfig(*got) != renderConfig(want) {
				t.Errorf("read as\n%s", renderConfig(*got))
			}
		})
	}
}

func write(t *testing.T, m *hosttest.Machine, path, text string, mode fs.FileMode) {
	t.Helper()
	if _, err := m.Host().Do(t.Context(), host.WriteFile{Path: path, Content: []byte(text), Mode: mode}); err != nil {
		t.Fatal(err)
	}
}

func TestConfigIsNotForEverybody(t *testing.T) {
	want := configWanted("1.34.4")
	m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
	if err := want.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	write(t, m, want.Path, m.Content(want.Path), 0o644)
	got, err := want.Read(t.Context(), m.Reader())
	if err != nil || got.Deviations != "mode 0644" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	text := func(s string) *string { return &s }
	for field, changes := range map[string]map[string]func(*KubeadmConfig){
		"path":              {"the shortest one": func(c *KubeadmConfig) { c.Path = "/etc/kubernetes/" }, "no path": func(c *KubeadmConfig) { c.Path = "kubeadm.yaml" }},
		"version":           {"in full": func(c *KubeadmConfig) { c.Version = "v1.34" }, "from 1.22 on": func(c *KubeadmConfig) { c.Version = "1.21.14" }, "Of Kubernetes 2.0.0": func(c *KubeadmConfig) { c.Version = "2.0.0" }},
		"name":              {"k8s-node1": func(c *KubeadmConfig) { c.Name = text("Node_1") }, "\"*.a\"": func(c *KubeadmConfig) { c.Name = text("*.a") }},
		"advertise_address": {"no IP address": func(c *KubeadmConfig) { c.AdvertiseAddress = text("node1") }},
		"endpoint": {
			"ADDRESS:PORT":               func(c *KubeadmConfig) { c.Endpoint = text("https://a:1") },
			`"a" is no endpoint`:         func(c *KubeadmConfig) { c.Endpoint = text("a") },
			`"a:0" is`:                   func(c *KubeadmConfig) { c.Endpoint = text("a:0") },
			`"a:65536" is`:               func(c *KubeadmConfig) { c.Endpoint = text("a:65536") },
			`"10.0.2.256:6443" is`:       func(c *KubeadmConfig) { c.Endpoint = text("10.0.2.256:6443") },
			`"fd00::1:6443" is`:          func(c *KubeadmConfig) { c.Endpoint = text("fd00::1:6443") },
			`"[10.0.2.15]:6443" is`:      func(c *KubeadmConfig) { c.Endpoint = text("[10.0.2.15]:6443") },
			`"K8s.example.org:6443" is`:  func(c *KubeadmConfig) { c.Endpoint = text("K8s.example.org:6443") },
			`"*.example.org:6443" is no`: func(c *KubeadmConfig) { c.Endpoint = text("*.example.org:6443") },
		},
		"pod_cidr": {
			"no range":              func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0") },
			`Write "10.244.0.0/16"`: func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.1/16") },
			"in common":             func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/16,10.244.1.0/24") },
			"too small":             func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/25") },
			"from /8 to /24":        func(c *KubeadmConfig) { c.PodCIDR = text("32.0.0.0/7") },
			"from /48 to /64":       func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/16,fd00::/65") },
			"fd00::/47 is too big":  func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/16,fd00::/47") },
			"from /11 to /27": func(c *KubeadmConfig) {
				c.PodCIDR, c.ControllerManagerExtraArgs = text("10.244.0.0/28"), map[string]string{"node-cidr-mask-size-ipv4": "27"}
			},
			"two ranges of IPv4": func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/16,10.245.0.0/16") },
			"3 ranges":           func(c *KubeadmConfig) { c.PodCIDR = text("10.244.0.0/16,fd00::/64,10.245.0.0/16") },
			"no pod":             func(c *KubeadmConfig) { c.PodCIDR = text("127.1.0.0/16") },
			"169.254.0.0/16":     func(c *KubeadmConfig) { c.PodCIDR = text("169.254.0.0/16") },
			"239.0.0.0/16":       func(c *KubeadmConfig) { c.PodCIDR = text("239.0.0.0/16") },
			"0.0.0.0/8":          func(c *KubeadmConfig) { c.PodCIDR = text("0.0.0.0/8") },
		},
		"service_cidr": {
			"10.96.0.0/16":                     func(c *KubeadmConfig) { c.ServiceCIDR = text("") },
			"10.244.0.0/16 and 10.240.0.0/12 ": func(c *KubeadmConfig) { c.ServiceCIDR = text("10.240.0.0/12") },
			"from /12 to /28":                  func(c *KubeadmConfig) { c.ServiceCIDR = text("10.96.0.0/29") },
			"10.0.0.0/9 is too big":            func(c *KubeadmConfig) { c.ServiceCIDR = text("10.0.0.0/9") },
			"from /108 to /124":                func(c *KubeadmConfig) { c.ServiceCIDR = text("10.96.0.0/16,fd00:2::/64") },
			"fd00:2::/125 is too small":        func(c *KubeadmConfig) { c.ServiceCIDR = text("10.96.0.0/16,fd00:2::/125") },
			"no service":                       func(c *KubeadmConfig) { c.ServiceCIDR = text("127.0.0.0/16") },
			"two ranges of IPv4":               func(c *KubeadmConfig) { c.ServiceCIDR = text("10.96.0.0/16,10.97.0.0/16") },
			"no range of the pods":             func(c *KubeadmConfig) { c.AdvertiseAddress, c.ServiceCIDR = nil, text("fd00:2::/112") },
			"10.0.2.15, is of IPv4": func(c *KubeadmConfig) {
				c.PodCIDR, c.ServiceCIDR = text("fd00:1::/48"), text("fd00:2::/112")
			},
		},
		"dns_domain":            {"cluster.local": func(c *KubeadmConfig) { c.DNSDomain = text("a b") }},
		"image_repository":      {"without a scheme": func(c *KubeadmConfig) { c.ImageRepository = text("https://registry.k8s.io") }},
		"cri_socket":            {"as a URL": func(c *KubeadmConfig) { c.CRISocket = "/run/containerd/containerd.sock" }},
		"cert_sans":             {"neither": func(c *KubeadmConfig) { c.CertSANs = []string{"a", "10.0.0.0/8"} }},
		"api_server_extra_args": {"without dashes": func(c *KubeadmConfig) { c.APIServerExtraArgs = map[string]string{"--v": "1"} }},
		"kubelet_extra_args":    {"\"\" is no flag": func(c *KubeadmConfig) { c.KubeletExtraArgs = map[string]string{"": "1"} }},
		"kubelet":               {"exactly one": func(c *KubeadmConfig) { c.Kubelet = text("a: 1\n---\nb: 1\n") }, "no mapping": func(c *KubeadmConfig) { c.Kubelet = text("[]") }},
		"kube_proxy":            {"Leave both out": func(c *KubeadmConfig) { c.KubeProxy = text("kind: KubeProxyConfiguration") }},
		"patches":               {"no directory": func(c *KubeadmConfig) { c.Patches = text("patches") }},
		"deviations":            {"Leave the attribute out": func(c *KubeadmConfig) { c.Deviations = "x" }},
	} {
		for says, change := range changes {
			c := configWanted("1.34.4")
			if err := c.Validate(func(string) bool { return false }); err != nil {
				t.Fatal(err)
			}
			change(&c)
			err := c.Validate(func(string) bool { return false })
			if f, ok := errors.AsType[*resource.FieldError](err); !ok || f.Field != field || !strings.Contains(f.Msg, says) {
				t.Errorf("%s is to say %q: %v", field, says, err)
			}
		}
	}
	for name, change := range map[string]func(*KubeadmConfig){
		"the smallest": func(c *KubeadmConfig) { c.PodCIDR, c.ServiceCIDR = text("10.244.0.0/24"), text("10.96.0.0/28") },
		"the biggest":  func(c *KubeadmConfig) { c.PodCIDR, c.ServiceCIDR = text("11.0.0.0/8"), text("10.96.0.0/12") },
		"two families": func(c *KubeadmConfig) {
			c.PodCIDR, c.ServiceCIDR = text("10.244.0.0/16,fd00:1::/48"), text("10.96.0.0/16,fd00:2::/108")
		},
		"IPv6": func(c *KubeadmConfig) {
			c.AdvertiseAddress, c.Endpoint, c.PodCIDR, c.ServiceCIDR = text("fd00::15"), text("[fd00::15]:6443"), text("fd00:1::/64"), text("fd00:2::/124")
		},
		"services of one family": func(c *KubeadmConfig) { c.PodCIDR = text("fd00:1::/48,10.244.0.0/16") },
		"smaller nodes": func(c *KubeadmConfig) {
			c.PodCIDR, c.ControllerManagerExtraArgs = text("10.244.0.0/26"), map[string]string{"node-cidr-mask-size-ipv4": "28"}
		},
		"no ranges of nodes": func(c *KubeadmConfig) {
			c.PodCIDR, c.ControllerManagerExtraArgs = text("10.244.0.0/26"), map[string]string{"allocate-node-cidrs": "false"}
		},
	} {
		c := configWanted("1.34.4")
		change(&c)
		if err := c.Validate(func(string) bool { return false }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	unknown := KubeadmConfig{}
	if err := unknown.Validate(func(string) bool { return true }); err != nil {
		t.Errorf("of what is not known yet: %v", err)
	}
}
