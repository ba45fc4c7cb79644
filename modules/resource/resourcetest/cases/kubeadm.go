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
		Type: "etcd_snapshot", Name: "each day", Needs: []string{"cluster"},
		Want: resourcetest.Values{"schedule": "*-*-* 03:00:00", "keep": 3, "path": `/var/lib/kplan-law/100% "etcd" $HOME\x`},
		Changes: []resourcetest.Values{
			{"schedule": "hourly"},
			{"keep": 1},
			{"path": "/var/lib/kplan-law/etcd", "keep": 2},
		},
	},
}
