// Package local runs one command on the machine that kplan itself runs on, in
// the way that sshd(8) runs one on another.
//
// It knows processes and their streams, and nothing of what is said over them.
package local

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// Shell is a command of this machine. It gets nothing of kplan's but the three
// streams: neither the environment, which may hold secrets, nor the directory,
// nor the terminal. A Ctrl-C there is for kplan, which decides what becomes of
// the command. Where kplan ends, however it does, so do the streams.
type Shell struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr io.ReadCloser
	closed chan struct{}
	once   sync.Once
}

// New is a shell that has not started.
func New() *Shell {
	return &Shell{closed: make(chan struct{})}
}

// Start runs command by /bin/sh.
func (s *Shell) Start(command string) error {
	s.cmd = exec.Command("/bin/sh", "-c", command)
	s.cmd.Env, s.cmd.Dir = []string{}, "/"
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of the terminal's reach
	var errs [3]error
	s.stdin, errs[0] = s.cmd.StdinPipe()
	s.stdout, errs[1] = s.cmd.StdoutPipe()
	s.stderr, errs[2] = s.cmd.StderrPipe()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	return s.cmd.Start()
}

// Stdin is the command's input.
func (s *Shell) Stdin() io.WriteCloser { return s.stdin }

// Stdout is what the command writes.
func (s *Shell) Stdout() io.Reader { return s.stdout }

// Stderr is what the command writes to standard error.
func (s *Shell) Stderr() io.Reader { return s.stderr }

// Wait returns when the command has ended, or the shell was closed, with why.
// It is nil for a command that ended with status 0. It is called once.
func (s *Shell) Wait() error {
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }() // also of one that outlives its streams: no zombie stays
	select {
	case err := <-ended:
		if err != nil {
			err = fmt.Errorf("it ended with %w", err)
		}
		return err
	case <-s.closed:
		return errors.New("the shell was closed")
	}
}

// Close ends the streams at once; blocked reads and writes return. The command
// finds out, as that of a connection that is lost.
func (s *Shell) Close() error {
	s.once.Do(func() {
		close(s.closed)
		if s.cmd != nil && s.cmd.Process != nil {
			_ = s.stdin.Close()
			_ = s.stdout.Close()
			_ = s.stderr.Close()
		}
	})
	return nil
}
