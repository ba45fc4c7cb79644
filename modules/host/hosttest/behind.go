package hosttest

import (
	"io/fs"
	"path"

	"github.com/kplan/kplan/modules/host"
)

// Put writes a file behind kplan's back, with mode 0644, making the
// directories it needs. It keeps mode and owner of a file that is there.
func (m *Machine) Put(p, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(p, content)
}

// PutAs is Put with a mode and numeric owner.
func (m *Machine) PutAs(p, content string, mode fs.FileMode, uid, gid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(p, content)
	n := m.tree[path.Clean(p)]
	n.mode, n.uid, n.gid = mode, uid, gid
}

// PutDir makes a directory and its parents behind kplan's back.
func (m *Machine) PutDir(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putDir(p)
}

// PutLink makes a symbolic link behind kplan's back.
func (m *Machine) PutLink(p, target string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putDir(path.Dir(p))
	m.tree[path.Clean(p)] = &node{kind: host.KindSymlink, mode: 0o777, target: target}
}

// RemoveAll removes what stands at p and below, behind kplan's back.
func (m *Machine) RemoveAll(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removeAll(p)
}

// File is what stands at p, with its content whatever its size; nil where
// nothing does.
func (m *Machine) File(p string) *host.File {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.readFile(host.ReadFile{Path: p, Limit: 1 << 40, List: true})
}

// Content is the content of the file at p; "" where there is none.
func (m *Machine) Content(p string) string {
	if f := m.File(p); f != nil {
		return string(f.Content)
	}
	return ""
}

func (m *Machine) put(p, content string) {
	p = path.Clean(p)
	m.putDir(path.Dir(p))
	if n := m.tree[p]; n != nil && n.kind == host.KindFile {
		n.content = []byte(content)
		return
	}
	m.tree[p] = &node{kind: host.KindFile, mode: 0o644, content: []byte(content)}
}

// proc makes a file that only commands write.
func (m *Machine) proc(p, content string) {
	m.put(p, content)
	m.tree[p].proc = true
}

func (m *Machine) putDir(p string) {
	for p = path.Clean(p); m.tree[p] == nil; p = path.Dir(p) {
		m.tree[p] = &node{kind: host.KindDir, mode: 0o755}
	}
}

func (m *Machine) removeAll(p string) {
	p = path.Clean(p)
	for q := range m.tree {
		if q == p || len(q) > len(p) && q[:len(p)+1] == p+"/" {
			delete(m.tree, q)
		}
	}
}

// bare puts on the machine what a fresh installation has.
func bare(m *Machine) {
	for _, d := range []string{
		"/etc", "/etc/sysctl.d", "/etc/apt/sources.list.d", "/etc/systemd/system", "/lib/systemd/system", "/home/vagrant", "/opt", "/root", "/run", "/tmp", "/usr/bin", "/var",
		"/usr/local/bin", "/var/lib", "/var/log", "/sys/block",
	} {
		m.putDir(d)
	}
	m.tree["/var/run"] = &node{kind: host.KindSymlink, mode: 0o777, target: "/run"}
	m.tree["/tmp"].mode = 0o777 | fs.ModeSticky
	m.tree["/root"].mode = 0o700
	m.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nvagrant:x:1000:1000::/home/vagrant:/bin/bash\n")
	m.put("/etc/group", "root:x:0:\ndaemon:x:1:\nadm:x:4:\nvagrant:x:1000:\nnogroup:x:65534:\n")
	m.put("/etc/fstab", "UUID=11 / ext4 errors=remount-ro 0 1\n")
	m.put("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	m.put("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
	m.put("/lib/modules/"+m.facts.Kernel+"/modules.builtin", "kernel/fs/overlayfs/overlay.ko\n")
	m.put("/lib/modules/"+m.facts.Kernel+"/modules.dep", "kernel/net/bridge/br_netfilter.ko:\nkernel/drivers/block/loop.ko:\nkernel/net/netfilter/xt_tcp-udp.ko:\n")
	m.proc(swaps, swapsHeader)
	m.proc("/proc/sys/net/ipv4/ip_forward", "0\n")
	m.proc("/proc/sys/net/ipv4/ping_group_range", "1\t0\n")
	m.proc("/proc/sys/vm/swappiness", "60\n")
}
