package sshd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// channel serves a session, or a connection to elsewhere (RFC 4254, sections 6
// and 7.2).
func (s *Server) channel(ch ssh.NewChannel) {
	switch ch.ChannelType() {
	case "session":
		if s.opts.Stall == StallSession {
			<-s.closing
			return
		}
		c, requests, err := ch.Accept()
		if err == nil {
			s.session(c, requests)
		}
	case "direct-tcpip":
		s.forward(ch)
	default:
		_ = ch.Reject(ssh.UnknownChannelType, "not here")
	}
}

func (s *Server) session(c ssh.Channel, requests <-chan *ssh.Request) {
	defer c.Close()
	for req := range requests {
		if req.Type != "exec" {
			_ = req.Reply(false, nil)
			continue
		}
		var payload struct{ Command string }
		if ssh.Unmarshal(req.Payload, &payload) != nil {
			_ = req.Reply(false, nil)
			continue
		}
		if s.opts.Stall == StallExec {
			<-s.closing
			return
		}
		s.work.Go(func() { ssh.DiscardRequests(requests) })
		_ = req.Reply(true, nil)
		if s.opts.Stall == StallOutput {
			<-s.closing
			return
		}
		s.run(c, payload.Command)
		return
	}
}

// run runs command by the login shell. Where the connection ends, the
// command's streams end, and nothing else happens to it, as with sshd(8).
func (s *Server) run(c ssh.Channel, command string) {
	cmd := exec.Command(s.opts.Shell[0], append(s.opts.Shell[1:len(s.opts.Shell):len(s.opts.Shell)], command)...)
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, s.opts.Env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	stderr, err3 := cmd.StderrPipe()
	if errors.Join(err1, err2, err3) != nil || s.start(cmd, command) != nil {
		return
	}
	s.work.Go(func() {
		_, _ = io.Copy(stdin, c)
		_ = stdin.Close()
	})
	var both sync.WaitGroup
	carry := func(to io.Writer, from io.ReadCloser) {
		_, _ = io.Copy(to, from)
		_ = from.Close()
	}
	both.Go(func() { carry(c, stdout) })
	both.Go(func() { carry(c.Stderr(), stderr) })
	both.Wait()
	err := cmd.Wait()
	s.ended(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		status(c, 0)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		status(c, exit.ExitCode())
	case errors.As(err, &exit):
		signal(c, exit.Sys().(syscall.WaitStatus).Signal())
	}
}

func status(c ssh.Channel, code int) {
	_, _ = c.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
}

func signal(c ssh.Channel, sig syscall.Signal) {
	_, _ = c.SendRequest("exit-signal", false, ssh.Marshal(struct {
		Signal     string
		CoreDumped bool
		Error      string
		Lang       string
	}{Signal: fmt.Sprint(int(sig))}))
}

func (s *Server) start(cmd *exec.Cmd, command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.commands = append(s.commands, command)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.groups[cmd.Process.Pid] = true
	return nil
}

func (s *Server) ended(cmd *exec.Cmd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, cmd.Process.Pid)
}

// kill ends the processes that were started; s.mu is held.
func (s *Server) kill() {
	for group := range s.groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

func (s *Server) forward(ch ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if ssh.Unmarshal(ch.ExtraData(), &to) != nil {
		_ = ch.Reject(ssh.Prohibited, "")
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)))
	if err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	c, requests, err := ch.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	s.work.Go(func() { ssh.DiscardRequests(requests) })
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(conn, c)
		_ = conn.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(c, conn)
		_ = c.Close()
	})
	both.Wait()
}
