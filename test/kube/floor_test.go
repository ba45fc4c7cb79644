package kube

import (
	_ "embed"
	"testing"
	"time"

	"github.com/kplan/kplan/test/lab/kube"
)

var (
	//go:embed node.sh
	node string
	//go:embed kubeadm.yaml
	kubeadm string
)

// floor is what the cluster took by hand; 0 where it was not made so.
var floor time.Duration

// TestFloor makes the cluster by hand and tells how long each stage took.
func TestFloor(t *testing.T) {
	c := newCluster(t, 10*time.Minute)
	first, rest := c.machines[0], c.machines[1:]
	c.all(c.machines, node, "sh -s "+kube.Version)
	c.stage("they are nodes: containerd, kubelet, kubeadm")
	c.ssh(first, kubeadm, "cat >kubeadm.yaml && kubeadm config images pull --config kubeadm.yaml")
	c.stage("the control plane's images are pulled")
	c.ssh(first, "", "kubeadm init --config kubeadm.yaml")
	c.stage("kubeadm init")
	c.kubectl("apply -f http://10.0.2.1/kube-flannel.yml")
	c.stage("flannel is applied")
	join := c.ssh(first, "", "kubeadm token create --print-join-command")
	c.all(rest, "", join)
	c.stage("two nodes have joined")
	c.works()
	floor = c.took()
}
