package kubeadm

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// This file is a control plane that is written again.

// again has kubeadm write again what it made.
func (c KubeadmControlPlane) again(ctx context.Context, h host.Host) error {
	m, endpoint, err := madeWith(ctx, h, c.Config, hostNameNow)
	if err != nil {
		return err
	}
	if err := m.stays(c.Config, endpoint); err != nil {
		return fmt.Errorf("cannot write the control plane again: %w", err)
	}
	name := nodeName(c.Config, m.files[c.Config], m.files[hostNameNow])
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

// start starts the kubelet, and waits until it runs what it is to.
func (c KubeadmControlPlane) start(ctx context.Context, h host.Host) error {
	name, err := c.nodeName(ctx, h)
	if err != nil {
		return err
	}
	return detached(ctx, h, "start the kubelet", script.KubeletStart, nil, name)
}

// stays fails where the configuration in the file at path is not as the cluster
// here, which is reached at endpoint, was made in what kubeadm does not change of
// one. A range that it gives by the flag itself is the user's own affair.
func (m made) stays(path, endpoint string) error {
	have, err := documents(path, m.files[path])
	if err != nil {
		return err
	}
	in := have[clusterKind]
	text := func(path ...string) string { text, _ := at(in, path...).(string); return text }
	flagged := func(pod, name string) bool { _, given := argsOf(at(in, pod, "extraArgs"))[name]; return given }
	for _, s := range []struct {
		what, wanted, is string
		own              bool
	}{
		{"endpoint", cmp.Or(endpointIn(have), endpoint), endpoint, false},
		{"range of pods", text("networking", "podSubnet"), m.flag(managerFile, podsFlag), flagged("controllerManager", podsFlag)},
		{"range of services", cmp.Or(text("networking", "serviceSubnet"), ownServices), m.flag(apiserverFile, servicesFlag), flagged("apiServer", servicesFlag)},
	} {
		if !s.own && s.is != "" && !alike(s.wanted, s.is) {
			return fmt.Errorf("the %s of the cluster is %s, which kubeadm cannot change in a cluster that is there: write that into its configuration again", s.what, s.is)
		}
	}
	return nil
}

// endpointIn is where a configuration has the cluster reached; "" where it does
// not say it. Without a port, it is the one of the machine's API server
// (kubernetes/kubernetes, cmd/kubeadm/app/util/endpoint.go).
func endpointIn(have map[string]map[string]any) string {
	endpoint, _ := at(have[clusterKind], "controlPlaneEndpoint").(string)
	if endpoint == "" || endpointForm.MatchString(endpoint) {
		return endpoint
	}
	port, _ := at(have[initKind], "localAPIEndpoint", "bindPort").(json.Number)
	return hostPort(endpoint) + cmp.Or(port.String(), "6443")
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
