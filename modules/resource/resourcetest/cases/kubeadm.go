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
		Type: "kubeadm_config", Name: "every attribute",
		Want: resourcetest.Values{
			"path": "/etc/kplan-laws/kubeadm.yaml", "version": "1.34.4", "name": "k8s-node1", "advertise_address": "10.0.2.15",
			"endpoint": "k8s.example.org:6443", "pod_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16,fd00:10::/112",
			"dns_domain": "cluster.local", "image_repository": "10.0.2.1:5000/k8s", "cert_sans": []string{"k8s.example.org", "10.0.2.10"},
			"api_server_extra_args": map[string]string{"v": "4", "audit-log-path": "it's \"quoted\" $HOME"},
			"etcd_extra_args":       map[string]string{"quota-backend-bytes": "4294967296"},
			"kubelet":               "cgroupDriver: systemd\nevictionHard: {nodefs.available: 0%}\nmaxPods: 50\n",
			"kube_proxy":            "mode: iptables\nconntrack:\n  min: 0\n",
			"patches":               "/etc/kubernetes/patches",
			"skip_phases":           []string{"addon/coredns"},
		},
		Changes: []resourcetest.Values{
			{"version": "1.34.5"},
			{"version": "1.30.9"}, // flags are a mapping before 1.31
			{"name": "k8s-node2", "advertise_address": "fd00::15", "pod_cidr": "10.244.0.0/16,fd00:20::/48", "service_cidr": "fd00:10::/112,10.96.0.0/16"},
			{"endpoint": "[fd00::10]:6443", "pod_cidr": "fd00:21::/48", "service_cidr": "fd00:11::/112"},
			{"dns_domain": "k8s.example.org", "image_repository": "registry.k8s.io", "cri_socket": "unix:///run/crio/crio.sock"},
			{"skip_phases": []string{}},
			{"skip_phases": []string{"addon/coredns", "addon/kube-proxy"}},
			{"cert_sans": []string{}, "api_server_extra_args": map[string]string{}, "etcd_extra_args": map[string]string{"v": "1"}},
			{"kubelet": "maxPods: 51\n", "kube_proxy": "mode: nftables\n", "patches": "/etc/patches"},
			{"scheduler_extra_args": map[string]string{"v": "2"}, "kubelet_extra_args": map[string]string{"v": "2"}},
			{"version": "1.36.0", "controller_manager_extra_args": map[string]string{"v": "2"}},
		},
	},
	{
		Type: "kubeadm_addon", Name: "one that was deleted", Needs: []string{"cluster"},
		Prepare: []host.Op{
			run("mkdir", "-p", "/opt/kplan-law"),
			host.WriteFile{
				Path: "/opt/kplan-law/kubeadm.yaml", Mode: 0o600,
				Content: []byte("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.34.4\n"),
			},
			run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--cache-dir=/dev/null", "-n", "kube-system", "delete", "deployment/coredns", "--ignore-not-found"),
		},
		Want: resourcetest.Values{"name": "coredns", "config": "/opt/kplan-law/kubeadm.yaml"},
	},
	{
		Type: "etcd_snapshot", Name: "each day", Needs: []string{"cluster"},
		Want: resourcetest.Values{"schedule": "*-*-* 03:00:00", "keep": 3, "path": `/var/lib/kplan-law/100% "etcd" $HOME\x`},
		Changes: []resourcetest.Values{
			{"schedule": "hourly"},
			{"keep": 1},
			{"path": "/var/lib/kplan-law/etcd", "keep": 2},
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
