package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var node = resource.Define[Node]("node", resource.Merges, resource.Shared)

// Node is the labels, annotations and taints of a node of a Kubernetes cluster.
//
// It is on one machine of the control plane, whichever node it names; the node
// must have joined. Of labels and annotations only what is named is managed; a
// key that is dropped goes: which ones kplan set stands in the node's annotation
// kplan/managed. Taints are the whole list, but for those that the cluster sets
// itself (node.kubernetes.io/...). Delete takes away what was set.
//
//	resource "node" "storage" {
//	  on     = host.k8s-node1
//	  name   = "k8s-node3"
//	  labels = { "disk" = "ssd" }
//	  taints = ["dedicated=storage:NoSchedule"]
//	}
type Node struct {
	Name        string            `cty:"name" kplan:"id"` // as kubectl get nodes lists it
	Labels      map[string]string `cty:"labels"`          // by key
	Annotations map[string]string `cty:"annotations"`     // by key
	Taints      []string          `cty:"taints"`          // "key=value:Effect" or "key:Effect"; [] for none
}

// Claims implements resource.Claimer.
func (n Node) Claims() []string { return []string{"node " + n.Name} }

// Disrupts implements resource.Disrupter.
func (n Node) Disrupts(prior *Node) []string {
	if prior == nil {
		prior = &Node{}
	}
	var all []string
	for _, t := range n.Taints {
		if strings.HasSuffix(t, ":NoExecute") && !slices.Contains(prior.Taints, t) {
			all = append(all, fmt.Sprintf("evicts pods that do not tolerate %s from %s", t, n.Name))
		}
	}
	return all
}

// Read makes one call. A node that has not joined yet, and one that has nothing
// of what is wanted nor anything that kplan set, has no such object.
func (n Node) Read(ctx context.Context, h host.Host) (*Node, error) {
	found, err := lookNode(ctx, h, n.Name)
	if err != nil || found.node == nil {
		return nil, err
	}
	mark, marked := found.node.mark()
	got := &Node{
		Name:        n.Name,
		Labels:      among(found.node.Metadata.Labels, n.Labels, mark.Labels),
		Annotations: among(found.node.Metadata.Annotations, n.Annotations, mark.Annotations),
	}
	if !marked && len(got.Labels) == 0 && len(got.Annotations) == 0 {
		return nil, nil
	}
	if n.Taints != nil {
		_, got.Taints = found.node.taints()
		slices.SortStableFunc(got.Taints, func(a, b string) int { return place(n.Taints, a) - place(n.Taints, b) })
	}
	return got, nil
}

// Apply begins as Read does, and makes one patch.
func (n Node) Apply(ctx context.Context, h host.Host, _ *Node) error {
	return change(ctx, h, n.Name, func(found lookedAt) (patch, error) {
		switch {
		case !found.cluster:
			return patch{}, errNoCluster
		case found.node == nil:
			return patch{}, fmt.Errorf("the cluster has no node %s; let that machine join first, and this resource wait for it by depends_on", n.Name)
		}
		mark, _ := found.node.mark()
		p := patch{labels: laid(n.Labels, mark.Labels), annotations: laid(n.Annotations, mark.Annotations)}
		mark.note(n)
		text := mark.String()
		p.annotations[markKey] = &text
		if n.Taints != nil {
			own, others := found.node.taints()
			if !slices.Equal(sorted(others), sorted(n.Taints)) {
				p.taints = append(own, tainted(n.Taints, found.node.Spec.Taints)...)
				p.version = found.node.Metadata.ResourceVersion
			}
		}
		return p, nil
	})
}

// Delete implements resource.Deleter.
func (n Node) Delete(ctx context.Context, h host.Host) error {
	return change(ctx, h, n.Name, func(found lookedAt) (patch, error) {
		if found.node == nil {
			return patch{}, nil
		}
		mark, _ := found.node.mark()
		p := patch{labels: taken(n.Labels, mark.Labels), annotations: taken(n.Annotations, mark.Annotations)}
		p.annotations[markKey] = nil
		own, others := found.node.taints()
		if rest := slices.DeleteFunc(slices.Clone(others), func(t string) bool { return slices.Contains(n.Taints, t) }); len(rest) < len(others) {
			p.taints = append(own, tainted(rest, found.node.Spec.Taints)...)
			p.version = found.node.Metadata.ResourceVersion
		}
		return p, nil
	})
}
