package kubeadm

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

// ownConfig is a configuration as a user writes one.
const ownConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: 10.0.2.15
nodeRegistration:
  name: k8s-node1
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.34.4
controlPlaneEndpoint: 10.0.2.15:6443
networking:
  podSubnet: PODS
  serviceSubnet: 10.96.0.0/16
`

// madeOf is a machine whose control plane is made of a configuration.
func madeOf(t *testing.T, config string) *hosttest.Machine {
	t.Helper()
	m := hosttest.New(hosttest.Report(t.Errorf))
	m.Put(configFile, config)
	if err := controlPlaneWanted().Apply(t.Context(), m.Host(), nil); err != nil {
		t.Fatal(err)
	}
	return m
}

// A refresh writes the control plane again where its configuration is another,
// and does nothing where it is as it was.
func TestReconfigure(t *testing.T) {
	_, plane, _ := worlds(t)
	want := controlPlaneWanted()
	acts := len(plane.Acts())
	if err := want.Refresh(t.Context(), plane.Host()); err != nil || len(plane.Acts()) != acts {
		t.Errorf("as it was: %v, %d acts", err, len(plane.Acts())-acts)
	}
	plane.Put(configFile, "kubernetesVersion: v1.34.4\nclusterName: other\n")
	if err := want.Refresh(t.Context(), plane.Host()); err != nil {
		t.Fatal(err)
	}
	if got, err := want.Read(t.Context(), plane.Reader()); err != nil || !got.Intact {
		t.Errorf("with another configuration: %+v, %v", got, err)
	}
}

// What kubeadm cannot change in a cluster is refused before anything is done, however the configuration is written.
func TestReconfigureRefuses(t *testing.T) {
	const one, two = "10.244.0.0/16", "10.244.0.0/16,fd00:1::/48"
	for name, c := range map[string]struct {
		pods, old, new string
		refused        string // what of the cluster, and which; "" where it is not
	}{
		"nothing":                        {one, "", "", ""},
		"another endpoint":               {one, "10.0.2.15:6443", "10.0.2.16:6443", "endpoint of the cluster is 10.0.2.15:6443"},
		"another port":                   {one, "10.0.2.15:6443", "10.0.2.15:443", "endpoint of the cluster is 10.0.2.15:6443"},
		"no port":                        {one, "10.0.2.15:6443", "10.0.2.15", ""},
		"no port, another machine":       {one, "10.0.2.15:6443", "10.0.2.16", "endpoint of the cluster is 10.0.2.15:6443"},
		"no endpoint":                    {one, "controlPlaneEndpoint: 10.0.2.15:6443\n", "", ""},
		"other pods":                     {one, "podSubnet: 10.244", "podSubnet: 10.245", "range of pods of the cluster is 10.244.0.0/16"},
		"other services":                 {one, "10.96.0.0/16", "10.97.0.0/16", "range of services of the cluster is 10.96.0.0/16"},
		"no pods any more":               {one, "  podSubnet: 10.244.0.0/16\n", "", "range of pods of the cluster is 10.244.0.0/16"},
		"kubeadm's own services":         {one, "  serviceSubnet: 10.96.0.0/16\n", "", "range of services of the cluster is 10.96.0.0/16"},
		"empty":                          {one, "podSubnet: 10.244.0.0/16", `podSubnet: ""`, "range of pods of the cluster is 10.244.0.0/16"},
		"no networking any more":         {one, "networking:\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/16\n", "", "range of pods of the cluster is 10.244.0.0/16"},
		"in quotes":                      {one, "podSubnet: 10.244.0.0/16", `podSubnet: "10.244.0.0/16"`, ""},
		"with its name in quotes":        {one, "podSubnet: 10.244.0.0/16", `"podSubnet" : '10.244.0.0/16'`, ""},
		"with a comment":                 {one, "10.96.0.0/16", "10.96.0.0/16 # of the services", ""},
		"with blanks behind it":          {one, "podSubnet: 10.244.0.0/16", "podSubnet: 10.244.0.0/16 \t ", ""},
		"in one line":                    {one, "networking:\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/16", "networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}", ""},
		"in one line, other pods":        {one, "networking:\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/16", "networking: {podSubnet: 10.245.0.0/16, serviceSubnet: 10.96.0.0/16}", "range of pods of the cluster is 10.244.0.0/16"},
		"of another document":            {one, "---", "---\nkind: Other\nnetworking: {podSubnet: 10.245.0.0/16}\n---", ""},
		"of another document only":       {one, "networking:\n  podSubnet: 10.244.0.0/16\n", "---\nkind: Other\nnetworking:\n  podSubnet: 10.244.0.0/16\n", "range of pods of the cluster is 10.244.0.0/16"},
		"in a comment only":              {one, "  podSubnet:", "  # podSubnet:", "range of pods of the cluster is 10.244.0.0/16"},
		"of two families":                {two, "", "", ""},
		"of two families, otherwise":     {two, "fd00:1::/48", "FD00:1:0::/48", ""},
		"of one family":                  {two, ",fd00:1::/48", "", "range of pods of the cluster is 10.244.0.0/16,fd00:1::/48"},
		"of two families, the other way": {two, two, "fd00:1::/48,10.244.0.0/16", "range of pods of the cluster is 10.244.0.0/16,fd00:1::/48"},
		"by a flag":                      {one, "networking:\n  podSubnet: 10.244.0.0/16\n", "controllerManager:\n  extraArgs:\n  - name: cluster-cidr\n    value: 10.244.0.0/16\nnetworking:\n", ""},
		"by a flag in a mapping":         {one, "networking:\n  podSubnet: 10.244.0.0/16\n", "controllerManager: {extraArgs: {cluster-cidr: 10.244.0.0/16}}\nnetworking:\n", ""},
		"by a flag of the server":        {one, "  serviceSubnet: 10.96.0.0/16", "apiServer: {extraArgs: [{name: service-cluster-ip-range, value: 10.96.0.0/16}]}", ""},
		"by a flag of another pod":       {one, "  serviceSubnet: 10.96.0.0/16", "scheduler: {extraArgs: [{name: service-cluster-ip-range, value: 10.96.0.0/16}]}", "range of services of the cluster is 10.96.0.0/16"},
		"by a flag that a comment names": {one, "  podSubnet: 10.244.0.0/16", "  # cluster-cidr is not given any more", "range of pods of the cluster is 10.244.0.0/16"},
		"a configuration that is none":   {one, "networking:", "networking", "in " + configFile + " on the machine, document 2 is no YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			config := strings.Replace(ownConfig, "PODS", c.pods, 1)
			m := madeOf(t, config)
			if !strings.Contains(config, c.old) {
				t.Fatalf("there is no %q", c.old)
			}
			m.Put(configFile, strings.Replace(config, c.old, c.new, 1)+"clusterName: other\n")
			acts := len(m.Acts())
			err := controlPlaneWanted().Refresh(t.Context(), m.Host())
			switch {
			case c.refused == "" && err != nil:
				t.Error(err)
			case c.refused != "" && (err == nil || len(m.Acts()) != acts || !strings.HasPrefix(err.Error(), "cannot write the control plane again: ") || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("%v, after %d acts", err, len(m.Acts())-acts)
			case c.refused != "" && strings.Contains(c.refused, " of the cluster is ") &&
				!strings.HasSuffix(err.Error(), c.refused+", which kubeadm cannot change in a cluster that is there: write that into its configuration again"):
				t.Error(err)
			}
		})
	}
}

// What somebody else wrote into a manifest is no word of the cluster's, and without a configuration nothing is made.
func TestReconfigureOfWhatOthersWrote(t *testing.T) {
	config := strings.Replace(ownConfig, "PODS", "10.244.0.0/16", 1)
	m := madeOf(t, config)
	m.Put(managerFile, strings.Replace(m.Content(managerFile), "10.244", "10.245", 1))
	if err := controlPlaneWanted().Refresh(t.Context(), m.Host()); err != nil || !strings.Contains(m.Content(managerFile), "10.244") {
		t.Errorf("%v, and the manifest is\n%s", err, m.Content(managerFile))
	}
	m.Put(managerFile, "")
	if _, err := m.Host().Do(t.Context(), host.Remove{Path: configFile}); err != nil {
		t.Fatal(err)
	}
	acts := len(m.Acts())
	if err := controlPlaneWanted().Refresh(t.Context(), m.Host()); err == nil || !strings.Contains(err.Error(), "the machine has no "+configFile) || len(m.Acts()) != acts {
		t.Errorf("without one: %v", err)
	}
}

func TestEndpointIn(t *testing.T) {
	for want, config := range map[string]string{
		"":                     "kind: ClusterConfiguration",
		"k8s.example.org:443":  "kind: ClusterConfiguration\ncontrolPlaneEndpoint: k8s.example.org:443",
		"k8s.example.org:6443": "kind: ClusterConfiguration\ncontrolPlaneEndpoint: k8s.example.org",
		"[fd00::1]:6444":       "kind: ClusterConfiguration\ncontrolPlaneEndpoint: fd00::1\n---\nkind: InitConfiguration\nlocalAPIEndpoint: {bindPort: 6444}",
		"[fd00::2]:443":        "kind: ClusterConfiguration\ncontrolPlaneEndpoint: '[fd00::2]:443'",
	} {
		have, _, err := byKind(config)
		if got := endpointIn(have); err != nil || got != want {
			t.Errorf("%q, %v of\n%s", got, err, config)
		}
	}
}
