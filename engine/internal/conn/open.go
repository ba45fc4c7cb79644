package conn

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
)

// BecomeError is a login user who could not become the one who acts.
type BecomeError struct {
	Method Method
	User   string
	Msg    string
}

func (e *BecomeError) Error() string {
	return fmt.Sprintf("cannot become %s with %s: %s", e.User, e.Method, e.Msg)
}

// StartError is a machine that let us in but started no usable shell.
type StartError struct {
	Msg  string
	Said string // the last lines that the machine wrote
}

func (e *StartError) Error() string {
	if e.Said == "" {
		return e.Msg
	}
	return e.Msg + ": " + e.Said
}

// Open starts the shell, becomes who acts, and makes a session of it. The
// session owns the shell: closing it closes the shell, and so does a failed
// Open. Without becoming it costs one round trip after the command's start,
// which brings the contact too; with it, two, and one more for a password.
func Open(ctx context.Context, shell Shell, opts Options) (*Session, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		_ = shell.Close()
		return nil, err
	}
	s := newSession(shell, opts)
	prompt := nonce()
	if opts.Become.Method != None {
		s.out.parser.needle = []byte("\n" + prompt + " up\n")
		s.err.parser.needle = []byte(opts.Become.prompt(prompt))
	}
	if err := shell.Start(bootstrap(opts.path, opts.sh)); err != nil {
		_ = shell.Close()
		return nil, fmt.Errorf("start of a shell: %w", err)
	}
	s.listen()
	if err := s.prepare(ctx, prompt); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (o Options) validate() error {
	switch o.Become.Method {
	case None, Sudo, Doas, Su:
	default:
		return fmt.Errorf("become: %q is not one of sudo, doas, su", string(o.Become.Method))
	}
	if o.Become.User[0] == '-' {
		return errors.New("become_user begins with a dash")
	}
	if strings.ContainsAny(o.Become.Password, "\n\x00") {
		return errors.New("become_password holds a line feed or NUL")
	}
	if o.Lineage != "" && !plainWord(o.Lineage) {
		return errors.New("the lineage is not made of letters, digits and dashes")
	}
	return noNUL(o.Become.User, o.RunDir, o.StateDir)
}

func (b Become) prompt(nonce string) string {
	if b.Method == Su {
		return "Password: " // fixed in pam_unix(8) under LC_ALL=C
	}
	return nonce
}

// prepare brings the shell to its loop. Each stage has its own deadline.
func (s *Session) prepare(ctx context.Context, prompt string) error {
	if b := s.opts.Become; b.Method != None {
		err := s.stage(ctx, string(b.Method), func() error { return s.become(b, prompt) })
		if errors.Is(err, host.ErrLost) {
			err = s.unbecome(err)
		}
		if err != nil {
			return err
		}
	}
	err := s.stage(ctx, "the shell", func() error {
		program := assign("N", s.nonce, "R", s.opts.RunDir, "V", s.opts.StateDir) + shellProgram + runLine
		asked := time.Now()
		if err := s.write([]byte(program)); err != nil {
			return err
		}
		marks, err := s.collect()
		if err != nil {
			return err
		}
		s.contact, err = contact(marks[0].out.data, asked, time.Now())
		return err
	})
	if errors.Is(err, host.ErrLost) {
		return s.unready(err)
	}
	return err
}

// stage bounds f, and says which stage it was that took too long.
func (s *Session) stage(ctx context.Context, name string, f func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, &LateError{name, s.opts.Timeout})
	defer cancel()
	return s.within(ctx, f)
}

// become waits for the new user's shell, and gives the password where it is
// asked for.
func (s *Session) become(b Become, prompt string) error {
	script := assign("P", prompt, "U", b.User, "M", string(b.Method), "S", greeting) + becomeProgram + runLine
	if err := s.write([]byte(script)); err != nil {
		return err
	}
	for asked := false; ; asked = true {
		select {
		case <-s.out.marks:
			return nil
		default:
		}
		select {
		case <-s.out.marks:
			return nil
		case <-s.err.marks:
		case <-s.lost:
			return s.cause
		}
		if b.Password == "" {
			return &BecomeError{b.Method, b.User, "it asks for a password, and become_password is not set"}
		}
		if asked {
			return &BecomeError{b.Method, b.User, "the password was refused"}
		}
		if err := s.write([]byte(b.Password + "\n")); err != nil {
			return err
		}
	}
}

// unbecome explains the end of a shell that was to become another user.
func (s *Session) unbecome(err error) error {
	if late := s.late(err); late != nil {
		return late
	}
	b := s.opts.Become
	said := s.said()
	switch {
	case strings.Contains(said, "must have a tty"):
		said += " (requiretty is set in sudoers(5); take it out for this user)"
	case b.Method == Doas && strings.Contains(said, "Auth"):
		said += " (doas reads passwords from terminals only: permit this user with nopass, or use sudo)"
	case said == "":
		said = reason(err)
	}
	return &BecomeError{b.Method, b.User, said}
}

// unready explains the end of a shell that did not get to its loop.
func (s *Session) unready(err error) error {
	if late := s.late(err); late != nil {
		return late
	}
	return &StartError{"the login did not start a POSIX shell (" + reason(err) + ")", s.said()}
}

// late is the error of a stage that its deadline or the context ended, with
// what the machine said until then.
func (s *Session) late(err error) error {
	if l, ok := errors.AsType[*LateError](err); ok {
		if said := s.said(); said != "" {
			return fmt.Errorf("%w; the machine said: %s", l, said)
		}
		return l
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// said is what the machine wrote last before any marker, up to three whole
// lines.
func (s *Session) said() string {
	s.fail(errClosed)
	s.readers.Wait()
	for _, p := range []*parser{s.err.parser, s.out.parser} {
		noise := p.noise
		if p.within { // the rest of a line may be that of a secret
			_, noise, _ = bytes.Cut(noise, []byte{'\n'})
		}
		var lines []string
		for line := range bytes.Lines(noise) {
			if l := clean(line); l != "" {
				lines = append(lines, l)
			}
		}
		if n := len(lines); n > 0 {
			return strings.Join(lines[max(0, n-3):], "; ")
		}
	}
	return ""
}

func reason(err error) string {
	return strings.TrimPrefix(err.Error(), host.ErrLost.Error()+": ")
}

// nonce is 128 random bits.
func nonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
