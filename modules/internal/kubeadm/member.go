package kubeadm

import (
	"context"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// sharedKeys are the files that all members of a control plane have alike: kubeadm
// takes those that are there (Kubernetes documentation, "Creating Highly Available
// Clusters with kubeadm", manual certificate distribution). Where the cluster does
// not have one, as with an authority outside, there is none to share.
var sharedKeys = []string{
	caFile,
	"/etc/kubernetes/pki/ca.key",
	"/etc/kubernetes/pki/sa.pub",
	"/etc/kubernetes/pki/sa.key",
	"/etc/kubernetes/pki/front-proxy-ca.crt",
	"/etc/kubernetes/pki/front-proxy-ca.key",
	"/etc/kubernetes/pki/etcd/ca.crt",
	"/etc/kubernetes/pki/etcd/ca.key",
}

// join makes the machine a member of the control plane that the host called
// through is of.
func (c KubeadmControlPlane) join(ctx context.Context, h host.Host, through string) error {
	plane, err := host.Peer(ctx, through)
	if err != nil {
		return err
	}
	found, err := host.Read(ctx, h, machineFile, c.Config, caFile, etcdData)
	if err != nil {
		return err
	}
	init, err := initOf(c.Config, found[1])
	if err != nil {
		return err
	}
	if err := nameFree(ctx, plane, h, init.name, text(found[0])); err != nil {
		return err
	}
	shared, err := host.Read(ctx, plane, sharedKeys...)
	if err != nil {
		return err
	}
	if text(found[2]) != "" && text(found[2]) != text(shared[0]) {
		return fmt.Errorf("%s is there, of another cluster than that of host %s: look at what it is, then take it away with `kubeadm reset`", caFile, through)
	}
	votes, err := c.makeRoom(ctx, plane, init, found[3] != nil)
	if err != nil {
		return err
	}
	if err := snapshotNow(ctx, plane); err != nil {
		return err
	}
	if err := takeKeys(ctx, h, shared); err != nil {
		return err
	}
	hash, err := made{files: map[string]*host.File{caFile: shared[0]}}.caHash()
	if err != nil {
		return fmt.Errorf("on host %s: %w", through, err)
	}
	args := []string{init.name}
	if votes {
		args = append(args, c.Config)
	}
	err = withToken(ctx, plane, init.name, func(token string) error {
		return detached(ctx, h, "join the control plane", script.KubeadmJoinPlane, init.joinConfig(token, c.Endpoint, hash), args...)
	})
	if err != nil {
		return err
	}
	_, err = h.Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", script.KubeadmJoinedPlane, "kplan", c.Config}})
	return err
}

// takeKeys begins the join: it writes the keys that members share, in one call.
func takeKeys(ctx context.Context, h host.Host, shared []*host.File) error {
	ops := []host.Op{
		host.Run{Argv: []string{"/bin/sh", "-c", script.KubeadmBeginPlane, "kplan"}},
		host.MakeDir{Path: "/etc/kubernetes/pki", Mode: 0o755},
		host.MakeDir{Path: "/etc/kubernetes/pki/etcd", Mode: 0o755},
	}
	for _, f := range shared {
		if f == nil {
			continue
		}
		write := host.WriteFile{Path: f.Path, Content: f.Content, Mode: 0o600}
		if strings.HasSuffix(f.Path, ".crt") || strings.HasSuffix(f.Path, ".pub") {
			write.Mode = 0o644
		}
		ops = append(ops, write)
	}
	_, err := h.Do(ctx, ops...)
	return err
}

// leave takes the machine out of the control plane, through the host called
// through: its node, then its member of etcd.
func (c KubeadmControlPlane) leave(ctx context.Context, h host.Host, through string) error {
	plane, err := host.Peer(ctx, through)
	if err != nil {
		return err
	}
	name, err := c.nodeName(ctx, h)
	if err != nil {
		return err
	}
	m, err := c.lookAtEtcd(ctx, plane)
	if err != nil {
		return err
	}
	if err := m.without(name, name+" leaves"); err != nil {
		return err
	}
	if err := snapshotNow(ctx, plane); err != nil {
		return err
	}
	if err := takeOut(ctx, plane, name); err != nil {
		return err
	}
	return m.remove(ctx, plane, name)
}

// nodeName is what a machine is called in the cluster: as its configuration
// says, or else by its host name, in lower case.
func (c KubeadmControlPlane) nodeName(ctx context.Context, h host.Host) (string, error) {
	found, err := host.Read(ctx, h, hostNameNow, c.Config)
	if err != nil {
		return "", err
	}
	return nodeName(c.Config, found[1], found[0]), nil
}

// nodeName is what a machine is called of which these files are.
func nodeName(path string, config, hostName *host.File) string {
	if init, err := initOf(path, config); err == nil {
		return strings.ToLower(init.name)
	}
	return strings.ToLower(text(hostName))
}
