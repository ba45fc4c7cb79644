package kubeadm

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/kubeconfig"
)

// This file is what a kubeconfig is judged by, and where its credentials come
// from. kubeadm gives them a year.

// renewal is how long before its end a client's certificate counts as spent.
const renewal = 30 * 24 * time.Hour

// pinned is the hash of an authority's public key, as kubeadm's joins pin it; ""
// where pem holds no certificate.
func pinned(text string) string {
	cert := certificate(text)
	if cert == nil {
		return ""
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func certificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}

// signed tells whether the certificate of u is of the authority, and its key its
// own.
func signed(u kubeconfig.User, authority string) bool {
	cert, ca := certificate(u.Cert), certificate(authority)
	if cert == nil || ca == nil || cert.CheckSignatureFrom(ca) != nil {
		return false
	}
	_, err := tls.X509KeyPair([]byte(u.Cert), []byte(u.Key))
	return err == nil
}

// lasts tells whether the certificate of u is not spent.
func lasts(u kubeconfig.User) bool {
	cert := certificate(u.Cert)
	return cert != nil && time.Until(cert.NotAfter) > renewal
}

// ends is the end of the certificate of u; "" where there is none.
func ends(u kubeconfig.User) string {
	cert := certificate(u.Cert)
	if cert == nil {
		return ""
	}
	return cert.NotAfter.UTC().Format(time.RFC3339)
}

// credentials are the authority and the administrator of the cluster that hash
// pins, from the machine of a control plane. Where they are spent, kubeadm renews
// them first.
func credentials(ctx context.Context, plane host.Host, hash string) (kubeconfig.Cluster, kubeconfig.User, error) {
	found, err := host.Read(ctx, plane, adminFile)
	if err != nil {
		return kubeconfig.Cluster{}, kubeconfig.User{}, err
	}
	c, u, err := administrator(found[0], hash)
	if err != nil || lasts(u) {
		return c, u, err
	}
	res, err := plane.Do(ctx, host.Run{Argv: []string{"kubeadm", "certs", "renew", "admin.conf"}}, host.ReadFile{Path: adminFile})
	if err != nil {
		return c, u, fmt.Errorf("cannot renew the certificate in %s, which ends on %s: %w", adminFile, ends(u), err)
	}
	c, u, err = administrator(res[1].File, hash)
	if err == nil && !lasts(u) {
		err = fmt.Errorf("the certificate in %s ends on %s, also after kubeadm certs renew: look at the clock of the control plane", adminFile, ends(u))
	}
	return c, u, err
}

// administrator is what stands in kubeadm's kubeconfig.
func administrator(file *host.File, hash string) (c kubeconfig.Cluster, u kubeconfig.User, err error) {
	if file == nil {
		return c, u, errors.New("the control plane has no " + adminFile)
	}
	f, err := kubeconfig.Parse(string(file.Content))
	if err != nil {
		return c, u, fmt.Errorf("cannot read %s of the control plane: %w", adminFile, err)
	}
	now := f.Contexts[f.Current]
	c, u = f.Clusters[now.Cluster], f.Users[now.User]
	switch {
	case pinned(c.CA) != hash:
		err = fmt.Errorf("%s of the control plane is of another cluster than planned: its authority is %s, not %s", adminFile, pinned(c.CA), hash)
	case !signed(u, c.CA):
		err = fmt.Errorf("%s of the control plane holds no certificate of its authority", adminFile)
	}
	return c, u, err
}
