package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

var kubeadm = []resourcetest.Case{
	{
		Type: "kubeadm_control_plane", Name: "one member", Needs: []string{"kubeadm"},
		Prepare: []host.Op{
			host.MakeDir{Path: "/etc/kubernetes", Mode: 0o755},
			host.WriteFile{Path: "/etc/kubernetes/kubeadm.yaml", Content: []byte("kubernetesVersion: v1.34.4\n"), Mode: 0o600},
		},
		Want: resourcetest.Values{
			"config": "/etc/kubernetes/kubeadm.yaml", "version": "1.34.4", "endpoint": "10.0.2.15:6443",
			"members": []map[string]string{{"name": "k8s-node1", "address": "10.0.2.15"}},
		},
	},
	{
		Type: "kubeadm_join", Name: "a worker", Needs: []string{"kubeadm"},
		Want: resourcetest.Values{
			"cluster": map[string]map[string]string{"k8s-node1": {"endpoint": "10.0.2.15:6443", "ca_hash": hosttest.AuthorityHash}},
		},
	},
	{
		Type: "kubeconfig", Name: "a new file", Needs: []string{"kubeadm"},
		Want: resourcetest.Values{"path": "/home/vagrant/.kube/config", "cluster": reached("10.0.2.15:6443")},
		Changes: []resourcetest.Values{
			{"user": "vagrant"},
			{"cluster": reached("203.0.113.5:6443")},
		},
	},
	{
		Type: "kubeconfig", Name: "beside others", Needs: []string{"kubeadm"},
		Prepare: []host.Op{
			host.MakeDir{Path: "/home/vagrant/.kube", Mode: 0o700, Owner: "vagrant", Group: "vagrant"},
			host.WriteFile{
				Path: "/home/vagrant/.kube/config", Mode: 0o600, Owner: "vagrant", Group: "vagrant",
				Content: []byte("clusters:\n- name: other # of mine\n  cluster: {server: \"https://other\"}\ncontexts: []\nusers: null\n"),
			},
		},
		Want: resourcetest.Values{"path": "/home/vagrant/.kube/config", "user": "vagrant", "name": "lab", "cluster": reached("10.0.2.15:6443")},
		Changes: []resourcetest.Values{
			{"cluster": reached("203.0.113.5:6443")},
			{"merge": false},
		},
	},
}

// reached is the cluster of the law's control plane at an endpoint.
func reached(endpoint string) map[string]map[string]string {
	return map[string]map[string]string{"k8s-node1": {"endpoint": endpoint, "ca_hash": hosttest.AuthorityHash}}
}
