package kube

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// TestCertificate lets two certificates of a cluster come near their end, which plan and drift are to say, and nothing else: there
// is nothing to change by kplan.
func TestCertificate(t *testing.T) {
	c := newCluster(t, 10*time.Minute)
	s := newSpec(t, c)
	fresh := s.Want(0, "plan").Stdout
	const v1 = "Warning: On hosts k8s-node1, k8s-node2 and k8s-node3, control groups are of version 1"
	_, err := s.try(c.machines[0], "", "test -e /sys/fs/cgroup/cgroup.controllers")
	if is := err != nil; strings.Contains(fresh, v1) != is {
		t.Errorf("whether there is only version 1 of control groups is %v, and the plan of bare machines says\n%s", is, fresh)
	}
	s.Want(0, "apply", "--auto-approve")
	s.ready()
	if r := s.Want(0, "plan", "--detailed-exitcode"); strings.Contains(r.Stdout, "Warning:") {
		t.Errorf("the plan of a cluster that stands warns:\n%s", r.Stdout)
	}

	const pki = "/etc/kubernetes/pki/"
	end := time.Now().Add(10 * 24 * time.Hour)
	s.ssh(c.machines[0], s.reissued(pki+"apiserver.crt", pki+"ca", end), "cat >"+pki+"apiserver.crt")
	s.ssh(c.machines[0], s.reissued(pki+"etcd/peer.crt", pki+"etcd/ca", end.Add(time.Hour)), "cat >"+pki+"etcd/peer.crt")
	warning := "On host k8s-node1, the certificate of the API server ends on " + end.UTC().Format("2006-01-02 15:04 MST") +
		", and another is near its end or past it: etcd-peer. Run `kubeadm certs renew all` on the machine"
	if r := s.Want(0, "plan", "--detailed-exitcode"); !strings.Contains(r.Stdout, "Warning: "+warning) || !strings.Contains(r.Stdout, "No changes.") {
		t.Errorf("the plan is\n%s", r.Stdout)
	}
	if r := s.Want(0, "drift"); !strings.Contains(r.Stdout, "Warning: "+warning) || !strings.Contains(r.Stdout, "No drift.") {
		t.Errorf("the drift is\n%s", r.Stdout)
	}
	var drift struct{ Warnings []string }
	if err := json.Unmarshal([]byte(s.Want(0, "drift", "--json").Stdout), &drift); err != nil || len(drift.Warnings) != 1 || !strings.HasPrefix(drift.Warnings[0], warning) {
		t.Errorf("the drift as JSON warns of %q, %v", drift.Warnings, err)
	}

	s.ssh(c.machines[0], "", "kubeadm certs renew apiserver && kubeadm certs renew etcd-peer")
	if r := s.Want(0, "drift"); strings.Contains(r.Stdout, "Warning:") {
		t.Errorf("they were renewed, and the drift is\n%s", r.Stdout)
	}
}

// reissued is a certificate of the first machine, signed anew by an authority of the cluster, with another end.
func (s *spec) reissued(file, authority string, end time.Time) string {
	s.t.Helper()
	read := func(name string) []byte {
		block, _ := pem.Decode([]byte(s.ssh(s.machines[0], "", "cat "+name)))
		if block == nil {
			s.t.Fatalf("%s is no PEM text", name)
		}
		return block.Bytes
	}
	was, err := x509.ParseCertificate(read(file))
	if err != nil {
		s.t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(read(authority + ".crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := x509.ParsePKCS1PrivateKey(read(authority + ".key"))
	if err != nil {
		s.t.Fatal(err)
	}
	is := *was
	is.NotAfter, is.SignatureAlgorithm = end, x509.SHA256WithRSA
	der, err := x509.CreateCertificate(rand.Reader, &is, ca, was.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		s.t.Fatal(err)
	}
	return out.String()
}
