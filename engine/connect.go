package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine/internal/conn"
	"github.com/kplan/kplan/engine/internal/local"
	"github.com/kplan/kplan/engine/internal/ssh"
)

// SSHOptions are what connections need beside the spec.
type SSHOptions struct {
	Home string // of the operator, for paths that begin with ~/
	User string // of the operator: whom to log in as where the spec names nobody
	// Dial opens TCP connections; nil for the system's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// NewConnector connects over SSH, through the host's bastion where it has one,
// or to this machine itself where the spec says that the host is that; and
// becomes who the spec says.
func NewConnector(o SSHOptions) Connector {
	return func(ctx context.Context, h, jump *dsl.Host) (Link, error) {
		if h.Connection.Local {
			link, err := here(ctx, h, runtime.GOOS)
			return link, classify(err)
		}
		link, err := o.connect(ctx, h, jump)
		var refused *ssh.AuthError
		if b := h.Connection.Bootstrap; b != nil && errors.As(err, &refused) {
			first := bootstrapHost(*h, *b)
			if l, again := o.connect(ctx, &first, jump); again == nil {
				return l, nil
			}
		}
		return link, classify(err)
	}
}

func (o SSHOptions) connect(ctx context.Context, h, jump *dsl.Host) (Link, error) {
	endpoint, err := o.endpoint(h, jump)
	if err != nil {
		return Link{}, &unusable{err}
	}
	client, err := ssh.Dial(ctx, endpoint, o.Dial)
	if err != nil {
		return Link{}, err
	}
	shell, err := client.Shell(ctx)
	if err != nil {
		client.Close()
		return Link{}, err
	}
	session, err := standing(ctx, shell, h)
	if err != nil {
		client.Close()
		return Link{}, err
	}
	return Link{Session: &link{session, client}, HostKey: ssh.AuthorizedKey(client.HostKey())}, nil
}

// here is a session on this machine, which runs the operating system os. No key
// tells which machine it is; the machine-id does.
func here(ctx context.Context, h *dsl.Host, os string) (Link, error) {
	if os != "linux" {
		return Link{}, &unusable{fmt.Errorf("local = true makes the machine that kplan runs on this host, and its operating system is %s: kplan reads and changes Linux machines. Run kplan on a Linux machine, or leave the host out", os)}
	}
	session, err := standing(ctx, local.New(), h)
	if err != nil {
		return Link{}, err
	}
	return Link{Session: session}, nil
}

// standing makes a session of a shell on the machine of h.
func standing(ctx context.Context, shell conn.Shell, h *dsl.Host) (*conn.Session, error) {
	c := h.Connection
	return conn.Open(ctx, shell, conn.Options{
		Timeout: c.Timeout,
		Become:  conn.Become{Method: conn.Method(c.Become), User: c.BecomeUser, Password: c.BecomePassword},
	})
}

// link closes the connection with its session.
type link struct {
	*conn.Session
	client *ssh.Client
}

// Close ends the session and the connection under it.
func (l *link) Close() error {
	return errors.Join(l.Session.Close(), l.client.Close())
}

// endpoint is how SSH reaches h.
func (o SSHOptions) endpoint(h, jump *dsl.Host) (ssh.Endpoint, error) {
	c := h.Connection
	e := ssh.Endpoint{
		Host: c.Host, Port: c.Port, User: c.User, Agent: c.Agent, Password: c.Password,
		HostKey: c.HostKey, Timeout: c.Timeout,
	}
	if e.User == "" {
		e.User = o.User
	}
	if e.Timeout == 0 {
		e.Timeout = 10 * time.Second
	}
	if c.PrivateKey != "" || c.PrivateKeyFile != "" {
		key, err := o.key(c)
		if err != nil {
			return e, err
		}
		e.Keys = []ssh.Key{key}
	}
	var err error
	if e.KnownHosts, err = ssh.LoadKnownHosts(o.knownHosts(c)); err != nil {
		return e, err
	}
	if jump != nil && !jump.Connection.Local { // through this machine the way leads straight there
		through, err := o.endpoint(jump, nil)
		if err != nil {
			return e, fmt.Errorf("bastion %s: %w", jump.Name, err)
		}
		e.Jump = &through
	}
	return e, nil
}

func (o SSHOptions) knownHosts(c dsl.Connection) string {
	if c.KnownHostsFile == "" {
		return filepath.Join(o.Home, ".ssh", "known_hosts")
	}
	return o.path(c.KnownHostsFile)
}

// key reads the private key and, where there is one, its certificate.
func (o SSHOptions) key(c dsl.Connection) (ssh.Key, error) {
	k := ssh.Key{Name: "private_key", PEM: []byte(c.PrivateKey)}
	if c.PrivateKey == "" {
		k.Name = c.PrivateKeyFile
		path := o.path(c.PrivateKeyFile)
		info, err := os.Stat(path)
		if err != nil {
			return k, fmt.Errorf("cannot read the private key %s: %w", c.PrivateKeyFile, bare(err))
		}
		if info.Mode().Perm()&0o077 != 0 {
			return k, fmt.Errorf("the private key %s can be read by others (mode %04o); run `chmod 600 %s`", c.PrivateKeyFile, info.Mode().Perm(), c.PrivateKeyFile)
		}
		if k.PEM, err = os.ReadFile(path); err != nil {
			return k, fmt.Errorf("cannot read the private key %s: %w", c.PrivateKeyFile, bare(err))
		}
	}
	if c.CertificateFile != "" {
		var err error
		if k.Certificate, err = os.ReadFile(o.path(c.CertificateFile)); err != nil {
			return k, fmt.Errorf("cannot read the certificate %s: %w", c.CertificateFile, bare(err))
		}
	}
	return k, nil
}

func (o SSHOptions) path(p string) string {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(o.Home, rest)
	}
	return p
}

// bare is a file error without the name of the call and the path.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// bootstrapHost is h with the credentials of its bootstrap block.
func bootstrapHost(h dsl.Host, b dsl.Bootstrap) dsl.Host {
	c := h.Connection
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&c.Host, b.Host)
	set(&c.User, b.User)
	set(&c.Password, b.Password)
	set(&c.PrivateKey, b.PrivateKey)
	set(&c.PrivateKeyFile, b.PrivateKeyFile)
	if b.Port != 0 {
		c.Port = b.Port
	}
	h.Connection = c
	return h
}

// connectError is a failed connection with what the engine decides on.
type connectError struct {
	error
	temporary bool
}

func (e *connectError) Unwrap() error   { return e.error }
func (e *connectError) Temporary() bool { return e.temporary }

// unusable is a connection block that no connection can be made with.
type unusable struct{ error }

func (e *unusable) Unwrap() error { return e.error }

// ExitCode is that of errors in the spec.
func (e *unusable) ExitCode() int { return int(CodeError) }

// untrusted is a machine whose key is not to be trusted.
type untrusted struct{ error }

func (e *untrusted) Unwrap() error { return e.error }

// ExitCode is that of all refusals for trust.
func (e *untrusted) ExitCode() int { return int(CodeUntrusted) }

// classify says of a failed connection whether to try again, and of a host key
// that is not trusted what to type.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var spec *unusable
	if errors.As(err, &spec) {
		return err
	}
	var key *ssh.HostKeyError
	if !errors.As(err, &key) {
		return &connectError{err, ssh.Temporary(err)}
	}
	switch key.Trust {
	case ssh.Unknown:
		return &untrusted{fmt.Errorf("%w. Compare the fingerprint with what the machine's console shows (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); if it is right, record it with `kplan hosts scan --write`", err)}
	case ssh.Changed:
		return &untrusted{fmt.Errorf("%w. Either another machine answers, or the machine was installed anew. If that is so, remove the old line (ssh-keygen -f %s -R %s) and record the new key with `kplan hosts scan --write`", err, key.File, key.Host)}
	}
	return &untrusted{err}
}

// HostKey is a key that a machine showed.
type HostKey struct {
	Key         string // authorized_keys form
	Fingerprint string // SHA256:…
}

// ScanHostKeys asks the machine of h for its host keys, without trusting or
// logging in to it.
func (o SSHOptions) ScanHostKeys(ctx context.Context, h, jump *dsl.Host) ([]HostKey, error) {
	e, err := o.endpoint(h, jump)
	if err != nil {
		return nil, err
	}
	keys, err := ssh.Scan(ctx, e, o.Dial)
	if err != nil {
		return nil, err
	}
	out := make([]HostKey, len(keys))
	for i, k := range keys {
		out[i] = HostKey{Key: ssh.AuthorizedKey(k), Fingerprint: ssh.Fingerprint(k)}
	}
	return out, nil
}

// TrustHostKeys adds keys of h to its known_hosts file and returns the file's
// name.
func (o SSHOptions) TrustHostKeys(h *dsl.Host, keys []HostKey) (file string, err error) {
	file = o.knownHosts(h.Connection)
	var lines []string
	for _, k := range keys {
		lines = append(lines, k.Key)
	}
	return file, ssh.AppendKnownHosts(file, ssh.Endpoint{Host: h.Connection.Host, Port: h.Connection.Port}, lines)
}
