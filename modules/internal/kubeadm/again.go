package kubeadm

import (
	"context"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// This file is a control plane that is written again.

// again has kubeadm write again what it made.
func (c KubeadmControlPlane) again(ctx context.Context, h host.Host) error {
	name, err := c.nodeName(ctx, h)
	if err != nil {
		return err
	}
	if e, err := c.lookAtEtcd(ctx, h); err == nil { // where it does not answer, it is what is to be mended
		if len(e.members) > 1 {
			if err := e.without(name, name+" is written again"); err != nil {
				return err
			}
		}
		if err := snapshotNow(ctx, h); err != nil {
			return err
		}
	}
	return detached(ctx, h, "write the control plane again", script.KubeadmRepair, nil, c.Config, name)
}

// RefreshWord implements resource.Refresher: on_change = [kubeadm_config.main].
func (c KubeadmControlPlane) RefreshWord() string { return "reconfigure" }

// Refresh has kubeadm write again what it made of a configuration that was
// changed since; it makes one call where there is none.
func (c KubeadmControlPlane) Refresh(ctx context.Context, h host.Host) error {
	if got, err := c.Read(ctx, h); err != nil || got != nil && got.Intact {
		return err
	}
	return c.again(ctx, h)
}
