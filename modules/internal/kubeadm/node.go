package kubeadm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// What kubeadm makes of a machine, and, beside it, what kplan remembers of
// that: see package script.
const (
	begunFile         = script.KubeadmBegun
	sumsFile          = script.KubeadmSums
	adminFile         = "/etc/kubernetes/admin.conf"
	kubeletFile       = "/etc/kubernetes/kubelet.conf"
	kubeletConfigFile = "/var/lib/kubelet/config.yaml"
	caFile            = "/etc/kubernetes/pki/ca.crt"
	apiserverFile     = "/etc/kubernetes/manifests/kube-apiserver.yaml"
	managerFile       = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
	schedulerFile     = "/etc/kubernetes/manifests/kube-scheduler.yaml"
	etcdFile          = "/etc/kubernetes/manifests/etcd.yaml"
)

// What tells who the machine is.
const (
	hostNameNow = "/proc/sys/kernel/hostname"
	machineFile = "/etc/machine-id"
)

// manifestFiles are the static pods of a control plane.
var manifestFiles = []string{apiserverFile, managerFile, schedulerFile, etcdFile}

// made is what kubeadm left on a machine.
type made struct {
	files map[string]*host.File // by path; nil for what is not there
	begun bool                  // and not ended
	// As the machine and its cluster tell, which may tell nothing.
	stopped bool // the kubelet
	gone    bool // the node of the machine
}

// look reads files of kubeadm's, with kplan's own, what becomes of the kubelet
// and, of a worker, of its node, in one call. Of files with keys in them, it reads
// the digest only.
func look(ctx context.Context, h host.Host, paths ...string) (made, error) {
	all := append([]string{begunFile, sumsFile, caFile, kubeletFile, kubeletConfigFile}, paths...)
	ops := make([]host.Op, len(all))
	for i, p := range all {
		read := host.ReadFile{Path: p}
		if p == adminFile || p == kubeletFile {
			read.Limit = 1
		}
		ops[i] = read
	}
	res, err := h.Do(ctx, append(ops, kubeletNow, host.Query{Argv: []string{"/bin/sh", "-c", script.NodeAsked, "kplan"}, AnyExit: true}, askIdentity)...)
	if err != nil {
		return made{}, err
	}
	m := made{files: map[string]*host.File{}}
	for i, p := range all {
		m.files[p] = res[i].File
	}
	m.begun = m.files[begunFile] != nil
	m.stopped = stopped(res[len(all)].Output)
	if name, gone := strings.CutPrefix(lastLine(res[len(all)+1].Output.Stdout), "gone "); gone {
		m.gone = isNode(string(res[len(all)+2].Output.Stdout), name)
	}
	return m, nil
}

// askIdentity reads the certificate by which the kubelet is a node, and no key.
var askIdentity = host.Query{Argv: []string{"sh", "-c", script.Certificates, "kplan", kubeletCert}, AnyExit: true}

// isNode reports whether a kubelet's certificate, the answer to askIdentity, is of
// the node called name (Kubernetes documentation, "Using Node Authorization"). The
// machine may be called otherwise than its node.
func isNode(answer, name string) bool {
	cert := certificate(answer)
	return cert != nil && cert.Subject.CommonName == "system:node:"+name
}

// kubeletNow asks the service manager what the kubelet does.
var kubeletNow = host.Query{Argv: []string{"systemctl", "show", "--property=ActiveState,Job", "kubelet.service"}, AnyExit: true}

// stopped reports whether the kubelet is stopped and stays so. One that ends and
// is started again and again is not, nor one that waits for its turn while the
// machine starts, which has a job (systemctl(1), org.freedesktop.systemd1(5)).
func stopped(out host.Output) bool {
	is := map[string]string{}
	for line := range strings.Lines(string(out.Stdout)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		is[name] = value
	}
	return (is["ActiveState"] == "inactive" || is["ActiveState"] == "failed") && is["Job"] == ""
}

// intact reports whether the files that kplan noted the digests of are as they
// were then. Where it noted none, nothing can be said against them.
func (m made) intact() bool {
	sums := m.files[sumsFile]
	if sums == nil {
		return true
	}
	for line := range strings.Lines(string(sums.Content)) {
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if f, read := m.files[path]; read && digest(f) != sum {
			return false
		}
	}
	return true
}

// noted is the digest of a file that kplan noted; "" where it noted none.
func (m made) noted(path string) string {
	for line := range strings.Lines(text(m.files[sumsFile])) {
		if sum, of, _ := strings.Cut(strings.TrimSpace(line), "  "); of == path {
			return sum
		}
	}
	return ""
}

func digest(f *host.File) string {
	switch {
	case f == nil:
		return ""
	case f.SHA256 != "":
		return f.SHA256
	}
	sum := sha256.Sum256(f.Content)
	return hex.EncodeToString(sum[:])
}

// caHash is the hash of the cluster's authority that joins pin, in the form of
// kubeadm: of the certificate's public key.
func (m made) caHash() (string, error) {
	f := m.files[caFile]
	if f == nil {
		return "", errors.New("the machine has no " + caFile)
	}
	hash := pinned(string(f.Content))
	if hash == "" {
		return "", errors.New(caFile + " on the machine holds no certificate")
	}
	return hash, nil
}

// standing reports whether all of paths are there; where only some are, and
// kplan has not begun to make them, that is an error.
func (m made) standing(paths ...string) (bool, error) {
	if m.begun {
		return false, nil
	}
	var there, not []string
	for _, p := range paths {
		if m.files[p] != nil {
			there = append(there, p)
		} else {
			not = append(not, p)
		}
	}
	if len(there) == 0 {
		return false, nil
	}
	if len(not) > 0 && !slices.ContainsFunc(not, func(p string) bool { return slices.Contains(manifestFiles, p) && m.files[sumsFile] != nil }) {
		return false, fmt.Errorf("a cluster was left half made here: %s is there and %s is not. Look at what it is; `kubeadm reset` on the machine takes it away", there[0], not[0])
	}
	return true, nil
}

func text(f *host.File) string {
	if f == nil {
		return ""
	}
	return strings.TrimSpace(string(f.Content))
}
