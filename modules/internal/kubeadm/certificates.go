package kubeadm

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

// This file is the certificates of a node, and when they end: those of a year
// that kubeadm makes, the authorities that it makes for ten, and the kubelet's
// own (Kubernetes documentation, "Certificate Management with kubeadm").

const kubeletCert = "/var/lib/kubelet/pki/kubelet-client-current.pem" // with its key, which is not read

// nearEnd is how long before its end a certificate is told of.
const nearEnd = 30 * 24 * time.Hour

// keeper is who renews a certificate.
type keeper struct{ name, advice string }

var (
	byUser = keeper{"certificates", "Run `kubeadm certs renew all` on the machine, then restart its static pods."}
	byHand = keeper{"authorities", "kubeadm does not renew an authority, and with it ends all that it has signed: replace it before, by hand, on all machines of the cluster " +
		"(kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates)."}
	byKubelet = keeper{"certificate of the kubelet", "The kubelet renews it by itself where it can: `journalctl -u kubelet` on the machine says why it does not."}
)

// certificateFile is a file with a certificate.
type certificateFile struct {
	path string
	name string
	full string // where it is the one that is told; "" for its name
	by   keeper
}

// certificates are the files with them, by the names that kubeadm has for them
// (kubeadm certs check-expiration). Of those that end together, the first is told.
var certificates = []certificateFile{
	{"/etc/kubernetes/pki/apiserver.crt", "apiserver", "of the API server", byUser},
	{"/etc/kubernetes/pki/apiserver-etcd-client.crt", "apiserver-etcd-client", "", byUser},
	{"/etc/kubernetes/pki/apiserver-kubelet-client.crt", "apiserver-kubelet-client", "", byUser},
	{"/etc/kubernetes/pki/etcd/healthcheck-client.crt", "etcd-healthcheck-client", "", byUser},
	{"/etc/kubernetes/pki/etcd/peer.crt", "etcd-peer", "", byUser},
	{"/etc/kubernetes/pki/etcd/server.crt", "etcd-server", "", byUser},
	{"/etc/kubernetes/pki/front-proxy-client.crt", "front-proxy-client", "", byUser},
	{adminFile, "admin.conf", "in " + adminFile, byUser},
	{"/etc/kubernetes/controller-manager.conf", "controller-manager.conf", "in /etc/kubernetes/controller-manager.conf", byUser},
	{"/etc/kubernetes/scheduler.conf", "scheduler.conf", "in /etc/kubernetes/scheduler.conf", byUser},
	{"/etc/kubernetes/super-admin.conf", "super-admin.conf", "in /etc/kubernetes/super-admin.conf", byUser},
	{caFile, "ca", "of the authority ca", byHand},
	{"/etc/kubernetes/pki/etcd/ca.crt", "etcd-ca", "of the authority etcd-ca", byHand},
	{"/etc/kubernetes/pki/front-proxy-ca.crt", "front-proxy-ca", "of the authority front-proxy-ca", byHand},
	{kubeletCert, "kubelet", "of the kubelet", byKubelet},
}

// askCertificates reads them, and no key.
func askCertificates() host.Op {
	argv := []string{"sh", "-c", script.Certificates, "kplan"}
	for _, c := range certificates {
		argv = append(argv, c.path)
	}
	return host.Query{Argv: argv, AnyExit: true}
}

// endsOf reads the answer to askCertificates, by path. What holds no certificate
// has none.
func endsOf(out string) map[string]time.Time {
	ends := map[string]time.Time{}
	for part := range strings.SplitSeq("\n"+out, "\n# ") {
		path, text, _ := strings.Cut(part, "\n")
		if data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil { // in a kubeconfig
			text = string(data)
		}
		if cert := certificate(text); cert != nil {
			ends[path] = cert.NotAfter
		}
	}
	return ends
}

// expiring finds the certificates that are near their end: of those that are
// renewed in one way, the one that ends first, and which others do.
func (m *machine) expiring(add func(resource.Finding)) {
	for _, by := range []keeper{byUser, byHand, byKubelet} {
		var near []certificateFile
		for _, c := range certificates {
			if end, ok := m.ends[c.path]; ok && c.by == by && end.Sub(m.Now) <= nearEnd {
				near = append(near, c)
			}
		}
		if len(near) == 0 {
			continue
		}
		first := slices.MinFunc(near, func(a, b certificateFile) int { return m.ends[a.path].Compare(m.ends[b.path]) })
		end, word, rest := m.ends[first.path], "ends", ""
		if !end.After(m.Now) {
			word = "ended"
		}
		var others []string
		for _, c := range near {
			if c.path != first.path {
				others = append(others, c.name)
			}
		}
		switch len(others) {
		case 0:
		case 1:
			rest = ", and another is near its end or past it: " + others[0]
		default:
			rest = fmt.Sprintf(", and %d others are near their end or past it: %s", len(others), strings.Join(others, ", "))
		}
		add(resource.Finding{
			Name: by.name, Advice: by.advice,
			Msg: fmt.Sprintf("the certificate %s %s on %s%s", cmp.Or(first.full, first.name), word, end.UTC().Format("2006-01-02 15:04 MST"), rest),
		})
	}
}
