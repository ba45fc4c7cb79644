package laws

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// TestInspection holds what a look at a machine makes of real commands against
// what the kernel says: the machine in memory only repeats what these are
// thought to print.
func TestInspection(t *testing.T) {
	s := first(t)
	session := s.open(t, root)
	contact, err := session.Contact(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if contact.Ahead != 0 { // the machine's clock is the one here
		t.Errorf("the clock is %v ahead", contact.Ahead)
	}
	worker := newObject(t, "kubeadm_join", resourcetest.Values{
		"cluster": map[string]map[string]string{"k8s-node1": {"endpoint": "10.0.2.15:6443", "ca_hash": "sha256:0"}},
	})
	plane := newObject(t, "kubeadm_control_plane", resourcetest.Values{
		"config": "/etc/kubernetes/kubeadm.yaml", "version": "1.35.0", "endpoint": "10.0.2.15:6443",
		"members": []map[string]string{{"name": "k8s-node1", "address": "10.0.2.15"}},
	})
	inspect := func(o object, address string, now time.Time) map[string]resource.Finding {
		t.Helper()
		list := map[string]resource.Finding{}
		errs := session.Read(t.Context(), []func(context.Context, host.Host) error{func(ctx context.Context, h host.Host) error {
			all, err := o.typ.Inspect(ctx, h, o.want, resource.Situation{Address: address, Now: now})
			for _, f := range all {
				list[f.Name] = f
			}
			return err
		}})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		return list
	}
	absent := func(list map[string]resource.Finding, names ...string) {
		t.Helper()
		for _, name := range names {
			if f, ok := list[name]; ok {
				t.Errorf("found: %+v", f)
			}
		}
	}
	own := inspect(worker, s.Address, time.Now())
	absent(own, "address", "ports", "memory", "cpus", "space", "certificate of the kubelet")
	dev := strings.Fields(s.on(t, "ip -o -4 addr show to "+s.Address))[1]
	if mac := strings.Fields(s.on(t, "ip link show dev "+dev+" | grep link/ether"))[1]; own["MAC address"].Unique != mac {
		t.Errorf("the MAC address is %q, want %q", own["MAC address"].Unique, mac)
	}
	if uuid := strings.ToLower(strings.TrimSpace(s.on(t, "cat /sys/class/dmi/id/product_uuid 2>/dev/null || :"))); own["product_uuid"].Unique != uuid {
		t.Errorf("the product_uuid is %q, want %q", own["product_uuid"].Unique, uuid)
	}
	_, v1 := own["cgroup version"]
	if v2 := contact.Facts.CgroupVersion == 2; v1 == v2 || inspect(plane, s.Address, time.Now())["cgroup version"].Error == v2 {
		t.Errorf("cgroup version %d: found %v", contact.Facts.CgroupVersion, own["cgroup version"])
	}
	for _, address := range []string{"10.0.2.24", "192.0.2.1"} { // of a neighbour, and without a route
		if f := inspect(plane, address, time.Now())["address"]; !f.Error {
			t.Errorf("the address %s: %+v", address, f)
		}
		absent(inspect(plane, address, time.Now()), "MAC address")
	}

	s.on(t, "systemd-run --quiet --unit=taken systemd-socket-activate -l 127.0.0.1:10250 /bin/cat; until ss -ltn | grep -q :10250; do sleep 0.05; done")
	if f := inspect(worker, s.Address, time.Now())["ports"]; !f.Error || !strings.Contains(f.Msg, "port 10250 (systemd-socket-)") {
		t.Errorf("a port is taken: %+v", f)
	}
	s.on(t, "mkdir -p /etc/kubernetes /var/lib/kubelet/pki; echo x >/etc/kubernetes/kubelet.conf")
	certificate := hosttest.Certificate(time.Now().Add(48 * time.Hour))
	const file = "/var/lib/kubelet/pki/kubelet-client-2026.pem"
	s.on(t, "cat >"+file+" <<'EOF'\n"+certificate+"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\nEOF\nln -s "+file+" /var/lib/kubelet/pki/kubelet-client-current.pem")
	node := inspect(worker, s.Address, time.Now())
	absent(node, "ports", "address", "cgroup version")
	if f := node["certificate of the kubelet"]; !strings.Contains(f.Msg, "ends on ") {
		t.Errorf("a node: %+v", node)
	}
	if f := inspect(worker, s.Address, time.Now().Add(72*time.Hour))["certificate of the kubelet"]; !strings.Contains(f.Msg, "ended on ") {
		t.Errorf("three days on: %+v", f)
	}
	absent(inspect(worker, s.Address, time.Now().Add(-60*24*time.Hour)), "certificate of the kubelet")

	s.on(t, "mkdir -p /etc/kubernetes/pki/etcd; cat >/etc/kubernetes/pki/etcd/server.crt <<'EOF'\n"+certificate+"EOF\ncat >/etc/kubernetes/admin.conf <<'EOF'\n"+
		hosttest.AdminConf(time.Now().Add(50*time.Hour))+"EOF")
	made := inspect(plane, s.Address, time.Now())
	if f := made["certificates"]; !strings.Contains(f.Msg, "the certificate etcd-server ends on ") || !strings.HasSuffix(f.Msg, "and another is near its end or past it: admin.conf") {
		t.Errorf("the certificates of a control plane: %+v", f)
	}
	if f := made["control plane"]; !strings.Contains(f.Msg, "its API server 10.0.2.15:6443") {
		t.Errorf("a control plane of somebody else's: %+v", f)
	}
	absent(inspect(plane, s.Address, time.Now().Add(-60*24*time.Hour)), "certificates", "authorities")
}
