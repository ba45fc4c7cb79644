package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	netns    = "kplan-lab"
	netnsDir = "/run/netns"
	gateway  = "10.0.2.1"
)

// address of a machine, counted from 0. The first three are those of the tutorials that kplan's examples follow.
func address(i int) string {
	if i == 0 {
		return "10.0.2.15"
	}
	return fmt.Sprintf("10.0.2.%d", 23+i)
}

// maxMachines is how many addresses there are.
const maxMachines = 254 - 23 + 1

// networkUp makes the lab's network: a namespace that holds a bridge. The host's own namespace gets nothing.
func networkUp(ctx context.Context) error {
	if exists(filepath.Join(netnsDir, netns)) {
		return nil
	}
	for _, args := range [][]string{
		{"netns", "add", netns},
		{"-n", netns, "link", "set", "lo", "up"},
		{"-n", netns, "link", "add", "bridge", "address", "02:00:0a:00:02:01", "type", "bridge"},
		{"-n", netns, "addr", "add", gateway + "/24", "dev", "bridge"},
		{"-n", netns, "link", "set", "bridge", "up"},
	} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	// Where the kernel has bridge filtering, frames between machines must not go through this namespace's firewall.
	_, _ = run(ctx, "nsenter", "--net="+netnsDir+"/"+netns, "sh", "-c",
		"for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $f ] || echo 0 >$f; done")
	return nil
}

// networkDown removes it, and the mount that `ip netns` makes for its first namespace if that was the lab's.
func networkDown(ctx context.Context, dropDir bool) error {
	if exists(filepath.Join(netnsDir, netns)) {
		if _, err := run(ctx, "ip", "netns", "del", netns); err != nil {
			return err
		}
	}
	if left, err := os.ReadDir(netnsDir); dropDir && err == nil && len(left) == 0 {
		if _, err := run(ctx, "umount", netnsDir); err != nil {
			return err
		}
		return os.Remove(netnsDir)
	}
	return nil
}

// InNetwork returns the command line that runs another in the lab's network, and changes nothing else: `ip netns exec`
// would also take a mount namespace and a new /sys without cgroups, from which no machine can be started.
func (l *Lab) InNetwork(args ...string) ([]string, error) {
	if !l.Running() {
		return nil, errors.New("the lab is down; bring it up first")
	}
	return append([]string{"nsenter", "--net=" + filepath.Join(netnsDir, netns), "--"}, args...), nil
}
