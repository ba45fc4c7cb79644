package kube

import (
	"context"
	"os"
	"path/filepath"
)

// debian is what a node needs of Debian's packages.
var debian = []string{"containerd", "runc", "conntrack", "iptables", "ebtables", "ethtool", "socat", "ipset", "nftables"}

// packages makes the two package repositories, and the tar of a small Debian for images, by a script that runs in a throw-away
// copy of the system that the machines have. The lock of the lab is held.
func (p *Payload) packages(ctx context.Context, site string) error {
	base, err := p.lab.Base(ctx, true)
	if err != nil {
		return err
	}
	work := filepath.Join(site, "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	var paths []string
	for _, name := range []string{"chroot.sh", "packages.sh"} {
		data, err := scripts.ReadFile(name)
		if err != nil {
			return err
		}
		path := filepath.Join(work, name)
		if err := os.WriteFile(path, data, 0o755); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "sh", paths[0], base, p.bin, site, Version}, debian...)
	if _, err := run(ctx, "unshare", args...); err != nil {
		return err
	}
	return os.RemoveAll(work)
}
