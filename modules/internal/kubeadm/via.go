package kubeadm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/resource"
)

// The ways in which a machine becomes a member of a control plane, and stops
// being one.
const (
	viaInit  = "init"  // it makes the cluster
	viaJoin  = "join"  // through a member
	viaLeave = "leave" // through a member that stays
	viaReset = "reset" // the last one: the cluster ends
)

type fellow = resource.Fellow[KubeadmControlPlane]

// Via implements resource.Router.
func (c KubeadmControlPlane) Via(here string, fellows []fellow) (resource.Via, error) {
	if err := oneCluster(fellows); err != nil {
		return resource.Via{}, err
	}
	self := slices.IndexFunc(fellows, func(f fellow) bool { return f.Host == here })
	switch {
	case fellows[self].LetGo:
		return c.goneLeaves(fellows)
	case fellows[self].Leaves:
		return c.leaves(fellows, self)
	case !slices.ContainsFunc(c.Members, func(m Member) bool { return m.Name == here }):
		return resource.Via{}, &resource.FieldError{Field: "members", Msg: fmt.Sprintf("Host %s, which the resource is on, is not among them. Write the same list as for on.", here)}
	case fellows[self].Object == nil:
		return c.enters(fellows, self)
	}
	return resource.Via{}, nil
}

// enters is how a machine becomes a member: through one that is there, and where
// every other host was seen to have none, through the first, which makes the
// cluster.
func (c KubeadmControlPlane) enters(fellows []fellow, self int) (resource.Via, error) {
	for _, f := range fellows {
		if f.Object != nil && f.Unseen == "" {
			return resource.Via{How: viaJoin, Host: f.Host}, c.reached(fellows[self].Host, "joins")
		}
	}
	if err := unseen(fellows); err != nil || self == 0 {
		return resource.Via{How: viaInit}, err
	}
	return resource.Via{How: viaJoin, Host: fellows[0].Host}, nil
}

// leaves is how a machine stops being a member: through one that stays, also one
// that is made before, or through the last one that leaves.
func (c KubeadmControlPlane) leaves(fellows []fellow, self int) (resource.Via, error) {
	made := ""
	for i, f := range fellows {
		switch {
		case f.Unseen != "":
		case !f.Leaves && f.Object != nil:
			return resource.Via{How: viaLeave, Host: f.Host}, c.reached(fellows[self].Host, "leaves")
		case !f.Leaves && made == "", f.Leaves && f.Object != nil && i > self:
			made = f.Host
		}
	}
	if made != "" {
		return resource.Via{How: viaLeave, Host: made}, c.reached(fellows[self].Host, "leaves")
	}
	return resource.Via{How: viaReset}, unseen(fellows)
}

// goneLeaves is how a member leaves whose machine is let go: through one that is
// there already, as this comes before any joins. Where there is none, nothing of
// the cluster is left that it could leave.
func (c KubeadmControlPlane) goneLeaves(fellows []fellow) (resource.Via, error) {
	via := resource.Via{}
	for _, f := range fellows {
		if f.LetGo || f.Unseen != "" || f.Object == nil {
			continue
		}
		via = resource.Via{How: viaLeave, Host: f.Host}
		if !f.Leaves {
			return via, nil
		}
	}
	if via.Host == "" {
		return via, unseen(fellows)
	}
	return via, nil
}

// reached fails where the cluster is reached at the address of the member that
// comes or goes: the others need it meanwhile.
func (c KubeadmControlPlane) reached(here, does string) error {
	at := strings.Trim(c.Endpoint[:max(0, strings.LastIndexByte(c.Endpoint, ':'))], "[]")
	for _, m := range c.Members {
		if m.Name == here && m.Address == at && at != "" {
			return fmt.Errorf("host %s %s, and the cluster's endpoint %s is its own address: the others would not reach the cluster. Several members need the address of a load balancer", here, does, c.Endpoint)
		}
	}
	return nil
}

// unseen is the error of a host that was not read; nil where all were.
func unseen(fellows []fellow) error {
	for _, f := range fellows {
		if f.Unseen != "" {
			return &resource.UnseenError{Host: f.Host, Reason: f.Unseen}
		}
	}
	return nil
}

// oneCluster fails where the machines are of several clusters.
func oneCluster(fellows []fellow) error {
	var first fellow
	for _, f := range fellows {
		switch {
		case f.LetGo || f.Object == nil || f.Object.CAHash == nil:
		case first.Object == nil:
			first = f
		case *first.Object.CAHash != *f.Object.CAHash:
			return fmt.Errorf("host %s is of one cluster (%s) and host %s of another (%s). A control plane is of one: take one of them out with `kubeadm reset` on the machine, or put it into a resource of its own",
				first.Host, *first.Object.CAHash, f.Host, *f.Object.CAHash)
		}
	}
	return nil
}
