// Package host is what a resource type sees of a machine: a closed set of
// operations and their results.
//
// It knows nothing of SSH, shells, plans or state. The engine's connections
// carry the operations to real machines; package hosttest carries them out on
// a machine in memory.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Host is one machine.
//
// Do performs ops in order, as one call: on a real machine the call travels in
// one round trip, however many operations it holds. It stops at the first
// operation that fails and returns its error with the results of those before
// it; otherwise it returns one result per operation.
//
// A Host handed to Read refuses acts (ErrReadOnly). A Host may be used by one
// goroutine at a time.
type Host interface {
	Do(ctx context.Context, ops ...Op) ([]Result, error)
}

// Op is one operation. The set is closed: ReadFile and Query read, the others
// are acts.
type Op interface {
	// Acts reports whether the operation may change the machine.
	Acts() bool
}

// ReadFile reads what stands at Path, without following a symbolic link in its
// last element. An absent path is no error: the result's File is nil.
type ReadFile struct {
	Path string
	// Limit bounds the content that is read, in bytes. 0 means DefaultLimit;
	// of a larger file only the metadata and the digest are read.
	Limit int64
	// List asks for the names in a directory.
	List bool
}

// DefaultLimit is the size up to which ReadFile brings the content itself.
const DefaultLimit = 1 << 20

// Query runs a command that changes nothing. Arguments are data: no shell
// interprets them. Its environment is PATH, LC_ALL=C and nothing else.
type Query struct {
	Argv []string
	// AnyExit makes every exit status a result; otherwise a status other than
	// 0 is an *ExitError.
	AnyExit bool
}

// WriteFile puts a regular file at Path, atomically: a temporary file in the
// same directory, flushed to disk, renamed over what was there. The directory
// must exist.
type WriteFile struct {
	Path    string
	Content []byte
	Mode    fs.FileMode // permission, setuid, setgid and sticky bits
	Owner   string      // name or number; "" leaves root
	Group   string
}

// MakeDir makes the directory Path, not its parents, or, where it is there,
// gives it the mode, owner and group.
type MakeDir struct {
	Path  string
	Mode  fs.FileMode
	Owner string
	Group string
}

// Remove removes the file, symbolic link or empty directory at Path. An absent
// path is no error.
type Remove struct {
	Path string
}

// Run runs a command that may change the machine.
type Run struct {
	Argv  []string
	Stdin []byte
	// Env holds NAME=value pairs added to PATH and LC_ALL=C. They reach the
	// command without appearing on a command line.
	Env []string
	Dir string // working directory; "" means /
	// User is who runs it; "" means who the connection became.
	User string
	// AnyExit makes every exit status a result, as in Query.
	AnyExit bool
	// Detached lets the command outlive the connection: it runs under the
	// machine's service manager, and a cut connection finds it again. For what
	// takes long or must not be cut in half; at most one in a call, and alone.
	Detached bool
}

// Restart restarts the machine. It gives an answer only where the machine
// refuses: a Host of a session is lost with the machine (ErrLost), and whether
// it has restarted shows in its boot id. One that outlives the session returns
// once the machine is back. It is alone in its call.
type Restart struct{}

func (ReadFile) Acts() bool  { return false }
func (Query) Acts() bool     { return false }
func (WriteFile) Acts() bool { return true }
func (MakeDir) Acts() bool   { return true }
func (Remove) Acts() bool    { return true }
func (Run) Acts() bool       { return true }
func (Restart) Acts() bool   { return true }

// Result is what one operation gave: File for ReadFile, Output for Query and
// Run, nothing for the others.
type Result struct {
	File   *File
	Output Output
}

// Kind is what stands at a path.
type Kind string

// The kinds of files; everything else (device, socket, pipe) is KindOther.
const (
	KindFile    Kind = "file"
	KindDir     Kind = "directory"
	KindSymlink Kind = "symlink"
	KindOther   Kind = "other"
)

// File is what was found at a path.
type File struct {
	Path  string
	Kind  Kind
	Mode  fs.FileMode // permission, setuid, setgid and sticky bits
	Owner string      // name, or number where the machine has no name for it
	Group string
	Size  int64
	// Content of a regular file; nil where it is larger than the limit.
	Content []byte
	// SHA256 of a regular file larger than the limit, in hexadecimal.
	SHA256 string
	// Target of a symbolic link.
	Target string
	// Entries are the names in a directory, sorted, if they were asked for.
	Entries []string
}

// Output is what a command wrote, each stream cut after 1 MiB.
type Output struct {
	Stdout    []byte
	Stderr    []byte
	Code      int // exit status; 128+n where signal n ended it
	Truncated bool
}

// Shown are both streams as far as they may be shown to anybody: of those that
// were cut the whole lines only, since half a secret is not known for one.
func (o Output) Shown() (stdout, stderr []byte) {
	if !o.Truncated {
		return o.Stdout, o.Stderr
	}
	return wholeLines(o.Stdout), wholeLines(o.Stderr)
}

func wholeLines(b []byte) []byte { return b[:bytes.LastIndexByte(b, '\n')+1] }

// ExitError is a command that ended with a status other than 0.
type ExitError struct {
	Argv   []string
	Output Output
}

// Error names the program, its status and the last whole line it wrote to
// standard error; never its arguments, which may hold what must not be shown.
func (e *ExitError) Error() string {
	msg := fmt.Sprintf("%s ended with exit status %d", e.Argv[0], e.Output.Code)
	stdout, stderr := e.Output.Shown()
	if line := lastLine(stderr); line != "" {
		msg += ": " + line
	} else if line := lastLine(stdout); line != "" {
		msg += ": " + line
	}
	return msg
}

func lastLine(b []byte) string {
	s := strings.TrimRight(string(b), " \t\r\n")
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimSpace(s)
}

// OpError is an operation on a path that the machine refused, such as a write
// into a directory that is not there.
type OpError struct {
	Op   string // "read", "write", "make directory", "remove"
	Path string
	Msg  string // what the machine said
}

func (e *OpError) Error() string { return fmt.Sprintf("cannot %s %s: %s", e.Op, e.Path, e.Msg) }

var (
	// ErrReadOnly refuses an act on a Host that was handed out for reading.
	ErrReadOnly = errors.New("an act on a host that was handed out for reading; this is a bug in kplan")
	// ErrFenced refuses an act because a later run has taken the machine over.
	ErrFenced = errors.New("another run has taken over this machine since")
	// ErrInterrupted is an act whose end nobody saw: the machine restarted, or
	// the process was killed, while it ran.
	ErrInterrupted = errors.New("the act was interrupted; whether it was completed is not known")
	// ErrLost is a connection that ended. Whether the last call reached the
	// machine is not known.
	ErrLost = errors.New("the connection was lost")
)
