// Package sshd is an SSH server for tests, in the process of the test. It runs
// what clients ask for by a real shell of this machine, as sshd(8) does, and
// passes on TCP connections as a jump host.
//
// It knows the protocol's server side and nothing of kplan. It is no server
// for anything but tests.
package sshd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Stage is where a server stops to answer.
type Stage string

// The stages, in order.
const (
	StallVersion Stage = "version" // accepts, and says nothing
	StallAuth    Stage = "auth"    // after the keys are exchanged
	StallSession Stage = "session" // at the opening of a channel
	StallExec    Stage = "exec"    // at the request to run a command
	StallOutput  Stage = "output"  // runs nothing, and keeps the session open
)

// Options say how a server behaves. The zero value lets nobody in.
type Options struct {
	HostKeys       []ssh.Signer    // nil: a new ed25519 key
	AuthorizedKeys []ssh.PublicKey // certificates are accepted where their authority's key is here
	Password       string
	Interactive    string   // question of keyboard-interactive, answered with Password
	Banner         string   // before authentication
	MaxAuthTries   int      // 0: 6
	Shell          []string // login shell and its option; nil: sh -c
	Env            []string // of commands; nil: none
	Stall          Stage
	NoKeepalive    bool // does not answer global requests
}

// Server is a running server.
type Server struct {
	opts     Options
	config   *ssh.ServerConfig
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	closing  chan struct{}
	conns    map[net.Conn]bool
	groups   map[int]bool // of processes that were started
	commands []string
	attempts int // at authentication
}

// Start listens on a port of the loopback interface.
func Start(o Options) (*Server, error) {
	if len(o.HostKeys) == 0 {
		key, err := NewKey()
		if err != nil {
			return nil, err
		}
		o.HostKeys = []ssh.Signer{key}
	}
	if len(o.Shell) == 0 {
		o.Shell = []string{"sh", "-c"}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, listener: l, closing: make(chan struct{}),
		conns: map[net.Conn]bool{}, groups: map[int]bool{},
	}
	s.config = s.serverConfig()
	s.work.Go(s.accept)
	return s, nil
}

// NewKey makes an ed25519 key.
func NewKey() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// Addr is the address and port.
func (s *Server) Addr() *net.TCPAddr { return s.listener.Addr().(*net.TCPAddr) }

// HostKeys are the public keys that the server shows.
func (s *Server) HostKeys() []ssh.PublicKey {
	var keys []ssh.PublicKey
	for _, k := range s.opts.HostKeys {
		keys = append(keys, k.PublicKey())
	}
	return keys
}

// Commands are those that clients asked for so far.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Attempts counts the credentials that clients have shown.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Close ends the server, its connections, and the processes it started, save
// those that made a session of their own.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	err := s.listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.kill()
	s.mu.Unlock()
	s.work.Wait()
	return err
}

var errRefused = errors.New("refused")

func (s *Server) serverConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{MaxAuthTries: s.opts.MaxAuthTries, ServerVersion: "SSH-2.0-wire"}
	attempt := func() {
		s.mu.Lock()
		s.attempts++
		s.mu.Unlock()
		if s.opts.Stall == StallAuth {
			<-s.closing
		}
	}
	authorized := func(key ssh.PublicKey) bool {
		for _, k := range s.opts.AuthorizedKeys {
			if bytes.Equal(k.Marshal(), key.Marshal()) {
				return true
			}
		}
		return false
	}
	checker := &ssh.CertChecker{
		IsUserAuthority: authorized,
		UserKeyFallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if authorized(key) {
				return &ssh.Permissions{}, nil
			}
			return nil, errRefused
		},
	}
	c.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		attempt()
		return checker.Authenticate(m, key)
	}
	if s.opts.Password != "" && s.opts.Interactive == "" {
		c.PasswordCallback = func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			attempt()
			if string(given) == s.opts.Password {
				return &ssh.Permissions{}, nil
			}
			return nil, errRefused
		}
	}
	if s.opts.Interactive != "" {
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			attempt()
			answers, err := ask("", "", []string{s.opts.Interactive}, []bool{false})
			if err == nil && len(answers) == 1 && answers[0] == s.opts.Password {
				return &ssh.Permissions{}, nil
			}
			return nil, errRefused
		}
	}
	if s.opts.Banner != "" {
		c.BannerCallback = func(ssh.ConnMetadata) string { return s.opts.Banner }
	}
	for _, k := range s.opts.HostKeys {
		c.AddHostKey(k)
	}
	return c
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.work.Go(func() {
			s.serve(conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(conn net.Conn) {
	if s.opts.Stall == StallVersion {
		<-s.closing
		return
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if s.opts.NoKeepalive {
		s.work.Go(func() {
			for range requests { // taken, and never answered
			}
		})
	} else {
		s.work.Go(func() { ssh.DiscardRequests(requests) })
	}
	for ch := range channels {
		s.work.Go(func() { s.channel(ch) })
	}
}
