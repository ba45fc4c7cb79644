package hosttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// Ails says what of the cluster does not work from now on: the name of a node,
// dns, proxy, pod network, service address.
func (c *Cluster) Ails(what ...string) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.ill = map[string]bool{}
	for _, w := range what {
		c.ill[w] = true
	}
}

const (
	readyWord   = ` {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`
	dnsPod      = "coredns-0"
	proxyPod    = "kube-proxy-0"
	servants    = "pods -l k8s-app in (kube-dns,kube-proxy)"
	serviceAddr = "10.96.0.1"
)

// health is what kubectl says of whether the cluster works; nil where it is
// asked something else.
func (c *Call) health(words string) func() host.Output {
	cluster := c.m.cluster
	switch words {
	case "get nodes -o jsonpath={range .items[*]}{.metadata.name}" + readyWord:
		return func() host.Output {
			var names []string
			for _, o := range cluster.objects {
				if o.id.Kind == "Node" {
					names = append(names, o.id.Name)
				}
			}
			slices.Sort(names)
			var out strings.Builder
			for _, name := range names {
				out.WriteString(ready(name, cluster.young || cluster.ill[name]))
			}
			return say(out.String())
		}
	case "get " + servants + " -o jsonpath={range .items[*]}{.metadata.labels.k8s-app}/{.metadata.name}" + readyWord:
		return func() host.Output {
			pods := ""
			if cluster.addons["kube-proxy"] {
				pods += ready("kube-proxy/"+proxyPod, cluster.young || cluster.ill["proxy"])
			}
			if cluster.addons["coredns"] {
				pods += ready("kube-dns/"+dnsPod, cluster.young || cluster.ill["dns"])
			}
			return say(pods)
		}
	case "get service kubernetes -o jsonpath={.spec.clusterIP}":
		return func() host.Output { return say(serviceAddr) }
	case "wait --for=condition=Ready --timeout=300s nodes --all", "wait --for=condition=Ready --timeout=300s " + servants:
		c.Change()
		return func() host.Output {
			cluster.young = false
			if len(cluster.ill) > 0 {
				return fail(1, "error: timed out waiting for the condition")
			}
			return host.Output{}
		}
	case "--server=https://" + serviceAddr + ":443 get --raw /readyz":
		return cluster.answers("service address")
	case "get --raw /api/v1/namespaces/kube-system/pods/" + dnsPod + ":8181/proxy/ready":
		return cluster.answers("pod network")
	}
	return nil
}

func ready(name string, not bool) string {
	if not {
		return fmt.Sprintln(name, "False")
	}
	return fmt.Sprintln(name, "True")
}

func (c *Cluster) answers(what string) func() host.Output {
	return func() host.Output {
		if c.ill[what] {
			return fail(1, "Error from server (ServiceUnavailable): error trying to reach service")
		}
		return say("ok")
	}
}
