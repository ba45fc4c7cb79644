package kubeadm

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what a node needs of its machine, as kubeadm's own checks have
// it (kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm
// and kubeadm's preflight), and what threatens one that is there.

// Inspect implements resource.Inspector.
func (c KubeadmControlPlane) Inspect(ctx context.Context, h host.Host, s resource.Situation) ([]resource.Finding, error) {
	m, err := inspect(ctx, h, s, c.Config, true)
	if err != nil {
		return nil, err
	}
	list := append(append(m.findings(), m.leftovers(c.Endpoint)...), c.orphans(m.etcd)...)
	if m.cgroupV1 && minor(c.Version) >= 35 && !m.says("failCgroupV1") {
		list = append(list, resource.Finding{
			Name: "cgroup version", Error: true, Resolved: "path " + c.Config,
			Msg: fmt.Sprintf("control groups are of version 1, which the kubelet of Kubernetes %s refuses", c.Version),
			Advice: "Boot the machine with version 2 (systemd.unified_cgroup_hierarchy=1 on the kernel's command line), or write failCgroupV1: false " +
				"into the KubeletConfiguration of " + c.Config + ".",
		})
	}
	return list, nil
}

// Inspect implements resource.Inspector.
func (j KubeadmJoin) Inspect(ctx context.Context, h host.Host, s resource.Situation) ([]resource.Finding, error) {
	m, err := inspect(ctx, h, s, kubeletConfigFile, false)
	if err != nil {
		return nil, err
	}
	return m.findings(), nil
}

const (
	leastMemory = 1700 * 1024          // KiB; kubeadm's ControlPlaneMem
	goodMemory  = 2_000_000_000 / 1024 // KiB; the documentation's 2 GB
	leastSpace  = 2 * 1024 * 1024      // KiB
)

// findings are those of any node. What a machine must have to become one does
// not matter where it is one.
func (m *machine) findings() (list []resource.Finding) {
	add := func(f resource.Finding) { list = append(list, f) }
	if len(m.swap) > 0 && !m.says("failSwapOn") {
		add(resource.Finding{
			Name: "swap", Resolved: "swap",
			Msg:    "swap is on (" + strings.Join(m.swap, ", ") + "), with which the kubelet does not start",
			Advice: "Turn it off by a resource swap with enabled = false, which this one depends on, or write failSwapOn: false into the KubeletConfiguration.",
		})
	}
	if m.space >= 0 && m.space < leastSpace {
		add(resource.Finding{
			Name:   "space",
			Msg:    fmt.Sprintf("the file system of /var/lib has %.1f GiB of free space, less than 2 GiB", float64(m.space)/(1<<20)),
			Advice: "Images, pods and etcd live there: make room, or the kubelet will evict pods.",
		})
	}
	m.unique(add)
	if m.standing {
		m.expiring(add)
		return list
	}
	switch {
	case m.plane && m.memory > 0 && m.memory < leastMemory:
		add(resource.Finding{
			Name: "memory", Error: true,
			Msg:    fmt.Sprintf("there are %d MiB of memory, and kubeadm makes no control plane with less than %d", m.memory/1024, leastMemory/1024),
			Advice: "Give the machine 2 GB or more.",
		})
	case m.memory > 0 && m.memory < goodMemory:
		add(resource.Finding{
			Name:   "memory",
			Msg:    fmt.Sprintf("there are %d MiB of memory, which leave little to pods", m.memory/1024),
			Advice: "Kubernetes asks for 2 GB a machine or more.",
		})
	}
	if m.plane && m.cpus == 1 {
		add(resource.Finding{
			Name: "cpus", Error: true,
			Msg:    "there is 1 CPU, and kubeadm makes no control plane with less than 2",
			Advice: "Give the machine another one.",
		})
	}
	if used := m.used(); len(used) > 0 && !m.begun {
		add(resource.Finding{
			Name: "ports", Error: true,
			Msg:    "something listens on what Kubernetes needs: " + strings.Join(used, ", "),
			Advice: "Stop it, or move it to other ports (`ss -ltnp` on the machine shows them).",
		})
	}
	if m.foreign {
		add(resource.Finding{
			Name: "address", Error: m.plane,
			Msg:    fmt.Sprintf("the address %s of its host block is none of the machine's", m.Address),
			Advice: "The nodes talk to each other at that address: write one that `ip addr` shows there, and say by connection.host where SSH reaches the machine.",
		})
	}
	if m.cgroupV1 && !m.says("failCgroupV1") {
		add(resource.Finding{
			Name:   "cgroup version",
			Msg:    "control groups are of version 1, which Kubernetes no longer develops and its kubelet refuses from 1.35 on, unless its configuration says failCgroupV1: false",
			Advice: "Boot the machine with version 2.",
		})
	}
	return list
}

// unique are the values by which Kubernetes tells machines from each other.
// Nodes that are there are only compared with those to come.
func (m *machine) unique(add func(resource.Finding)) {
	for _, v := range []struct{ name, value, advice string }{
		{"product_uuid", m.product, "Kubernetes may take them for one machine: copies of a virtual machine need a UUID of their own."},
		{"MAC address", m.mac, "They cannot be on one network: give each copy of a virtual machine one of its own."},
	} {
		f := resource.Finding{Name: v.name, Unique: v.value}
		if !m.standing {
			f.Msg, f.Advice = "the "+v.name+" is the same: "+v.value, v.advice
		}
		if v.value != "" {
			add(f)
		}
	}
}

var bindPort = regexp.MustCompile(`(?m)^\s*["']?bindPort["']?\s*:\s*([0-9]+)\s*$`)

// used are the ports that a node needs and that are in use.
func (m *machine) used() (list []string) {
	need := []int{10250}
	if m.plane {
		need = []int{2379, 2380, 6443, 10250, 10257, 10259}
		if p := bindPort.FindStringSubmatch(m.config); p != nil {
			need[2], _ = strconv.Atoi(p[1])
		}
	}
	for _, p := range need {
		by, taken := m.ports[p]
		if !taken {
			continue
		}
		text := fmt.Sprintf("port %d", p)
		if by != "" {
			text += " (" + by + ")"
		}
		list = append(list, text)
	}
	return list
}

// says reports whether the configuration that is there sets a field to false.
func (m *machine) says(field string) bool {
	return regexp.MustCompile(`(?m)^[^#\n]*\b` + field + `["']?\s*:\s*false\b`).MatchString(m.config)
}

// minor is the second part of a version; 0 where it has none.
func minor(version string) int {
	_, rest, _ := strings.Cut(version, ".")
	n, _, _ := strings.Cut(rest, ".")
	v, _ := strconv.Atoi(n)
	return v
}
