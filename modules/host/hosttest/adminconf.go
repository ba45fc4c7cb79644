package hosttest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"time"
)

// AdminConf is /etc/kubernetes/admin.conf as kubeadm makes it: the credentials
// of a cluster's administrator, which end at the time given. Each has a key of
// its own.
func AdminConf(end time.Time) string {
	ca, _ := pem.Decode([]byte(authority()))
	issuer, err := x509.ParseCertificate(ca.Bytes)
	if err != nil {
		panic(err)
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: end,
		Subject:     pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"kubeadm:cluster-admins"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, issuer, public, authorityKey)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	data := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ` + data("CERTIFICATE", ca.Bytes) + `
    server: https://10.0.2.15:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: ` + data("CERTIFICATE", cert) + `
    client-key-data: ` + data("PRIVATE KEY", private) + `
`
}
