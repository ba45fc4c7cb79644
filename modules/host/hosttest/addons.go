package hosttest

import (
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// addons are the objects of those that kubeadm has.
var addons = map[string]string{
	"coredns":    "deployment.apps/coredns service/kube-dns",
	"kube-proxy": "daemonset.apps/kube-proxy",
}

// bringAddon is kubeadm init phase addon NAME --config FILE; false where args are
// anything else. The machine has a cluster.
func (c *Call) bringAddon(args []string) (out host.Output, ok bool) {
	if len(args) != 6 || !slices.Equal(args[:3], []string{"init", "phase", "addon"}) || addons[args[3]] == "" || args[4] != "--config" {
		return out, false
	}
	c.Change()
	if !c.Exists(args[5]) {
		return fail(1, "unable to read config from "+args[5]), true
	}
	c.m.cluster.addons[args[3]] = true
	return out, true
}

// addon is what kubectl says of the objects of one, in kube-system; nil where it
// is asked something else.
func (c *Call) addon(words string) func() host.Output {
	for name, objects := range addons {
		switch words {
		case "get " + objects + " --ignore-not-found -o name":
			return func() host.Output {
				if !c.m.cluster.addons[name] {
					return host.Output{}
				}
				return say(strings.ReplaceAll(objects, " ", "\n") + "\n")
			}
		case "delete deployment/" + name + " --ignore-not-found":
			c.Change()
			return func() host.Output {
				c.m.cluster.addons[name] = false
				return host.Output{}
			}
		}
	}
	return nil
}

// signed is what waits for the signature of the token with an id, which comes at
// once.
func (c *Cluster) signed(id string) host.Output {
	for token := range c.tokens {
		if strings.HasPrefix(token, id+".") {
			return host.Output{}
		}
	}
	return fail(1, "error: timed out waiting for the condition on configmaps/cluster-info")
}
