package hosttest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// EtcdMember is a member of a cluster's etcd.
type EtcdMember struct {
	ID      uint64
	Name    string // "" where it has not started
	Address string
	Down    bool // it does not answer
}

// Members are the members of the etcd of the machine's cluster.
func (m *Machine) Members() []EtcdMember {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cluster == nil {
		return nil
	}
	return slices.Clone(m.cluster.etcd)
}

// SetMembers changes them behind everybody's back.
func (m *Machine) SetMembers(members ...EtcdMember) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster.etcd = members
}

// grow puts a member into etcd; one of this address is started.
func (c *Cluster) grow(name, address string) {
	c.etcd = slices.DeleteFunc(c.etcd, func(m EtcdMember) bool { return m.Address == address })
	c.members++
	c.etcd = append(c.etcd, EtcdMember{ID: 0xe7cd0 + c.members, Name: name, Address: address})
}

const etcdFlags = "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt " +
	"--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "

// etcdctl answers in the pod of a node, word for word as types ask; nil where it
// is asked something else.
func (c *Call) etcdctl(pod, words string) func() host.Output {
	cluster, id := c.m.cluster, ""
	at := func(answer func() host.Output) func() host.Output {
		return func() host.Output {
			if pod != "etcd-"+c.m.node {
				return fail(1, fmt.Sprintf("Error from server (NotFound): pods %q not found", pod))
			}
			return answer()
		}
	}
	switch {
	case words == "member list -w json":
		return at(func() host.Output {
			type member struct {
				ID         uint64   `json:"ID"`
				Name       string   `json:"name,omitempty"`
				PeerURLs   []string `json:"peerURLs"`
				ClientURLs []string `json:"clientURLs,omitempty"`
				Learner    bool     `json:"isLearner,omitempty"`
			}
			list := struct {
				Members []member `json:"members"`
			}{}
			for _, m := range cluster.etcd {
				one := member{ID: m.ID, Name: m.Name, PeerURLs: []string{"https://" + m.Address + ":2380"}, Learner: m.Name == ""}
				if m.Name != "" {
					one.ClientURLs = []string{"https://" + m.Address + ":2379"}
				}
				list.Members = append(list.Members, one)
			}
			return sayJSON(list)
		})
	case words == "endpoint health --cluster -w json":
		return at(func() host.Output {
			type health struct {
				Endpoint string `json:"endpoint"`
				Health   bool   `json:"health"`
			}
			var all []health
			out := host.Output{}
			for _, m := range cluster.etcd {
				if m.Name == "" {
					continue
				}
				if m.Down {
					out = fail(1, "Error: unhealthy cluster")
				}
				all = append(all, health{"https://" + m.Address + ":2379", !m.Down})
			}
			out.Stdout = sayJSON(all).Stdout
			return out
		})
	case fits(words, "member remove *", &id):
		c.Change()
		return at(func() host.Output {
			voting, up := 0, 0
			for _, m := range cluster.etcd {
				if m.Name != "" {
					voting++
				}
				if m.Name != "" && !m.Down {
					up++
				}
			}
			if up <= voting/2 {
				return fail(1, "Error: context deadline exceeded")
			}
			n, err := strconv.ParseUint(id, 16, 64)
			was := len(cluster.etcd)
			cluster.etcd = slices.DeleteFunc(cluster.etcd, func(m EtcdMember) bool { return err == nil && m.ID == n })
			if len(cluster.etcd) == was {
				return fail(1, "Error: etcdserver: member not found")
			}
			return say("Member " + id + " removed from cluster\n")
		})
	}
	return nil
}

// askEtcd is script.EtcdAsked.
func askEtcd(c *Call) host.Output {
	text, _ := c.Content(manifest("etcd"))
	name := podName.FindStringSubmatch(text)
	if name == nil || c.Exists(script.KubeadmBegun) {
		return host.Output{}
	}
	return c.Run(append([]string{
		"kubectl", "--kubeconfig=" + adminConf, "--cache-dir=/dev/null", "--request-timeout=5s", "-n", "kube-system", "exec", "etcd-" + name[1], "--",
	}, c.Argv[4:]...)...)
}

var podName = regexp.MustCompile(`(?m)^ *- --name=(.*)$`)

func sayJSON(v any) host.Output {
	text, err := json.Marshal(v)
	if err != nil {
		return fail(1, err.Error())
	}
	return say(string(text) + "\n")
}

// inPod takes a command apart that kubectl runs in a pod.
func inPod(words string) (pod, command string, ok bool) {
	rest, ok := strings.CutPrefix(words, "exec ")
	if !ok {
		return "", "", false
	}
	pod, command, ok = strings.Cut(rest, " -- "+etcdFlags)
	return pod, command, ok && !strings.Contains(pod, " ")
}
