package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// asks reports whether there is somebody to ask.
func (a *app) asks() bool { return !a.common.noInput && view.Terminal(a.env.Stdin) }

// approve asks whether a plan is to be applied; nil is yes.
func (a *app) approve(ctx context.Context, p *plans.Plan) error {
	question := "Do you want to perform these actions?\n  kplan will perform the actions described above.\n"
	if p.Mode() == plans.Destroy {
		question = "Do you really want to destroy all of this?\n  There is no undo.\n"
	}
	answer, err := a.ask(ctx, question+"  Only 'yes' will be accepted to approve.\n\n  Enter a value: ")
	if err != nil {
		return err
	}
	if answer != "yes" {
		return problem("The plan was not approved", "Nothing was changed.")
	}
	return nil
}

// confirm asks a question that is to be answered with yes; nil is yes.
func (a *app) confirm(ctx context.Context, question string) error {
	if !a.asks() {
		return problem("Nobody can be asked", "Standard input is no terminal. Say yes beforehand with --auto-approve.")
	}
	answer, err := a.ask(ctx, question+"  Only 'yes' will be accepted.\n\n  Enter a value: ")
	if err != nil {
		return err
	}
	if answer != "yes" {
		return problem("It was not approved", "Nothing was changed.")
	}
	return nil
}

// ask puts a question to the user and returns the line typed.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	a.view.Ask(question)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() { // ends with the program where nobody types
		s, err := bufio.NewReader(a.env.Stdin).ReadString('\n')
		typed <- line{s, err}
	}()
	select {
	case l := <-typed:
		if l.err != nil && l.err != io.EOF {
			return "", problem("The answer cannot be read", l.err.Error()+".")
		}
		return strings.TrimSpace(l.text), nil
	case <-ctx.Done():
		a.view.Say("")
		return "", ctx.Err()
	}
}

// holder says who takes the lock.
func (a *app) holder() state.Holder {
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	h := state.Holder{ID: hex.EncodeToString(id), PID: os.Getpid(), Command: strings.Join(commandWords(a.env.Args), " "), Since: time.Now()}
	h.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	return h
}

// commandWords are the words of the command in the arguments, without its
// flags, whose values may be secret.
func commandWords(args []string) []string {
	for i, arg := range args {
		if cmd, _, err := find(args[i:]); err == nil && !strings.HasPrefix(arg, "-") {
			return strings.Fields(cmd.name)
		}
	}
	return nil
}
