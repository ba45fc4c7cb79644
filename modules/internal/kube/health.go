package kube

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var health = resource.Define[ClusterHealth]("cluster_health")

// ClusterHealth is whether a Kubernetes cluster works, as its control plane
// finds it.
//
// It is on one machine of the control plane. Making it waits until the nodes,
// kube-proxy on them, and the cluster's DNS are ready, for five minutes at most
// each, and so does on_change.
// What the block sets to true is wanted: where it is not so then, the step has
// failed. What it leaves out is looked at only, whenever the cluster is read, and
// is there to be referred to, as by a check. When the block is removed nothing
// happens on the machine.
//
//	resource "cluster_health" "main" {
//	  on         = host.k8s-node1
//	  on_change  = [kubeadm_join.worker]
//	  depends_on = [kubeadm_join.worker]
//	}
//
//	check "health" {
//	  assert {
//	    condition     = cluster_health.main.problems == ""
//	    error_message = cluster_health.main.problems
//	  }
//	}
type ClusterHealth struct {
	Nodes          *bool   `cty:"nodes"`           // every node is Ready
	DNS            *bool   `cty:"dns"`             // every pod of the cluster's DNS is ready to answer
	PodNetwork     *bool   `cty:"pod_network"`     // these pods are reached at their addresses from the control plane
	ServiceAddress *bool   `cty:"service_address"` // the API is reached at the address of its service, and every pod of kube-proxy is ready
	Problems       *string `cty:"problems"`        // what is not so, in words; leave it out
}

// Validate implements resource.Validator.
func (c ClusterHealth) Validate(func(string) bool) error {
	for _, a := range []struct {
		field string
		value *bool
	}{{"nodes", c.Nodes}, {"dns", c.DNS}, {"pod_network", c.PodNetwork}, {"service_address", c.ServiceAddress}} {
		if a.value != nil && !*a.value {
			return &resource.FieldError{Field: a.field, Msg: "It is never wanted that a cluster does not work. Write true to wait for it, or leave it out to look at it only."}
		}
	}
	if c.Problems != nil {
		return &resource.FieldError{Field: "problems", Msg: "Problems are found, not wanted. Leave the attribute out."}
	}
	return nil
}

// Read makes two calls: the second asks what the first names.
func (c ClusterHealth) Read(ctx context.Context, h host.Host) (*ClusterHealth, error) {
	res, err := h.Do(
		ctx,
		host.Query{Argv: []string{"test", "-e", adminConf}, AnyExit: true},
		host.Query{Argv: []string{"test", "-e", script.KubeadmBegun}, AnyExit: true},
		host.Query{Argv: kubectl("--request-timeout=20s", "get", "nodes", "-o", readiness), AnyExit: true},
		host.Query{Argv: kubectl("--request-timeout=20s", "-n", "kube-system", "get", "pods", "-l", servants, "-o", podReadiness), AnyExit: true},
		host.Query{Argv: kubectl("--request-timeout=20s", "-n", "default", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"), AnyExit: true},
	)
	if err != nil {
		return nil, err
	}
	if res[0].Output.Code != 0 || res[1].Output.Code == 0 || res[2].Output.Code == 127 {
		return nil, nil // there is no cluster, or it is still made, or the command is not there
	}
	for _, r := range res[2:] {
		if r.Output.Code != 0 {
			return told(map[string]bool{}, []string{noAnswer(r.Output).Error()}), nil
		}
	}
	well := map[string]bool{"nodes": true, "dns": true, "pod_network": true, "service_address": true}
	var problems []string
	bad := func(what, problem string) {
		well[what] = false
		problems = append(problems, problem)
	}
	for name, ready := range readinessIn(res[2].Output) {
		if !ready {
			bad("nodes", "the node "+name+" is not Ready")
		}
	}
	var pods []string
	for what, ready := range readinessIn(res[3].Output) {
		switch app, name, _ := strings.Cut(what, "/"); {
		case app == "kube-proxy" && !ready:
			bad("service_address", "the pod "+name+", which has its node reach services, is not ready")
		case app == "kube-dns":
			pods = append(pods, name)
			if !ready {
				bad("dns", "the DNS pod "+name+" is not ready")
			}
		}
	}
	if len(pods) == 0 {
		bad("dns", "the cluster's DNS has no pod")
	}
	address, err := netip.ParseAddr(strings.TrimSpace(string(res[4].Output.Stdout)))
	if err != nil {
		return nil, fmt.Errorf("the service kubernetes of the cluster has no address: %w", err)
	}
	asks := []host.Op{host.Query{Argv: kubectl("--request-timeout=5s", "--server=https://"+netip.AddrPortFrom(address, 443).String(), "get", "--raw", "/readyz"), AnyExit: true}}
	for _, pod := range pods {
		asks = append(asks, host.Query{Argv: kubectl("--request-timeout=5s", "get", "--raw", "/api/v1/namespaces/kube-system/pods/"+pod+":8181/proxy/ready"), AnyExit: true})
	}
	answers, err := h.Do(ctx, asks...)
	if err != nil {
		return nil, err
	}
	if answers[0].Output.Code != 0 {
		bad("service_address", "the API does not answer at the address of its service, "+address.String())
	}
	for i, pod := range pods {
		if answers[i+1].Output.Code != 0 {
			bad("pod_network", "the DNS pod "+pod+" does not answer at its address")
		}
	}
	return told(well, problems), nil
}

// servants are the pods of kubeadm's addons. A cluster may have another proxy.
const servants = "k8s-app in (kube-dns,kube-proxy)"

// readiness lists names, each with what its condition Ready says; podReadiness
// names what a pod is, too: kube-dns/NAME.
const (
	readyWord    = ` {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`
	readiness    = `jsonpath={range .items[*]}{.metadata.name}` + readyWord
	podReadiness = `jsonpath={range .items[*]}{.metadata.labels.k8s-app}/{.metadata.name}` + readyWord
)

func readinessIn(out host.Output) func(yield func(name string, ready bool) bool) {
	return func(yield func(string, bool) bool) {
		for line := range strings.Lines(string(out.Stdout)) {
			name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
			if name != "" && !yield(name, status == "True") {
				return
			}
		}
	}
}

func told(well map[string]bool, problems []string) *ClusterHealth {
	is := func(what string) *bool { b := well[what]; return &b }
	text := strings.Join(problems, "; ")
	return &ClusterHealth{
		Nodes: is("nodes"), DNS: is("dns"), PodNetwork: is("pod_network"), ServiceAddress: is("service_address"), Problems: &text,
	}
}

// Apply waits. What does not come is seen by what is read then.
func (c ClusterHealth) Apply(ctx context.Context, h host.Host, _ *ClusterHealth) error {
	for _, argv := range [][]string{
		kubectl("wait", "--for=condition=Ready", "--timeout=300s", "nodes", "--all"),
		kubectl("-n", "kube-system", "wait", "--for=condition=Ready", "--timeout=300s", "pods", "-l", servants),
	} {
		res, err := h.Do(ctx, host.Run{Argv: argv, Detached: true, AnyExit: true})
		if err != nil {
			return err
		}
		if res[0].Output.Code == 127 {
			return errNoCluster
		}
	}
	return nil
}

// RefreshWord implements resource.Refresher.
func (c ClusterHealth) RefreshWord() string { return "look" }

// Refresh waits and looks again.
func (c ClusterHealth) Refresh(ctx context.Context, h host.Host) error { return c.Apply(ctx, h, nil) }
