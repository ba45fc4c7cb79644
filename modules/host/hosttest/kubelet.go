package hosttest

import (
	"encoding/json"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
	"github.com/kplan/kplan/modules/internal/script"
)

const (
	kubeletUnit   = "kubelet.service"
	kubeletConfig = "kind: KubeletConfiguration\n" // where nobody said more
)

// kubeletIn is what a configuration says of the kubelets.
func (c *Call) kubeletIn(config string) string {
	text, _ := c.Content(config)
	trees, _ := objects.Trees(text)
	for _, tree := range trees {
		if tree["kind"] == "KubeletConfiguration" {
			if text, err := json.Marshal(tree); err == nil {
				return string(text) + "\n"
			}
		}
	}
	return kubeletConfig
}

// startKubelet starts the kubelet, whose unit came with its package.
func (c *Call) startKubelet(verb string) host.Output {
	if u, fragment := c.m.unit(kubeletUnit); !u.added && fragment == "" {
		c.m.units[kubeletUnit] = &Unit{added: true}
	}
	return c.Run("systemctl", verb, kubeletUnit)
}

func (c *Call) stopKubelet() {
	if u, _ := c.m.unit(kubeletUnit); u.Running {
		u.Running = false
	}
}

// ofPlane gives do the cluster whose API the machine reaches, unless it does not
// answer.
func (c *Call) ofPlane(do func(cl *Cluster) host.Output) host.Output {
	if plane := c.m.plane; plane != nil {
		plane.mu.Lock()
		defer plane.mu.Unlock()
		if cl := plane.cluster; cl != nil && !cl.down {
			return do(cl)
		}
	}
	return fail(1, `Get "https://10.0.2.15:6443/api": dial tcp 10.0.2.15:6443: connect: connection refused`)
}

// kubeadmRejoin restarts the kubelet only where it has to, which registers its
// node whenever it starts.
func kubeadmRejoin(c *Call) host.Output {
	c.Change()
	return c.ofPlane(func(cl *Cluster) host.Output {
		was, _ := c.Content(kubeletYAML)
		sums, noted := c.Content(script.KubeadmSums)
		same := was == cl.kubelet && (!noted || strings.Contains(sums, sumLine(kubeletYAML, was)))
		u, _ := c.m.unit(kubeletUnit)
		gone := cl.objects[nodeID(c.hostname()).Key()] == nil
		c.m.put(kubeletYAML, cl.kubelet)
		if !same || !u.Running || gone && len(c.Argv) > 4 && c.Argv[4] == "gone" {
			if out := c.startKubelet("restart"); out.Code != 0 {
				return out
			}
			if gone {
				cl.join(c.hostname(), c.m.facts.MachineID)
			}
		}
		c.finish(kubeletYAML)
		return host.Output{}
	})
}

// kubeletStart waits for the static pods of the node, which is to be the machine's.
func kubeletStart(c *Call) host.Output {
	c.Change()
	if len(c.Argv) > 4 && c.Argv[4] != c.m.node {
		return fail(1, "not Ready as the manifests in /etc/kubernetes/manifests say, after 5 minutes: kube-apiserver kube-controller-manager kube-scheduler etcd")
	}
	return c.Run("systemctl", "start", "kubelet")
}

// nodeAsked is script.NodeAsked.
func nodeAsked(c *Call) host.Output {
	if !c.Exists(kubeDir+"/kubelet.conf") || c.Exists(adminConf) || c.Exists(script.KubeadmBegun) {
		return host.Output{}
	}
	gone := c.ofPlane(func(cl *Cluster) host.Output {
		if cl.objects[nodeID(c.hostname()).Key()] == nil {
			return say("gone " + c.hostname() + "\n")
		}
		return host.Output{}
	})
	return host.Output{Stdout: gone.Stdout}
}
