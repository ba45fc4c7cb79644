package hosttest

import (
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// commands are what every machine knows.
var commands = merged(coreutils, shells, packaging, kmod, runtimes, looks, map[string]Command{
	"kubectl": kubectl,
	"kubeadm": kubeadm,

	"kplan-etcd":      kplanEtcd,
	"systemd-analyze": systemdAnalyze,

	"systemctl": systemctl,
	"swapon":    swapon,
	"swapoff":   swapoff,
	"mkswap":    mkswap,
	"fallocate": fallocate,
})

const (
	swaps       = "/proc/swaps"
	swapsHeader = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
)

// swapon knows one file or device, and -a: those that fstab(5) names.
func swapon(c *Call) host.Output {
	opts, areas := options(c.Argv[1:])
	if !only(opts, "-a") || len(opts)+len(areas) != 1 {
		return c.Unknown()
	}
	c.Change()
	if len(opts) == 1 {
		text, _ := c.Content("/etc/fstab")
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); len(f) > 2 && f[0][0] != '#' && f[2] == "swap" {
				areas = append(areas, f[0])
			}
		}
	}
	for _, area := range areas {
		if !c.Exists(area) {
			return fail(255, "swapon: cannot open "+area+": "+noEntry)
		}
		n := c.m.tree[swaps]
		if !strings.Contains(string(n.content), "\n"+area+"\t") {
			n.content = append(n.content, area+"\tfile\t\t8188\t\t0\t\t-2\n"...)
		}
	}
	return host.Output{}
}

func swapoff(c *Call) host.Output {
	if len(c.Argv) != 2 || c.Argv[1] != "-a" {
		return c.Unknown()
	}
	c.Change()
	c.m.tree[swaps].content = []byte(swapsHeader)
	return host.Output{}
}

func mkswap(c *Call) host.Output {
	if len(c.Argv) != 2 || !c.Exists(c.Argv[1]) {
		return c.Unknown()
	}
	c.Change()
	return host.Output{}
}

func fallocate(c *Call) host.Output {
	if len(c.Argv) != 4 || c.Argv[1] != "-l" {
		return c.Unknown()
	}
	if err := c.Write(c.Argv[3], ""); err != nil {
		return fail(1, "fallocate: cannot open "+err.Error())
	}
	return host.Output{}
}
