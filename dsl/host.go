package dsl

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Host is one machine of the spec.
type Host struct {
	Name    string
	Address string
	Roles   []string // in the order of the spec
	Labels  map[string]string
	OS      string // as declared, such as debian:12; "" where not declared
	// Connection is how to reach it: the host's own arguments over the spec's,
	// over the defaults.
	Connection Connection
	Range      hcl.Range // header of the block
}

// Connection is how a host is reached: by SSH, or not at all where it is the
// machine that kplan runs on. Paths that were relative are joined to the spec's
// directory; one that begins with ~/ is below the user's home directory.
type Connection struct {
	Local           bool   // it is this machine; then only Become… and Timeout are set beside it
	Host            string // default: the host's address
	Port            int    // default: 22
	User            string // "" where not said
	PrivateKeyFile  string
	PrivateKey      string
	CertificateFile string
	Password        string
	Agent           bool   // default: true where no key and no password is named
	KnownHostsFile  string // default: ~/.ssh/known_hosts
	HostKey         string // in the form of an authorized_keys line; "" where not said
	Become          string // none, sudo, doas or su; default: none
	BecomeUser      string // default: root
	BecomePassword  string
	Bastion         string        // name of a host; "" for none
	Timeout         time.Duration // of each stage from dial to a ready session; default: 10s
	Bootstrap       *Bootstrap    // nil where there is none
	Range           hcl.Range     // of the host's own block, else of the spec's, else of the host
}

// Bootstrap is other credentials, tried only when the connection is refused.
// What it does not say is as in the connection.
type Bootstrap struct {
	Host           string
	Port           int
	User           string
	Password       string
	PrivateKeyFile string
	PrivateKey     string
	Range          hcl.Range
}
