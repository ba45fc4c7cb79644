package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Stage is a part of the way to a ready session.
type Stage string

// The stages, in order. Each has its own deadline.
const (
	StageDial      Stage = "TCP connection"
	StageHandshake Stage = "SSH handshake" // up to the verified host key
	StageAuth      Stage = "authentication"
	StageSession   Stage = "start of a session"
)

// DialError is a connection that did not come about, for a reason other than
// the machine's key (HostKeyError) or ours (AuthError).
type DialError struct {
	Address   string
	Stage     Stage
	Temporary bool // it may pass by itself: refused, timed out, booting
	Err       error
}

func (e *DialError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Address, e.Stage, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// AuthError is a machine that accepted none of our credentials.
type AuthError struct {
	Address   string
	User      string
	Tried     []string // "publickey id_ed25519 SHA256:…", "password"
	Temporary bool     // the machine says that it is still booting (pam_nologin(8))
	Msg       string   // what the machine or the library said
}

func (e *AuthError) Error() string {
	tried := "there was nothing to try"
	if len(e.Tried) > 0 {
		tried = "tried " + strings.Join(e.Tried, ", ")
	}
	return fmt.Sprintf("%s does not let %s in (%s): %s", e.Address, e.User, tried, e.Msg)
}

// Trust is what is wrong with a host key.
type Trust string

// The reasons to refuse a host key.
const (
	Unknown Trust = "unknown" // no key of this host is recorded
	Changed Trust = "changed" // other keys of this host are recorded
	Revoked Trust = "revoked" // @revoked in known_hosts, sshd(8)
	Weak    Trust = "weak"    // an algorithm or size that is not accepted
)

// HostKeyError is a machine whose key is not to be trusted. No credential of
// ours has been offered to it.
type HostKeyError struct {
	Host   string // as in known_hosts: host, or [host]:port
	Trust  Trust
	Type   string   // of the key it showed: ssh-ed25519
	Got    string   // fingerprint of the key it showed: SHA256:…
	Want   []string // fingerprints of those recorded for it, with their types
	File   string   // where they are recorded, or would be
	Line   int      // 0: no particular line
	Reason string   // for Weak, and where lines of the file were unusable
}

func (e *HostKeyError) Error() string {
	var b strings.Builder
	got := e.Type + " " + e.Got
	switch e.Trust {
	case Changed:
		fmt.Fprintf(&b, "the host key of %s is not the recorded one: it showed %s, recorded is %s", e.Host, got, strings.Join(e.Want, " or "))
	case Revoked:
		fmt.Fprintf(&b, "the host key of %s is revoked: %s", e.Host, got)
	case Weak:
		fmt.Fprintf(&b, "the host key of %s is too weak: %s", e.Host, got)
	default:
		fmt.Fprintf(&b, "the host key of %s is not known: it showed %s", e.Host, got)
	}
	if e.File != "" {
		fmt.Fprintf(&b, " (%s", e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteByte(')')
	}
	if e.Reason != "" {
		b.WriteString("; " + e.Reason)
	}
	return b.String()
}

// Temporary reports whether the failure may pass by itself, so that trying
// again makes sense. A cancelled context does not.
func Temporary(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if e, ok := errors.AsType[*DialError](err); ok {
		return e.Temporary
	}
	if e, ok := errors.AsType[*AuthError](err); ok {
		return e.Temporary
	}
	return false
}
