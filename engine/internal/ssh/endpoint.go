// Package ssh opens connections to machines over SSH (RFC 4251 to 4254).
//
// It knows endpoints, host keys, authentication, jump hosts, deadlines and
// keepalives, and starts one command on a connection. It does not know what
// the command is or says (package conn), nor plans, hosts or retries: it only
// tells which failures may pass by themselves (Temporary).
package ssh

import (
	"context"
	"net"
	"strconv"
	"time"
)

// DefaultTimeout bounds each stage of a connection where an Endpoint names no
// other: the TCP connection, the handshake up to the verified host key, the
// authentication, and the start of a session.
const DefaultTimeout = 10 * time.Second

// Endpoint is where and as whom to connect, and how the machine proves who it
// is.
type Endpoint struct {
	Host string // IP address or name
	Port int    // 0 means 22
	User string

	Keys     []Key  // tried in order, before the agent's
	Agent    bool   // offer the keys of the agent at SSH_AUTH_SOCK
	Password string // for the methods password and keyboard-interactive

	// KnownHosts holds the host keys that are trusted; nil trusts none.
	KnownHosts *KnownHosts
	// HostKey pins one key, as in a .pub file: "ssh-ed25519 AAAA…". KnownHosts
	// is then not asked, except for what it revokes.
	HostKey string

	Timeout time.Duration // of each stage; 0 means DefaultTimeout
	Jump    *Endpoint     // reached first, with its own verification
}

// Key is a private key, and a certificate for it if there is one.
type Key struct {
	Name        string // for messages: the file, or the attribute
	PEM         []byte // not encrypted: encrypted keys are the agent's business
	Certificate []byte // as in a -cert.pub file; empty where there is none
}

// DialFunc opens a stream to address, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Address is the endpoint's host and port.
func (e Endpoint) Address() string {
	port := e.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(port))
}

func (e Endpoint) timeout() time.Duration {
	if e.Timeout > 0 {
		return e.Timeout
	}
	return DefaultTimeout
}
