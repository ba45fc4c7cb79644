package std_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/std"
)

// machines are what reading two machines showed.
type machines struct {
	cgroup     int64
	interfaces []string
	containerd string   // installed_version; "" where it is not known
	ill        string   // attribute of cluster_health that is false; "none", or "" where nothing is known
	images     []string // that kubeadm names; nil where it is not known, empty where kubeadm does not tell
}

// Facts implements dsl.Scope.
func (m machines) Facts(string) cty.Value {
	list := make([]cty.Value, len(m.interfaces))
	for i, s := range m.interfaces {
		list[i] = cty.StringVal(s)
	}
	return cty.ObjectVal(map[string]cty.Value{"cgroup_version": cty.NumberIntVal(m.cgroup), "interfaces": cty.ListVal(list)})
}

// Object implements dsl.Scope.
func (m machines) Object(a addr.Instance) (cty.Value, bool) {
	if a.Type == "cluster_health" && m.ill != "" {
		attrs := map[string]cty.Value{"problems": cty.StringVal("what it is")}
		for _, name := range []string{"nodes", "dns", "pod_network", "service_address"} {
			attrs[name] = cty.BoolVal(name != m.ill)
		}
		return cty.ObjectVal(attrs), true
	}
	attrs := map[string]cty.Value{}
	s, _ := modules.NewCatalog(modules.All()...).Schema(a.Type)
	for _, at := range s.Attributes {
		attrs[at.Name] = cty.NullVal(at.Type)
	}
	switch {
	case a.Type == "package" && m.containerd != "":
		attrs["installed_version"] = cty.StringVal(m.containerd)
	case a.Type == "kubeadm_config" && len(m.images) > 0:
		names := make([]cty.Value, len(m.images))
		for i, name := range m.images {
			names[i] = cty.StringVal("registry.k8s.io/" + name)
		}
		attrs["images"] = cty.ListVal(names)
	case a.Type == "kubeadm_config" && m.images != nil:
	default:
		return cty.NilVal, false
	}
	return cty.ObjectVal(attrs), true
}

// images are those of Kubernetes 1.34.4 with this etcd.
func images(etcd string) []string {
	names := []string{"kube-apiserver:v1.34.4", "kube-controller-manager:v1.34.4", "kube-scheduler:v1.34.4", "kube-proxy:v1.34.4"}
	return append(names, "coredns/coredns:v1.12.1", "pause:3.10.1", etcd)
}

// What can be said of a cluster only once its machines are read.
func TestConditionsOfMachines(t *testing.T) {
	links := []string{"cni0 10.244.0.1/24", "eth0 10.0.2.15/24", "eth0 10.0.2.24/24", "kube-ipvs0 10.96.0.1/32", "lo 127.0.0.1/8"}
	for name, tt := range map[string]struct {
		machines
		args string
		says []string
	}{
		"as they should be": {machines{2, links, "1.7.28-1~debian.12~bookworm", "", nil}, "", nil},
		"not read":          {machines{2, links, "", "", nil}, "", nil},
		"old containerd":    {machines{2, links, "1.6.20~ds1-1+deb12u1", "", nil}, "", []string{"containerd 1.6.20 on node1, containerd 1.6.20 on node2. containerd's maintainers name 1.6.39, "}},
		"newer containerd":  {machines{2, links, "2.10.0", "", nil}, "", nil},
		"containerd of the same format": {
			machines{2, links, "1.6.20~ds1-1+deb12u1", "", nil},
			`container_runtime_version = "1.7"`,
			[]string{"not recommended with what is installed"},
		},
		"containerd too old": {
			machines{2, links, "1.6.20~ds1-1+deb12u1", "", nil},
			`container_runtime_version = "2.1"`,
			[]string{"On node1 containerd 1.6.20~ds1-1+deb12u1 is installed, which does not read the configuration of 2.1 ", "On node2 containerd 1.6.20", "not recommended with what is installed"},
		},
		"other scheme":         {machines{2, links, "git", "", nil}, "", nil}, // what is declared counts
		"pods in the network":  {machines{2, []string{"eth0 10.0.2.15/22"}, "", "", nil}, `pod_cidr = "10.0.1.0/24"`, []string{"the network of the hosts: 10.0.0.0/22."}},
		"services in it":       {machines{2, links, "", "", nil}, `service_cidr = "10.0.2.32/28"`, []string{"10.0.2.0/24"}},
		"a cluster that works": {machines{2, links, "", "none", nil}, "", nil},
		"nodes":                {machines{2, links, "", "nodes", nil}, "", []string{"Not every node is Ready: what it is."}},
		"names":                {machines{2, links, "", "dns", nil}, "", []string{"Names of services are not resolved: what it is."}},
		"pods":                 {machines{2, links, "", "pod_network", nil}, "", []string{"Pods are not reached"}},
		"services":             {machines{2, links, "", "service_address", nil}, "", []string{"Services are not reached"}},
		"no pod network":       {machines{2, links, "", "nodes", nil}, `network = "none"`, nil},
		"images":               {machines{2, links, "", "", images("etcd:3.6.5-0")}, "", nil},
		"kubeadm is not there": {machines{2, links, "", "", []string{}}, "", nil},
		"another etcd":         {machines{2, links, "", "", images("etcd:3.6.6-0")}, "", []string{"kubeadm of node1 does not run registry.k8s.io/etcd:3.6.5-0. Compare"}},
		"another version": {
			machines{2, links, "", "", images("etcd:3.6.5-0")},
			`kubernetes_version = "1.34.9"`,
			[]string{"registry.k8s.io/kube-apiserver:v1.34.9, registry.k8s.io/kube-controller-manager:v1.34.9, registry.k8s.io/kube-proxy:v1.34.9, registry.k8s.io/kube-scheduler:v1.34.9. "},
		},
		"cgroups v1": {machines{1, links, "", "", nil}, "", nil},
		"cgroups v1, 1.35": {
			machines{1, links, "", "", nil},
			"kubernetes_version = \"1.35.0\"\ncontainer_runtime_version = \"2.2\"",
			[]string{"does not start on node1, which has cgroups v1. Boot it with cgroups v2, or set kubelet = { failCgroupV1 = false }", "node2"},
		},
		"cgroups v1, allowed": {machines{1, links, "", "", nil}, "kubernetes_version = \"1.35.0\"\ncontainer_runtime_version = \"2.2\"\nkubelet = { failCgroupV1 = false }", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(tt.args, "kubernetes_version") {
				tt.args += "\nkubernetes_version = \"1.34.4\""
			}
			spec := load(t, `
host "node1" { address = "10.0.2.15" }
host "node2" { address = "10.0.2.24" }
module "cluster" {
  source        = "kplan/kubernetes"
  control_plane = [host.node1]
  workers       = [host.node2]
  package_key   = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
  `+tt.args+`
}
`)
			all, diags := spec.Expand()
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var got []string
			for _, i := range all.Instances {
				for _, d := range i.Preconditions(tt.machines) {
					got = append(got, d.Detail)
				}
			}
			checks, diags := spec.Checks(tt.machines)
			if diags.HasErrors() || len(checks) != 4 {
				t.Fatal(checks, diags)
			}
			for _, c := range checks {
				for _, f := range c.Failures {
					got = append(got, f.Message)
				}
			}
			if len(got) != len(tt.says) || !slices.EqualFunc(got, tt.says, strings.Contains) {
				t.Errorf("it says %q, want %q", got, tt.says)
			}
		})
	}
}

// load reads a spec.
func load(t *testing.T, text string) *dsl.Spec {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.kplan.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, diags := dsl.Load(dir, dsl.Options{Types: modules.NewCatalog(modules.All()...), Embedded: std.Modules})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return spec
}

// The module refuses, at the call's line, what the type kubeadm_config refuses,
// and nothing else.
func TestRangesAreThoseOfTheType(t *testing.T) {
	typ, _ := modules.Lookup("kubeadm_config")
	for _, tt := range []struct{ address, pods, services string }{
		{"10.0.2.15", "10.244.0.0/16", "10.96.0.0/16"},
		{"10.0.2.15", "11.0.0.0/8", "10.96.0.0/12"},
		{"10.0.2.15", "32.0.0.0/7", "10.96.0.0/16"},
		{"10.0.2.15", "10.244.0.0/24", "10.96.0.0/28"},
		{"10.0.2.15", "10.244.0.0/25", "10.96.0.0/16"},
		{"10.0.2.15", "10.244.0.0/16", "11.0.0.0/11"},
		{"10.0.2.15", "10.244.0.0/16", "10.96.0.0/29"},
		{"10.0.2.15", "10.244.0.0/16", "fd00:2::/112"},
		{"10.0.2.15", "fd00:1::/48", "fd00:2::/112"},
		{"10.0.2.15", "127.0.0.0/16", "10.96.0.0/16"},
		{"10.0.2.15", "169.254.0.0/16", "10.96.0.0/16"},
		{"10.0.2.15", "10.244.0.0/16", "224.0.0.0/24"},
		{"10.0.2.15", "10.244.0.0/16", "0.0.0.0/12"},
		{"10.0.2.15", "10.244.0.0/16", "10.244.8.0/24"},
		{"10.0.2.15", "10.244.8.0/16", "10.96.0.0/16"},
		{"fd00::15", "fd00:1::/48", "fd00:2::/108"},
		{"fd00::15", "fd00:4::/47", "fd00:2::/112"},
		{"fd00::15", "fd00:1::/64", "fd00:2::/124"},
		{"fd00::15", "fd00:1::/65", "fd00:2::/112"},
		{"fd00::15", "fd00:1::/48", "fd00:2::/107"},
		{"fd00::15", "fd00:1::/48", "fd00:2::/125"},
		{"fd00::15", "fd00:1::/48", "fe80::/112"},
		{"fd00::15", "ff00:1::/48", "fd00:2::/112"},
		{"fd00::15", "10.244.0.0/16", "10.96.0.0/16"},
	} {
		t.Run(tt.pods+" "+tt.services, func(t *testing.T) {
			want, err := resourcetest.Object(typ.Schema, resourcetest.Values{
				"version": "1.34.4", "advertise_address": tt.address, "pod_cidr": tt.pods, "service_cidr": tt.services,
			})
			if err != nil {
				t.Fatal(err)
			}
			refused := typ.Validate(want)
			_, diags := load(t, `
host "node1" { address = "`+tt.address+`" }
module "cluster" {
  source             = "kplan/kubernetes"
  kubernetes_version = "1.34.4"
  control_plane      = [host.node1]
  package_key        = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
  pod_cidr           = "`+tt.pods+`"
  service_cidr       = "`+tt.services+`"
  network            = "none"
}
`).Expand()
			switch {
			case refused == nil && diags.HasErrors():
				t.Errorf("only the module refuses it: %v", diags)
			case refused != nil && (len(diags) != 1 || diags[0].Subject.Filename != "main.kplan.hcl"):
				t.Errorf("the type says %v, the module %v", refused, diags)
			}
		})
	}
}
