package kubeadm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// stayed is the configuration of a machine, and the machine, whose control plane is made of it.
func stayed(t *testing.T) (KubeadmConfig, *hosttest.Machine) {
	t.Helper()
	m := hosttest.New(hosttest.Report(t.Errorf))
	c := configWanted("1.34.4")
	if err := c.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	if err := controlPlaneWanted().Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	return c, m
}

// What kubeadm cannot change in a cluster is refused before anything is done, with what to do.
func TestAConfigurationThatCannotBe(t *testing.T) {
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		change func(*KubeadmConfig)
		found  []string
		says   []string
	}{
		"as it was":           {func(*KubeadmConfig) {}, nil, nil},
		"what may be changed": {func(c *KubeadmConfig) { c.CertSANs, c.Kubelet = nil, text("{maxPods: 9}") }, nil, nil},
		"left to the machine": {func(c *KubeadmConfig) { c.Endpoint, c.Name, c.AdvertiseAddress = nil, nil, nil }, nil, nil},
		"no pods any more": {
			func(c *KubeadmConfig) { c.PodCIDR = nil },
			[]string{"pod_cidr!"},
			[]string{`pod_cidr of the cluster that stands is "10.244.0.0/16", and none is asked for. `, "kplan destroy"},
		},
		"no services any more": {
			func(c *KubeadmConfig) { c.ServiceCIDR = nil },
			[]string{"service_cidr!"},
			[]string{`service_cidr of the cluster that stands is "10.96.0.0/16", and none is asked for: kubeadm takes "10.96.0.0/12" then. `},
		},
		"other pods": {
			func(c *KubeadmConfig) { c.PodCIDR = text("10.245.0.0/16") },
			[]string{"pod_cidr!"},
			[]string{`pod_cidr of the cluster that stands is "10.244.0.0/16", and "10.245.0.0/16" is asked for`, "kplan destroy"},
		},
		"other services":  {func(c *KubeadmConfig) { c.ServiceCIDR = text("10.97.0.0/16") }, []string{"service_cidr!"}, []string{`"10.96.0.0/16"`}},
		"another address": {func(c *KubeadmConfig) { c.Endpoint = text("k8s.example.org:6443") }, []string{"endpoint!"}, []string{`"10.0.2.15:6443"`, "kplan destroy"}},
		"another machine": {
			func(c *KubeadmConfig) { c.AdvertiseAddress, c.Name = text("10.0.2.16"), text("other") },
			[]string{"advertise_address!", "name!"},
			[]string{`"10.0.2.15"`, `"k8s-node1"`, "take the host out of the control plane"},
		},
		"no address of one": {func(c *KubeadmConfig) { c.AdvertiseAddress = text("0.0.0.0") }, nil, nil},
		"by a flag": {func(c *KubeadmConfig) {
			c.ControllerManagerExtraArgs = map[string]string{"cluster-cidr": "10.244.0.0/16"}
			c.PodCIDR = text("10.245.0.0/16")
		}, nil, nil},
		"by another flag": {func(c *KubeadmConfig) {
			c.ControllerManagerExtraArgs = map[string]string{"cluster-cidr": "10.245.0.0/16"}
		}, []string{"pod_cidr!"}, nil},
		"of another file": {func(c *KubeadmConfig) { c.Path, c.PodCIDR = "/etc/other.yaml", text("10.245.0.0/16") }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want, m := stayed(t)
			c.change(&want)
			calls := m.Calls()
			found, says := verdicts(t, want, m, resource.Situation{})
			if m.Calls() != calls+1 {
				t.Errorf("it took %d calls", m.Calls()-calls)
			}
			if !slices.Equal(found, c.found) {
				t.Errorf("found %q, want %q", found, c.found)
			}
			for _, part := range c.says {
				if !strings.Contains(says, part) {
					t.Errorf("it does not say %s:\n%s", part, says)
				}
			}
		})
	}
}

// What is not known yet may be as it is.
func TestAConfigurationThatIsNotKnown(t *testing.T) {
	for unknown, found := range map[string][]string{
		"":                      {"pod_cidr!", "service_cidr!"},
		"pod_cidr service_cidr": nil,
		"controller_manager_extra_args api_server_extra_args": nil,
		"service_cidr": {"pod_cidr!"},
	} {
		want, m := stayed(t)
		want.PodCIDR, want.ServiceCIDR = nil, nil
		if got, _ := verdicts(t, want, m, resource.Situation{Unknown: strings.Fields(unknown)}); !slices.Equal(got, found) {
			t.Errorf("not known %q: %q, want %q", unknown, got, found)
		}
	}
}

// A control plane of which kplan noted nothing was not made by it: it is taken
// over, where it is as it is asked for.
func TestAConfigurationOfSomebodyElses(t *testing.T) {
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		change func(*KubeadmConfig, *KubeadmControlPlane)
		s      resource.Situation
		config []string
		plane  []string
	}{
		"as it stands":      {plane: []string{"control plane"}},
		"it is recorded":    {s: resource.Situation{Recorded: true}},
		"not known":         {func(_ *KubeadmConfig, p *KubeadmControlPlane) { p.Endpoint = "" }, resource.Situation{}, nil, []string{"control plane"}},
		"other pods":        {func(c *KubeadmConfig, _ *KubeadmControlPlane) { c.PodCIDR = text("10.245.0.0/16") }, resource.Situation{}, []string{"pod_cidr!"}, []string{"control plane"}},
		"of whatever path":  {func(c *KubeadmConfig, _ *KubeadmControlPlane) { c.Path, c.PodCIDR = "/x", text("10.245.0.0/16") }, resource.Situation{}, []string{"pod_cidr!"}, []string{"control plane"}},
		"recorded, of pods": {func(c *KubeadmConfig, _ *KubeadmControlPlane) { c.PodCIDR = nil }, resource.Situation{Recorded: true}, []string{"pod_cidr!"}, nil},
		"another endpoint": {func(c *KubeadmConfig, p *KubeadmControlPlane) {
			c.Endpoint, p.Endpoint = text("10.0.2.99:6443"), "10.0.2.99:6443"
		}, resource.Situation{}, []string{"endpoint!"}, []string{"control plane", "endpoint!"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, m := stayed(t)
			m.RemoveAll(sumsFile)
			plane := controlPlaneWanted()
			if c.change != nil {
				c.change(&want, &plane)
			}
			c.s.Address, c.s.Now = "10.0.2.15", time.Now()
			found, says := verdicts(t, want, m, c.s)
			of, _ := verdicts(t, plane, m, c.s)
			if !slices.Equal(found, c.config) || !slices.Equal(of, c.plane) {
				t.Errorf("found of the configuration %q, want %q; of the control plane %q, want %q", found, c.config, of, c.plane)
			}
			if len(found) > 0 && !strings.Contains(says, "take the host out of the spec") {
				t.Errorf("it says %s", says)
			}
		})
	}
}

// A cluster that was made with what kubeadm takes may have that written down, or not.
func TestAConfigurationOfKubeadmsOwn(t *testing.T) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	c := configWanted("1.34.4")
	services := "10.96.0.0/12" // kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init, --service-cidr
	c.PodCIDR, c.ServiceCIDR = nil, &services
	if err := c.Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	if err := controlPlaneWanted().Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	c.ServiceCIDR = nil
	if found, _ := verdicts(t, c, m, resource.Situation{}); found != nil {
		t.Errorf("%q", found)
	}
}

// Where no cluster stands, where one is being made, and where somebody else wrote, nothing is known of one.
func TestAConfigurationOfNoCluster(t *testing.T) {
	bare := hosttest.New(hosttest.Report(t.Errorf))
	other := "10.245.0.0/16"
	for name, at := range map[string]func(*hosttest.Machine) *hosttest.Machine{
		"a bare machine": func(*hosttest.Machine) *hosttest.Machine { return bare },
		"it is cut off":  func(m *hosttest.Machine) *hosttest.Machine { m.Put(begunFile, ""); return m },
		"written by hand": func(m *hosttest.Machine) *hosttest.Machine {
			m.Put(manifestFiles[1], "    - --cluster-cidr=10.9.0.0/16\n")
			return m
		},
	} {
		want, m := stayed(t)
		want.PodCIDR = &other
		if found, _ := verdicts(t, want, at(m), resource.Situation{}); found != nil {
			t.Errorf("%s: %q", name, found)
		}
	}
}

func TestAddressesThatAreWrittenOtherwise(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		alike bool
	}{
		{"FD00::0:15", "fd00::15", true},
		{"fd00::16", "fd00::15", false},
		{"10.0.2.15", "fd00::15", false},
		{"", "fd00::15", false},
		{"10.244.0.0/16", "10.244.0.0/16", true},
		{"10.245.0.0/16", "10.244.0.0/16", false},
		{"10.244.0.0/15", "10.244.0.0/16", false},
		{"10.244.0.0/16,FD00:1:0::/48", "10.244.0.0/16,fd00:1::/48", true},
		{"fd00:1::/48,10.244.0.0/16", "10.244.0.0/16,fd00:1::/48", false}, // the first is the cluster's own family
		{"10.244.0.0/16", "10.244.0.0/16,fd00:1::/48", false},
		{"k8s.example.org:6443", "k8s.example.org:6443", true},
	} {
		if got := alike(c.a, c.b); got != c.alike {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
