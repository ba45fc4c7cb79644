package kube

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/test/lab/kube"
)

// reads has kubeadm of a machine read all that kubeadm_config can write, in both versions of the configuration.
func (s *spec) reads() {
	s.t.Helper()
	typ, _ := modules.Lookup("kubeadm_config")
	flags := map[string]string{"v": "2"}
	for version, api := range map[string]string{"1.30.0": "v1beta3", kube.Version: "v1beta4"} {
		m := hosttest.New(hosttest.Named("plane"), hosttest.Report(s.t.Errorf))
		want, err := resourcetest.Object(typ.Schema, resourcetest.Values{
			"version": version, "name": "k8s-node1", "advertise_address": "10.0.2.15", "endpoint": "k8s.example.org:6443",
			"pod_cidr": "10.244.0.0/16", "service_cidr": "10.96.0.0/16", "dns_domain": "cluster.local", "image_repository": "10.0.2.1:5000",
			"cert_sans": []string{"k8s.example.org"}, "api_server_extra_args": flags, "controller_manager_extra_args": flags,
			"scheduler_extra_args": flags, "etcd_extra_args": map[string]string{"quota-backend-bytes": "4294967296"}, "kubelet_extra_args": flags,
			"kubelet": "{cgroupDriver: systemd, evictionHard: {nodefs.available: 0%}}", "kube_proxy": "{mode: iptables, conntrack: {min: 0}}",
			"patches": "/etc/kubernetes/patches", "skip_phases": []string{"addon/coredns"},
		})
		if err == nil {
			err = typ.Apply(s.ctx, m.Host(), want, cty.NullVal(want.Type()))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		text := m.Content("/etc/kubernetes/kubeadm.yaml")
		if !strings.Contains(text, "kubeadm.k8s.io/"+api) {
			s.t.Errorf("of %s:\n%s", version, text)
		}
		text = strings.Replace(text, "v"+version, "v"+kube.Version, 1) // older ones it does not make
		if got := strings.TrimSpace(s.ssh(s.machines[0], text, "cat >/tmp/kubeadm.yaml && kubeadm config validate --config /tmp/kubeadm.yaml")); got != "ok" {
			s.t.Errorf("kubeadm says %q of\n%s", got, text)
		}
	}
}

// images are those that the machine's own kubeadm names. Where it names others, that is said.
func (s *spec) images() {
	s.t.Helper()
	shown := s.Want(0, "state", "show", "module.cluster.kubeadm_config.main@k8s-node1").Stdout
	named := strings.Fields(s.ssh(s.plane, "", "kubeadm config images list --config /etc/kubernetes/kubeadm.yaml"))
	for _, image := range named {
		if !strings.Contains(shown, image) {
			s.t.Errorf("kubeadm names %s, recorded is\n%s", image, shown)
		}
	}
	const warning = "kubeadm of k8s-node1 does not run registry.k8s.io/etcd:"
	if r := s.Want(0, "plan"); len(named) < 7 || strings.Contains(r.Stdout+r.Stderr, warning) {
		s.t.Errorf("kubeadm names %q, the plan says\n%s%s", named, r.Stdout, r.Stderr)
	}
	const other = "/usr/local/bin/kubeadm"
	s.ssh(s.plane, "#!/bin/sh\n/usr/bin/kubeadm \"$@\" | sed 's|etcd:.*|etcd:3.9.9-0|'\n", "cat >"+other+" && chmod 755 "+other)
	if r := s.Want(0, "plan"); !strings.Contains(r.Stdout+r.Stderr, warning) {
		s.t.Errorf("of another etcd the plan says\n%s%s", r.Stdout, r.Stderr)
	}
	s.ssh(s.plane, "", "rm "+other)
}
