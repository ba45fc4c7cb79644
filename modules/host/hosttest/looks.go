package hosttest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// looks are the commands by which a machine is looked at.
var looks = map[string]Command{
	"nproc": nproc,
	"ss":    ss,
	"ip":    ip,
	"df":    df,
	"sed":   sed,
	"grep":  grep,
}

// Clock sets the machine's clock ahead of the one here, or behind.
func Clock(ahead time.Duration) Option { return func(m *Machine) { m.ahead = ahead } }

// Space is how many KiB are free on every file system of the machine.
func Space(kib int) Option { return func(m *Machine) { m.space = kib } }

// Address gives the machine's interface an address, with its prefix.
func Address(prefix string) Option {
	return func(m *Machine) { m.facts.Interfaces = []string{"eth0 " + prefix} }
}

// Listen has a program listen on a TCP port, behind kplan's back.
func (m *Machine) Listen(port int, program string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listens[port] = program
}

// productUUID is where the firmware's identity of the machine stands.
const productUUID = "/sys/class/dmi/id/product_uuid"

// kernel makes the files in which the kernel says what the facts are.
func (m *Machine) kernel() {
	m.proc("/proc/meminfo", fmt.Sprintf("MemTotal:       %d kB\nMemFree:          100000 kB\n", m.facts.MemoryMiB*1024))
	if m.facts.CgroupVersion == 2 {
		m.proc("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	}
	if m.tree[productUUID] == nil {
		id := m.facts.MachineID
		m.proc(productUUID, fmt.Sprintf("%s-%s-%s-%s-%s\n", id[:8], id[8:12], id[12:16], id[16:20], id[20:]))
	}
}

// certify gives a node the certificates that kubeadm and the kubelet make.
func (m *Machine) certify(node string, plane bool) {
	end := time.Now().AddDate(1, 0, 0)
	year := Certificate(end)
	m.put("/var/lib/kubelet/pki/kubelet-client-current.pem", kubeletCertificate(node, end)+"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
	if !plane {
		return
	}
	for _, name := range []string{"apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client"} {
		m.put(kubeDir+"/pki/"+name+".crt", year)
	}
	for _, name := range []string{"front-proxy-ca", "etcd/ca"} {
		m.put(kubeDir+"/pki/"+name+".crt", authority())
	}
	for _, name := range []string{"controller-manager", "scheduler"} {
		m.put(kubeDir+"/"+name+".conf", AdminConf(end))
	}
}

// Certificate is one that is good until its end, as PEM text.
func Certificate(end time.Time) string {
	return selfSigned(authorityKey, "", end)
}

// kubeletCertificate is that by which a kubelet is the node.
func kubeletCertificate(node string, end time.Time) string {
	return selfSigned(authorityKey, "system:node:"+node, end)
}

func selfSigned(key ed25519.PrivateKey, name string, end time.Time) string {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end, Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// AnothersWorker is the files by which a machine is a worker of another cluster.
func AnothersWorker() map[string]string {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]string{
		clusterCA:                 selfSigned(key, "", time.Now().AddDate(10, 0, 0)),
		kubeDir + "/kubelet.conf": "clusters:\n- cluster:\n    server: https://10.9.9.9:6443\n",
		kubeletYAML:               "kind: KubeletConfiguration\n",
	}
}

func nproc(c *Call) host.Output {
	if len(c.Argv) != 1 {
		return c.Unknown()
	}
	return say(fmt.Sprintf("%d\n", c.m.facts.CPUs))
}

// ss lists the TCP sockets that listen, with their processes.
func ss(c *Call) host.Output {
	if len(c.Argv) != 2 || c.Argv[1] != "-ltnp" {
		return c.Unknown()
	}
	out := "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
	for _, port := range slices.Sorted(maps.Keys(c.m.listens)) {
		out += fmt.Sprintf("LISTEN 0      128          0.0.0.0:%d      0.0.0.0:*    users:((%q,pid=%d,fd=3))\n", port, c.m.listens[port], 1000+port)
	}
	return say(out)
}

// ip shows addresses and interfaces in lines, and routes to one address: the
// machine has its own network and a default route.
func ip(c *Call) host.Output {
	args := strings.Join(c.Argv[1:], " ")
	switch {
	case args == "-o addr show":
		out := "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever\n"
		for i, f := range c.m.facts.Interfaces {
			name, prefix, _ := strings.Cut(f, " ")
			out += fmt.Sprintf("%d: %s    inet %s scope global %s\\       valid_lft forever preferred_lft forever\n", i+2, name, prefix, name)
		}
		return say(out)
	case args == "-o link show":
		out := "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
		for i, f := range c.m.facts.Interfaces {
			name, _, _ := strings.Cut(f, " ")
			out += fmt.Sprintf("%d: %s@if%d: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether %s brd ff:ff:ff:ff:ff:ff\n", i+2, name, i+9, c.m.mac(i))
		}
		return say(out)
	case len(c.Argv) != 5 || c.Argv[1] != "-o" || c.Argv[2] != "route" || c.Argv[3] != "get":
		return c.Unknown()
	}
	to, err := netip.ParseAddr(c.Argv[4])
	if err != nil {
		return c.Unknown()
	}
	own := to.IsLoopback()
	for _, f := range c.m.facts.Interfaces {
		_, prefix, _ := strings.Cut(f, " ")
		own = own || netip.MustParsePrefix(prefix).Addr() == to
	}
	switch {
	case own:
		return say(fmt.Sprintf("local %s dev lo src %s uid 0 \\    cache <local> \n", to, to))
	case len(c.m.facts.Interfaces) == 0:
		return fail(2, "RTNETLINK answers: Network is unreachable")
	}
	return say(fmt.Sprintf("%s via 10.0.2.2 dev eth0 src 10.0.2.15 uid 0 \\    cache \n", to))
}

// mac is the address of an interface, of the machine's id.
func (m *Machine) mac(i int) string {
	sum := sha256.Sum256([]byte(m.facts.MachineID))
	return fmt.Sprintf("08:00:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], i)
}

func df(c *Call) host.Output {
	if len(c.Argv) != 3 || c.Argv[1] != "-Pk" {
		return c.Unknown()
	}
	if !c.Exists(c.Argv[2]) {
		return fail(1, "df: "+c.Argv[2]+": "+noEntry)
	}
	return say(fmt.Sprintf("Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/sda1         41943040 %d %d      50%% /\n", 41943040-c.m.space, c.m.space))
}

// sed knows how to show where a kubeconfig leads.
func sed(c *Call) host.Output {
	if len(c.Argv) != 4 || c.Argv[1] != "-n" || c.Argv[2] != "s,^ *server: https://,,p" {
		return c.Unknown()
	}
	text, ok := c.Content(c.Argv[3])
	if !ok {
		return fail(2, "sed: can't read "+c.Argv[3]+": "+noEntry)
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if server, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "server: https://"); ok {
			out.WriteString(server)
		}
	}
	return say(out.String())
}

// showCertificates is script.Certificates.
func showCertificates(c *Call) host.Output {
	var out strings.Builder
	for _, f := range c.Argv[4:] {
		text, ok := c.Content(f)
		if !ok {
			continue
		}
		out.WriteString("# " + f + "\n")
		within := false
		for line := range strings.Lines(text) {
			dashes, begins := strings.HasPrefix(line, "-----"), strings.HasPrefix(line, "-----BEGIN CERT")
			if within || begins {
				out.WriteString(line)
			}
			within = begins || within && !dashes
			if data, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "client-certificate-data: "); ok {
				out.WriteString(data)
			}
		}
	}
	return say(out.String())
}

// grep finds the lines of files and of those right below directories in which a
// key stands.
func grep(c *Call) host.Output {
	if len(c.Argv) < 5 || c.Argv[1] != "-rsE" || c.Argv[3] != "--" || !strings.HasPrefix(c.Argv[2], "^") || !strings.HasSuffix(c.Argv[2], ":") {
		return c.Unknown()
	}
	key := c.Argv[2][1:]
	var out strings.Builder
	missing := false
	for _, p := range c.Argv[4:] {
		files := []string{p}
		switch clean, n, _ := c.m.tree.find(c.path(p), true); {
		case n == nil:
			missing = true
			continue
		case n.kind == host.KindDir:
			files = nil
			for _, name := range c.m.tree.entries(clean) {
				files = append(files, path.Join(p, name))
			}
		}
		for _, f := range files {
			text, _ := c.Content(f)
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, key) {
					out.WriteString(f + ":" + strings.TrimSuffix(line, "\n") + "\n")
				}
			}
		}
	}
	code := 0
	switch {
	case missing:
		code = 2
	case out.Len() == 0:
		code = 1
	}
	return host.Output{Stdout: []byte(out.String()), Code: code}
}
