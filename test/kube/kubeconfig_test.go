package kube

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/test/lab"
)

// accesses are two kubeconfigs beside that of root on the control plane: of a user of a worker who has one already, and of root
// on a machine that is not of the cluster.
const accesses = `
resource "kubeconfig" "dev" {
  on      = host.k8s-node2
  path    = "/home/dev/.kube/config"
  user    = "dev"
  name    = "gulimall"
  cluster = module.cluster.access
}

resource "kubeconfig" "outside" {
  on      = host.k8s-node3
  path    = "/root/.kube/config"
  cluster = module.cluster.access
}
`

// devs is what the user has.
const devs = `# The clusters of dev. Ask before you change anything here!
apiVersion: v1
kind: Config
preferences: {}
clusters:
  # the old one, in the basement
  - name: 'basement'
    cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}

contexts:
  - context: {cluster: basement, user: dev, namespace: shop}
    name: basement   # by hand
current-context: basement
users:
  - name: dev
    user:
      token: "it's \"secret\""
# the end`

// TestKubeconfig gives access to a cluster of two machines, on them and on a third one.
func TestKubeconfig(t *testing.T) {
	c := newCluster(t, 10*time.Minute)
	s := newSpec(t, c)
	s.Write("access.kplan.hcl", accesses)
	s.change(s.text, "address = \"10.0.2.25\"\n  roles   = [\"worker\"]", "address = \"10.0.2.25\"")
	second := s.machines[1]
	s.ssh(second, devs, "useradd -m dev && install -d -m 700 -o dev -g dev /home/dev/.kube && "+
		"install -m 600 -o dev -g dev /dev/stdin /home/dev/.kube/config")
	s.secretly(1)
	s.stage("a cluster of two, and three have access")
	s.haveAccess()
	s.still()
	s.onlyEntries()
	s.renewed()
	s.stage("what was changed and what was about to end is repaired")
	s.noAccess()
}

// asDev runs kubectl as the user.
func (s *spec) asDev(args string) string {
	s.t.Helper()
	return s.ssh(s.machines[1], "", "su -s /bin/sh - dev -c 'kubectl "+args+"'")
}

// haveAccess has all of them speak to the cluster, without saying where their kubeconfig is.
func (s *spec) haveAccess() {
	s.t.Helper()
	first, third := s.machines[0], s.machines[2]
	s.ssh(third, s.ssh(first, "", "cat /usr/bin/kubectl"), "cat >/usr/local/bin/kubectl && chmod 755 /usr/local/bin/kubectl")
	for who, got := range map[string]string{
		"dev":                       s.asDev("--context gulimall get nodes -o name"),
		"root on the control plane": s.ssh(first, "", "kubectl get nodes -o name"),
		"root outside":              s.ssh(third, "", "kubectl get nodes -o name"),
	} {
		if want := []string{"node/k8s-node1", "node/k8s-node2"}; !slices.Equal(strings.Fields(got), want) {
			s.t.Errorf("%s sees %q, want %q", who, got, want)
		}
	}
	if got := strings.TrimSpace(s.asDev("config current-context")); got != "basement" {
		s.t.Errorf("the current context is %q", got)
	}
	for _, f := range []struct {
		m    *lab.Machine
		path string
		want string
	}{
		{first, "/root/.kube/config", "600 root:root\n"},
		{s.machines[1], "/home/dev/.kube/config", "600 dev:dev\n"},
		{s.machines[1], "/home/dev/.kube/config.kplan.bak", "600 dev:dev\n"},
		{third, "/root/.kube/config", "600 root:root\n"},
		{third, "/root/.kube", "700 root:root\n"},
	} {
		if got := s.ssh(f.m, "", "stat -c '%a %U:%G' "+f.path); got != f.want {
			s.t.Errorf("%s of %s is %q, want %q", f.path, f.m.Name, got, f.want)
		}
	}
}

// onlyEntries wants the lines of the old file in the new one, in their order, and beside them those of three entries; and a second
// apply to leave the file alone.
func (s *spec) onlyEntries() {
	s.t.Helper()
	const look = "stat -c %i:%Y /home/dev/.kube/config; cat /home/dev/.kube/config"
	second := s.machines[1]
	before := s.ssh(second, "", look)
	_, text, _ := strings.Cut(before, "\n")
	old := strings.Split(devs, "\n")
	var more []string
	for _, line := range strings.Split(text, "\n") {
		if len(old) > 0 && line == old[0] {
			old = old[1:]
		} else {
			name, _, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
			more = append(more, name+strings.Repeat("+", strings.Count(line, "gulimall")))
		}
	}
	want := []string{"-", "certificate-authority-data:", "server:", "name:+", "-", "cluster:+", "user:+", "name:+", "-+", "user:", "client-certificate-data:", "client-key-data:"}
	if len(old) > 0 || !slices.Equal(more, want) {
		s.t.Errorf("of the old file %q is missing, new is %q", old, more)
	}
	s.Want(0, "apply", "--auto-approve")
	if after := s.ssh(second, "", look); after != before {
		s.t.Error("a second apply wrote the file again")
	}
}

// renewed changes what is there by hand, has the control plane's credentials be about to end, and wants all of it repaired.
func (s *spec) renewed() {
	s.t.Helper()
	first, second, third := s.machines[0], s.machines[1], s.machines[2]
	s.ssh(second, "", "sed -i s/10.0.2.15/10.9.9.9/ /home/dev/.kube/config")
	s.ssh(third, "", "chmod 644 /root/.kube/config")
	short := s.ends(first, time.Now().Add(5*24*time.Hour))
	s.ssh(first, "", "kubectl --kubeconfig=/etc/kubernetes/admin.conf config set users.kubernetes-admin.client-certificate-data "+short+
		" && sed -i 's|client-certificate-data: .*|client-certificate-data: "+short+"|' /root/.kube/config")
	// The key in that file is of the same pair, as it was copied from there.
	want := []string{
		"kubeconfig.dev@k8s-node2", "kubeconfig.outside@k8s-node3", "module.cluster.kubeconfig.root@k8s-node1",
	}
	if got := s.drifted(); !slices.Equal(got, want) {
		s.t.Errorf("changed behind kplan's back:\n%q, want\n%q", got, want)
	}
	s.Want(0, "apply", "--auto-approve")
	if admin := s.ssh(first, "", "cat /etc/kubernetes/admin.conf /root/.kube/config"); strings.Contains(admin, short) {
		s.t.Error("the certificate that is about to end is still there")
	}
	s.haveAccess()
	s.still()
}

// ends is the administrator's certificate with another end, in base64 of PEM.
func (s *spec) ends(plane *lab.Machine, end time.Time) string {
	s.t.Helper()
	block := func(command string) []byte {
		b, _ := pem.Decode([]byte(s.ssh(plane, "", command)))
		if b == nil {
			s.t.Fatalf("%s gives no PEM", command)
		}
		return b.Bytes
	}
	ca, err := x509.ParseCertificate(block("cat /etc/kubernetes/pki/ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(block("sed -n 's/^ *client-certificate-data: //p' /etc/kubernetes/admin.conf | base64 -d"))
	if err != nil {
		s.t.Fatal(err)
	}
	var key crypto.PrivateKey
	der := block("cat /etc/kubernetes/pki/ca.key")
	if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
			s.t.Fatal(err)
		}
	}
	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: cert.Subject, NotBefore: cert.NotBefore, NotAfter: end,
		KeyUsage: cert.KeyUsage, ExtKeyUsage: cert.ExtKeyUsage,
	}, ca, cert.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}))
}

// noAccess takes it away again: the user's file is as it was, and no key was seen in what kplan wrote.
func (s *spec) noAccess() {
	s.t.Helper()
	s.Want(0, "destroy", "--auto-approve", "--target", "kubeconfig.dev", "--target", "kubeconfig.outside")
	if got := s.ssh(s.machines[1], "", "cat /home/dev/.kube/config"); got != devs {
		s.t.Errorf("the user's file was\n%s\nand is\n%s", devs, got)
	}
	if left := s.ssh(s.machines[1], "", "ls -A /home/dev/.kube | grep -v ^cache || :") + s.ssh(s.machines[2], "", "ls -A /root/.kube | grep -v ^cache || :"); left != "config\n" {
		s.t.Errorf("left on the machines: %q", left)
	}
	if got := s.ssh(s.machines[0], "", "kubectl get nodes -o name"); !strings.Contains(got, "k8s-node2") {
		s.t.Errorf("root sees %q", got)
	}
	w := &watch{s: s}
	_, secrets := w.secrets()
	for _, text := range files(w, s.path(".kplan")) {
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
			s.t.Error("a key is in the state")
		}
	}
}
