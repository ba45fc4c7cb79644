package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial connects to e, through its jump hosts. dial opens the first TCP
// connection; nil means net.Dialer. Its errors are *DialError, *AuthError,
// *HostKeyError, that of a cancelled ctx, or tell what is wrong with e; those
// of a jump host are wrapped with its name. Temporary tells which may pass.
func Dial(ctx context.Context, e Endpoint, dial DialFunc) (*Client, error) {
	return connect(ctx, e, dial, keepaliveEvery)
}

func connect(ctx context.Context, e Endpoint, dial DialFunc, every time.Duration) (*Client, error) {
	creds, err := e.credentials()
	if err != nil {
		return nil, err
	}
	verifier, err := e.verifier()
	if err != nil {
		return nil, err
	}
	jump, dial, err := approach(ctx, e, dial, every)
	if err != nil {
		return nil, err
	}
	h := &hop{endpoint: e, creds: creds, verifier: verifier, timeout: e.timeout()}
	conn, err := h.connect(ctx, dial)
	if err != nil {
		if jump != nil {
			_ = jump.Close()
		}
		return nil, err
	}
	return newClient(conn, jump, h.hostKey, e, every), nil
}

// approach connects to the jump host, if e has one, and returns how to dial
// from there.
func approach(ctx context.Context, e Endpoint, dial DialFunc, every time.Duration) (*Client, DialFunc, error) {
	if e.Jump == nil {
		if dial == nil {
			dial = direct
		}
		return nil, dial, nil
	}
	jump, err := connect(ctx, *e.Jump, dial, every)
	if err != nil {
		return nil, nil, fmt.Errorf("jump host %s: %w", e.Jump.Address(), err)
	}
	return jump, jump.conn.DialContext, nil
}

// hop is one SSH connection in the making.
type hop struct {
	endpoint Endpoint
	creds    *credentials
	verifier *verifier
	timeout  time.Duration

	banner strings.Builder

	mu      sync.Mutex
	hostKey ssh.PublicKey // once it is verified
	refusal error         // of the host key
	stage   Stage
	timer   *time.Timer // nil when no stage has a deadline
	expired bool
}

func (h *hop) connect(ctx context.Context, dial DialFunc) (*ssh.Client, error) {
	conn, err := h.dial(ctx, dial)
	if err != nil {
		return nil, err
	}
	h.watch(conn)
	// The library's own timeout bounds no more than the TCP connection. Closing
	// is what also works for a stream through a jump host, which has no
	// deadlines.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	inner, channels, requests, err := ssh.NewClientConn(conn, h.endpoint.Address(), h.config())
	h.relax()
	h.creds.close()
	if !stop() {
		if err == nil {
			_ = inner.Close()
		}
		return nil, ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, h.explain(err)
	}
	return ssh.NewClient(inner, channels, requests), nil
}

func (h *hop) dial(ctx context.Context, dial DialFunc) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	conn, err := dial(within, "tcp", h.endpoint.Address())
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	e := &DialError{Address: h.endpoint.Address(), Stage: StageDial, Temporary: mayPass(err), Err: plain(err)}
	if within.Err() != nil {
		e.Temporary, e.Err = true, fmt.Errorf("no answer within %v", h.timeout)
	}
	return nil, e
}

func (h *hop) config() *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              h.endpoint.User,
		Auth:              h.creds.methods(),
		HostKeyAlgorithms: h.verifier.algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			// Also called when keys are exchanged anew later.
			err := h.verifier.check(key)
			h.verified(key, err)
			return err
		},
		BannerCallback: func(message string) error {
			if h.banner.Len() < bannerKept {
				h.banner.WriteString(message)
			}
			return nil
		},
		ClientVersion: "SSH-2.0-kplan",
	}
}

const bannerKept = 4 << 10

// watch begins the handshake's deadline.
func (h *hop) watch(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stage = StageHandshake
	h.timer = time.AfterFunc(h.timeout, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.timer != nil {
			h.expired = true
			_ = conn.Close()
		}
	})
}

// verified notes the decision on the host key; where it is good, the deadline
// of the authentication begins.
func (h *hop) verified(key ssh.PublicKey, refusal error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer == nil || h.expired {
		return
	}
	h.refusal = refusal
	if refusal == nil {
		h.hostKey, h.stage = key, StageAuth
		h.timer.Reset(h.timeout)
	}
}

// relax ends the deadlines.
func (h *hop) relax() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
	h.timer = nil
}

// explain makes an error of ours of the library's.
func (h *hop) explain(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &DialError{Address: h.endpoint.Address(), Stage: h.stage, Temporary: mayPass(err), Err: plain(err)}
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case h.refusal != nil:
		return h.refusal
	case h.expired:
		e.Temporary, e.Err = true, fmt.Errorf("no answer within %v", h.timeout)
	case errors.As(err, &negotiation):
		e.Err = fmt.Errorf("%w; kplan uses no algorithm that is known to be weak, such as ssh-rsa with SHA-1 or DSA", plain(err))
	case h.stage == StageAuth && !ended(err):
		msg := plain(err).Error()
		if said := clean(h.banner.String()); said != "" {
			msg += "; the machine says: " + said
		}
		return &AuthError{
			Address: h.endpoint.Address(), User: h.endpoint.User, Tried: h.creds.tried,
			Temporary: booting(msg), Msg: h.creds.hint(msg),
		}
	case booting(h.banner.String()):
		e.Temporary, e.Err = true, errors.New(clean(h.banner.String()))
	}
	return e
}

// ended tells the end of the stream from an answer of the machine.
func ended(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &op)
}

// booting tells pam_nologin(8)'s message while systemd-user-sessions has not
// let users in yet.
func booting(text string) bool { return strings.Contains(text, "System is booting up") }

// mayPass tells what a machine that is just starting also shows: a port that
// nobody listens on, a route that is not there yet, a server too busy to
// finish (MaxStartups of sshd_config(5)).
func mayPass(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsTimeout || dns.IsTemporary
	}
	for _, target := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	open, ok := errors.AsType[*ssh.OpenChannelError](err) // by a jump host
	return ok && open.Reason == ssh.ConnectionFailed
}

// plain is err without what the message says already.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "), "ssh: ")
	return &trimmed{clean(text), err}
}

// trimmed is an error under a shorter text.
type trimmed struct {
	text string
	err  error
}

func (t *trimmed) Error() string { return t.text }
func (t *trimmed) Unwrap() error { return t.err }

// clean makes text of the machine fit for a message: one line, bounded, without
// control characters.
func clean(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, text)
	const limit = 300
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
