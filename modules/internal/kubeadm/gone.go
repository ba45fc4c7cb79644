package kubeadm

import (
	"context"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what a member of a cluster leaves behind whose machine is let go,
// and how that is taken out on the machine of a control plane.

// Release implements resource.Releaser. Its member of etcd goes first: the node
// tells whose it is, also after a cut.
func (c KubeadmControlPlane) Release(ctx context.Context, there host.Host, gone resource.LetGo) error {
	name := goneName(c.Node, gone)
	if another, err := isAnother(ctx, there, name, gone); another || err != nil {
		return err
	}
	e, err := c.lookAtEtcd(ctx, there)
	if err != nil {
		return err
	}
	e.letGo = true
	if err := e.without(name, name+" leaves"); err != nil {
		return err
	}
	if err := snapshotNow(ctx, there); err != nil {
		return err
	}
	if err := e.remove(ctx, there, name); err != nil {
		return err
	}
	return takeOutGone(ctx, there, name)
}

// Release implements resource.Releaser.
func (j KubeadmJoin) Release(ctx context.Context, there host.Host, gone resource.LetGo) error {
	name := goneName(j.Node, gone)
	if another, err := isAnother(ctx, there, name, gone); another || err != nil {
		return err
	}
	return takeOutGone(ctx, there, name)
}

// goneName is what a machine was called in the cluster: as it is recorded, or
// else as its host.
func goneName(recorded *string, gone resource.LetGo) string {
	if recorded != nil && *recorded != "" {
		return *recorded
	}
	return gone.Host
}

// isAnother reports whether the node called name is another machine than the one
// that is let go, of which nothing is left then.
func isAnother(ctx context.Context, there host.Host, name string, gone resource.LetGo) (bool, error) {
	id, err := machineOf(ctx, there, name)
	return id != "" && gone.MachineID != "" && id != gone.MachineID, err
}

// takeOutGone takes the node called name out of the cluster. It is not drained:
// nobody there would end its pods, and they go with it.
func takeOutGone(ctx context.Context, there host.Host, name string) error {
	remove := kubectl("delete", "node", name, "--ignore-not-found")
	remove.Detached = true
	_, err := there.Do(ctx, remove)
	return err
}
