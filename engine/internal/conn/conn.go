// Package conn is a host.Session over one standing shell on a machine.
//
// It knows the operations of package host, how they travel in frames to a
// POSIX shell and what comes back, how to become another user, and where
// detached acts live on the machine. It does not know how the shell was
// reached (packages ssh and local), what an operation is for, or what to do
// after a failure.
//
// A frame is one write and one answer, so one round trip: calls to the
// functions of shell.sh, with every value either a quoted word or bytes that
// follow the text. The answer is cut at lines that begin with a nonce. A frame
// without acts leaves no trace on the machine.
package conn

import (
	"io"
	"time"
)

// Shell is a command that can be started once on a machine, with its streams.
// ssh.Shell is one, local.Shell another.
type Shell interface {
	// Start runs command as sshd(8) does, by the login shell of the user, or by
	// another shell.
	Start(command string) error
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Stderr() io.Reader
	// Wait returns when the command has ended, with why, after both streams
	// have been read to their ends.
	Wait() error
	// Close ends the connection at once: what is blocked in the other methods
	// returns, whatever the command does.
	Close() error
}

// Options say how to work on a machine. The zero value is usual.
type Options struct {
	Become  Become
	Timeout time.Duration // of each stage up to the ready shell; 0 means 10 s
	// ReadTimeout bounds the answer to a frame that holds no act; 0 means
	// 2 min. Acts are bounded by their context.
	ReadTimeout time.Duration
	// Lineage of the state whose run this is, for a session that acts without
	// having claimed the machine itself. Claim sets it too.
	Lineage string
	// RunDir and StateDir replace /run/kplan and /var/lib/kplan.
	RunDir, StateDir string

	sh, path string // replace /bin/sh and searchPath
}

func (o Options) withDefaults() Options {
	if o.Become.Method == "none" {
		o.Become.Method = None
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = 2 * time.Minute
	}
	if o.RunDir == "" {
		o.RunDir = "/run/kplan"
	}
	if o.StateDir == "" {
		o.StateDir = "/var/lib/kplan"
	}
	if o.Become.User == "" {
		o.Become.User = "root"
	}
	if o.sh == "" {
		o.sh = "/bin/sh"
	}
	if o.path == "" {
		o.path = searchPath
	}
	return o
}

// Become says how to get from the login user to the one who acts. A login as
// uid 0 never becomes anybody.
type Become struct {
	Method   Method
	User     string // "" means root
	Password string // given on standard input, once, when it is asked for
}

// Method is a program that starts a shell as another user.
type Method string

// The methods. None of them is given a terminal.
const (
	None Method = ""
	Sudo Method = "sudo" // sudo(8)
	Doas Method = "doas" // doas(1); it reads passwords from terminals only
	Su   Method = "su"   // su(1)
)
