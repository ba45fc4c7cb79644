package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	keepaliveEvery = 5 * time.Second
	keepaliveLost  = 3 // unanswered ones after which the connection counts as lost
)

// Client is a connection to a machine, authenticated both ways. It asks the
// machine for a sign of life every 5 s; after three without an answer the
// connection is lost.
type Client struct {
	conn    *ssh.Client
	jump    *Client // nil where there is none
	hostKey ssh.PublicKey
	address string
	timeout time.Duration
	alive   sync.WaitGroup

	once  sync.Once
	done  chan struct{} // closed when the connection is over
	cause error         // why; readable once done is closed
}

var errClosed = errors.New("the connection was closed")

func newClient(conn *ssh.Client, jump *Client, hostKey ssh.PublicKey, e Endpoint, every time.Duration) *Client {
	c := &Client{
		conn: conn, jump: jump, hostKey: hostKey,
		address: e.Address(), timeout: e.timeout(), done: make(chan struct{}),
	}
	c.alive.Go(func() {
		err := conn.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("the machine closed the connection")
		}
		c.end(err)
	})
	c.alive.Go(func() { c.keepalive(every) })
	return c
}

// keepalive uses the request that ssh(1) uses for ServerAliveInterval; any
// answer to it is one, also a refusal.
func (c *Client) keepalive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	answers := make(chan struct{}, 1)
	for asked := 0; ; {
		select {
		case <-c.done:
			return
		case <-answers:
			asked = 0
		case <-tick.C:
			if asked == keepaliveLost {
				c.end(fmt.Errorf("no sign of life for %v", every*keepaliveLost))
				return
			}
			if asked++; asked > 1 {
				continue // requests are answered in order: one at a time is enough
			}
			c.alive.Go(func() {
				if _, _, err := c.conn.SendRequest("keepalive@openssh.com", true, nil); err == nil {
					answers <- struct{}{}
				}
			})
		}
	}
}

// end closes the connection; the first reason counts.
func (c *Client) end(reason error) {
	c.once.Do(func() {
		c.cause = reason
		close(c.done)
		_ = c.conn.Close()
	})
}

// HostKey is the key that the machine showed and that was verified.
func (c *Client) HostKey() ssh.PublicKey { return c.hostKey }

// Close ends the connection, and those to the jump hosts behind it.
func (c *Client) Close() error {
	c.end(errClosed)
	c.alive.Wait()
	if c.jump != nil {
		return c.jump.Close()
	}
	return nil
}

// within calls f, and ends the connection where it takes longer than the
// timeout or ctx allow.
func (c *Client) within(ctx context.Context, f func() error) error {
	late := fmt.Errorf("no answer within %v", c.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, late)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.end(context.Cause(ctx)) })
	err := f()
	if !stop() {
		<-c.done
		err = c.cause
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &DialError{Address: c.address, Stage: StageSession, Temporary: errors.Is(err, late), Err: err}
}

// Shell opens a session on which one command can be started.
func (c *Client) Shell(ctx context.Context) (*Shell, error) {
	s := &Shell{client: c}
	err := c.within(ctx, func() (err error) {
		if s.session, err = c.conn.NewSession(); err != nil {
			return err
		}
		if s.stdin, err = s.session.StdinPipe(); err != nil {
			return err
		}
		if s.stdout, err = s.session.StdoutPipe(); err != nil {
			return err
		}
		s.stderr, err = s.session.StderrPipe()
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Shell is a session (RFC 4254, section 6) for one command.
type Shell struct {
	client  *Client
	session *ssh.Session
	stdin   io.WriteCloser
	stdout  io.Reader
	stderr  io.Reader
}

// Start runs command on the machine, by the login shell of the user, sshd(8).
func (s *Shell) Start(command string) error {
	return s.client.within(context.Background(), func() error { return s.session.Start(command) })
}

// Stdin is the command's input.
func (s *Shell) Stdin() io.WriteCloser { return s.stdin }

// Stdout is what the command writes.
func (s *Shell) Stdout() io.Reader { return s.stdout }

// Stderr is what the command writes to standard error.
func (s *Shell) Stderr() io.Reader { return s.stderr }

// Wait returns when the command has ended, or the connection, with why. It is
// nil for a command that ended with status 0.
func (s *Shell) Wait() error {
	err := s.session.Wait()
	var missing *ssh.ExitMissingError
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit) && exit.Signal() != "":
		return fmt.Errorf("it was ended by signal %s", exit.Signal())
	case errors.As(err, &exit):
		return fmt.Errorf("it ended with status %d", exit.ExitStatus())
	case !errors.As(err, &missing):
		return err
	}
	// Without a status it is the connection that ended, or soon has.
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-s.client.done:
		return s.client.cause
	case <-grace.C:
		return errors.New("the machine closed the session")
	}
}

// Close ends the session's connection at once; blocked reads and writes
// return.
func (s *Shell) Close() error {
	s.client.end(errClosed)
	return nil
}

// direct is the DialFunc where none is given.
func direct(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
}
