package kube_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// Each thing that does not work shows in its attribute, and in words that say
// what it is. Waiting for it ends.
func TestHealth(t *testing.T) {
	typ, _ := modules.Lookup("cluster_health")
	want, err := resourcetest.Object(typ.Schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	for ill, tt := range map[string]struct{ attr, problem string }{
		"":                {"", ""},
		"k8s-node2":       {"nodes", "the node k8s-node2 is not Ready"},
		"dns":             {"dns", "the DNS pod coredns-0 is not ready"},
		"proxy":           {"service_address", "the pod kube-proxy-0, which has its node reach services, is not ready"},
		"pod network":     {"pod_network", "the DNS pod coredns-0 does not answer at its address"},
		"service address": {"service_address", "the API does not answer at the address of its service, 10.96.0.1"},
	} {
		m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
		c := m.Cluster("k8s-node1", "k8s-node2")
		if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || got.GetAttr("problems").AsString() !=
			"the node k8s-node1 is not Ready; the node k8s-node2 is not Ready; the pod kube-proxy-0, which has its node reach services, is not ready; the DNS pod coredns-0 is not ready" {
			t.Fatalf("right after it was made: %#v, %v", got, err)
		}
		if ill != "" {
			c.Ails(ill)
		}
		if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(want.Type())); err != nil {
			t.Fatal(err)
		}
		got, err := typ.Read(t.Context(), m.Reader(), want)
		if err != nil {
			t.Fatal(err)
		}
		for _, attr := range []string{"nodes", "dns", "pod_network", "service_address"} {
			if got.GetAttr(attr).True() == (attr == tt.attr) {
				t.Errorf("%q ails: %s is %#v", ill, attr, got.GetAttr(attr))
			}
		}
		if got.GetAttr("problems").AsString() != tt.problem {
			t.Errorf("%q ails: %#v", ill, got.GetAttr("problems"))
		}
	}
}

func TestHealthOfWhatDoesNotAnswer(t *testing.T) {
	typ, _ := modules.Lookup("cluster_health")
	want, err := resourcetest.Object(typ.Schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := hosttest.New(hosttest.Named("plane"), hosttest.Report(t.Errorf))
	if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || !got.IsNull() {
		t.Errorf("without a cluster: %#v, %v", got, err)
	}
	if err := typ.Apply(t.Context(), m.Host(), want, cty.NullVal(want.Type())); err == nil || !strings.Contains(err.Error(), "make it a control plane first") {
		t.Errorf("waiting without a cluster: %v", err)
	}
	c := m.Cluster("k8s-node1")
	c.Down(true)
	got, err := typ.Read(t.Context(), m.Reader(), want)
	if err != nil || got.GetAttr("nodes").True() || !strings.Contains(got.GetAttr("problems").AsString(), "does not answer: The connection to the server 10.0.2.15:6443 was refused") {
		t.Errorf("of an API that is down: %#v, %v", got, err)
	}
	c.Down(false)
	m.Put(script.KubeadmBegun, "")
	if got, err := typ.Read(t.Context(), m.Reader(), want); err != nil || !got.IsNull() {
		t.Errorf("of one that is still made: %#v, %v", got, err)
	}
}
