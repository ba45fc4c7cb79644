package kubeadm

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is how a machine is looked at before it becomes a node, and while
// it is one.

// machine is what was seen of one; what could not be seen is zero.
type machine struct {
	resource.Situation
	plane    bool // it is to be of the control plane
	standing bool // it is a node already
	begun    bool // it was on the way to one
	config   string
	memory   int // KiB
	cpus     int
	swap     []string
	cgroupV1 bool
	ports    map[int]string // that are listened on → by whom
	foreign  bool           // the address is not the machine's
	mac      string         // of the interface with the address
	product  string
	space    int                  // KiB on the file system of /var/lib; -1 where it is not known
	ends     map[string]time.Time // of certificates, by path

	// Only where it is to be of the control plane:
	etcd   host.Output // an answer to askMembers
	made   made        // what an older cluster left, and kplan's own
	server string      // where its administrator reaches the cluster, or a worker does
}

// inspect looks at a machine in one call. config is a file with a
// KubeletConfiguration, which need not be there; plane tells whether the machine
// is to be of the control plane.
func inspect(ctx context.Context, h host.Host, s resource.Situation, config string, plane bool) (*machine, error) {
	ask := func(argv ...string) host.Op { return host.Query{Argv: argv, AnyExit: true} }
	if config == "" { // not known yet
		config = kubeletConfigFile
	}
	address := "127.0.0.1"
	ip, err := netip.ParseAddr(s.Address)
	if err == nil {
		address = ip.String()
	}
	ops := []host.Op{
		host.ReadFile{Path: begunFile},
		host.ReadFile{Path: kubeletFile, Limit: 1},
		host.ReadFile{Path: config},
		host.ReadFile{Path: "/proc/meminfo"},
		host.ReadFile{Path: "/proc/swaps"},
		host.ReadFile{Path: "/sys/fs/cgroup/cgroup.controllers"},
		askCertificates(),
		ask("nproc"),
		ask("ss", "-ltnp"),
		ask("ip", "-o", "route", "get", address),
		ask("ip", "-o", "addr", "show"),
		ask("ip", "-o", "link", "show"),
		ask("cat", "/sys/class/dmi/id/product_uuid"),
		ask("df", "-Pk", "/var/lib"),
	}
	if plane {
		ops = append(append(ops, askMembers()), askLeftovers()...)
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return nil, err
	}
	m := &machine{Situation: s, plane: plane}
	m.begun = res[0].File != nil
	m.standing = res[1].File != nil && !m.begun
	if f := res[2].File; f != nil {
		m.config = string(f.Content)
	}
	m.memory = memTotal(text(res[3].File))
	m.swap = swapAreas(text(res[4].File))
	m.cgroupV1 = res[5].File == nil
	m.ends = endsOf(string(res[6].Output.Stdout))
	m.cpus, _ = strconv.Atoi(strings.TrimSpace(string(res[7].Output.Stdout)))
	m.ports = listening(string(res[8].Output.Stdout))
	m.foreign = ip.IsValid() && foreign(res[9].Output)
	m.mac = macOf(ip, string(res[10].Output.Stdout), string(res[11].Output.Stdout))
	m.product = strings.ToLower(strings.TrimSpace(string(res[12].Output.Stdout)))
	m.space = available(string(res[13].Output.Stdout))
	if plane {
		m.etcd = res[14].Output
		m.left(res[15:], res[1].File)
	}
	return m, nil
}

// memTotal reads proc_meminfo(5), in KiB.
func memTotal(meminfo string) int {
	for line := range strings.Lines(meminfo) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// swapAreas reads proc_swaps(5).
func swapAreas(swaps string) (areas []string) {
	for line := range strings.Lines(swaps) {
		if f := strings.Fields(line); len(f) == 5 && f[0] != "Filename" {
			areas = append(areas, f[0])
		}
	}
	slices.Sort(areas)
	return areas
}

var process = regexp.MustCompile(`users:\(\("([^"]*)"`)

// listening reads "ss -ltnp", ss(8): State, two queues, the local address with
// its port, the peer's, and the processes where they may be seen, of which the
// first is told.
func listening(out string) map[int]string {
	ports := map[int]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] != "LISTEN" {
			continue
		}
		port, err := strconv.Atoi(f[3][strings.LastIndexByte(f[3], ':')+1:])
		if err != nil {
			continue
		}
		by := ""
		if p := process.FindStringSubmatch(line); p != nil {
			by = p[1]
		}
		if ports[port] == "" {
			ports[port] = by
		}
	}
	return ports
}

// foreign reads the answer of "ip -o route get", ip-route(8): the machine's own
// addresses are of type local. One without a route ends it with 2.
func foreign(out host.Output) bool {
	return out.Code == 2 || out.Code == 0 && len(out.Stdout) > 0 && !strings.HasPrefix(string(out.Stdout), "local ")
}

// macOf reads "ip -o addr show" and "ip -o link show": the link-layer address
// of the interface that has an address.
func macOf(ip netip.Addr, addrs, links string) string {
	name := ""
	for line := range strings.Lines(addrs) {
		if f := strings.Fields(line); len(f) > 3 {
			if p, err := netip.ParsePrefix(f[3]); err == nil && p.Addr() == ip {
				name = f[1]
			}
		}
	}
	for line := range strings.Lines(links) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		is, _, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
		if i := slices.Index(f, "link/ether"); name != "" && is == name && i > 0 && i+1 < len(f) {
			return f[i+1]
		}
	}
	return ""
}

// available reads "df -Pk", df(1).
func available(out string) int {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if f := strings.Fields(lines[len(lines)-1]); len(lines) == 2 && len(f) >= 6 {
		if n, err := strconv.Atoi(f[3]); err == nil {
			return n
		}
	}
	return -1
}
