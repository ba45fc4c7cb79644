package ssh

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Fingerprint is SHA256:…, as ssh-keygen -l prints it.
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// AuthorizedKey is the key as in a .pub file, without a comment.
func AuthorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// verifier decides on the host key of one endpoint.
type verifier struct {
	address string // host:port
	name    string // as in known_hosts
	known   *KnownHosts
	pinned  ssh.PublicKey // nil: known decides
}

func (e Endpoint) verifier() (*verifier, error) {
	v := &verifier{address: strings.ToLower(e.Address()), known: e.KnownHosts}
	v.name = knownhosts.Normalize(v.address)
	if v.known == nil {
		v.known = &KnownHosts{}
	}
	if e.HostKey == "" {
		return v, nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
	if err != nil {
		return nil, errors.New(`the pinned host key is no public key such as "ssh-ed25519 AAAA…"`)
	}
	if reason := weak(key); reason != "" {
		return nil, fmt.Errorf("the pinned host key cannot be used: %s", reason)
	}
	v.pinned = key
	return v, nil
}

// algorithms puts those first for which a key is recorded, so that a machine
// with several keys shows one that can be verified. The rest follow, so that
// one with another key is told as changed and not as incompatible.
func (v *verifier) algorithms() []string {
	var first, rest []string
	plain := func(key ssh.PublicKey) []string {
		if key.Type() == ssh.KeyAlgoRSA {
			return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		return []string{key.Type()}
	}
	authority := false
	if v.pinned != nil {
		first = plain(v.pinned)
	} else {
		for _, l := range v.known.lines {
			switch {
			case !l.matches(v.name):
			case l.marker == "":
				first = append(first, plain(l.key)...)
			case l.marker == markerAuthority:
				authority = true
			}
		}
	}
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if strings.Contains(a, "-cert-v01@") {
			if authority {
				first = append(first, a)
			}
			continue
		}
		rest = append(rest, a)
	}
	var all []string
	for _, a := range append(first, rest...) {
		if !slices.Contains(all, a) && !slices.Contains(ssh.InsecureAlgorithms().HostKeys, a) {
			all = append(all, a)
		}
	}
	return all
}

// check returns nil for a key to be trusted, or a *HostKeyError.
func (v *verifier) check(key ssh.PublicKey) error {
	e := &HostKeyError{Host: v.name, Type: key.Type(), Got: Fingerprint(key), File: v.known.file()}
	if e.Reason = weak(key); e.Reason != "" {
		e.Trust = Weak
		return e
	}
	if l := v.known.revoked(key); l != nil {
		e.Trust, e.File, e.Line = Revoked, l.file, l.number
		return e
	}
	if v.pinned != nil {
		if bytes.Equal(key.Marshal(), v.pinned.Marshal()) {
			return nil
		}
		e.Trust, e.File = Changed, ""
		e.Want = []string{v.pinned.Type() + " " + Fingerprint(v.pinned)}
		e.Reason = "the recorded one is the host_key of the spec"
		return e
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		return v.certificate(cert, e)
	}
	for _, l := range v.known.lines {
		if l.marker != "" || !l.matches(v.name) {
			continue
		}
		if bytes.Equal(l.key.Marshal(), key.Marshal()) {
			return nil
		}
		if len(e.Want) == 0 {
			e.File, e.Line = l.file, l.number
		}
		e.Want = append(e.Want, l.key.Type()+" "+Fingerprint(l.key))
	}
	e.Trust = Changed
	if len(e.Want) == 0 {
		e.Trust = Unknown
		e.Reason = v.known.complaint()
	}
	return e
}

// certificate decides on a host certificate by the @cert-authority lines.
func (v *verifier) certificate(cert *ssh.Certificate, e *HostKeyError) error {
	checker := ssh.CertChecker{
		IsHostAuthority: func(authority ssh.PublicKey, _ string) bool {
			return slices.ContainsFunc(v.known.lines, func(l *knownLine) bool {
				return l.marker == markerAuthority && l.matches(v.name) && bytes.Equal(l.key.Marshal(), authority.Marshal())
			})
		},
	}
	err := checker.CheckHostKey(v.address, &net.TCPAddr{}, cert)
	if err == nil {
		return nil
	}
	e.Trust = Unknown
	e.Reason = "its certificate is not accepted: " + strings.TrimPrefix(err.Error(), "ssh: ")
	if lines := v.known.complaint(); lines != "" {
		e.Reason += "; " + lines
	}
	return e
}

const rsaMin, rsaMax = 2048, 8192

// weak says why a key is not accepted; "" where it is. A larger RSA key than
// anybody uses would only cost us time.
func weak(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		if reason := weak(cert.SignatureKey); reason != "" {
			return "its authority's key: " + reason
		}
		if cert.Signature != nil && cert.Signature.Format == ssh.KeyAlgoRSA {
			return "its authority signed with SHA-1"
		}
		return weak(cert.Key)
	}
	if key.Type() == "ssh-dss" {
		return "DSA keys have 1024 bits and are not accepted"
	}
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			if n := k.N.BitLen(); n < rsaMin || n > rsaMax {
				return fmt.Sprintf("an RSA key of %d bits; %d to %d are accepted", n, rsaMin, rsaMax)
			}
		}
	}
	return ""
}
