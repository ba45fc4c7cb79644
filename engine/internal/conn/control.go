package conn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// word is what lineages and runs are made of: it needs no escape in JSON, so
// that the shell can read a fence, and no care in the name of a directory.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

func plainWord(s string) bool { return word.MatchString(s) }

// control runs one function of shell.sh as an act, in a frame of its own.
func (s *Session) control(ctx context.Context, function string, bodies ...[]byte) (answer, error) {
	f := newFrame()
	f.acts = true
	f.op(false, function)
	for _, b := range bodies {
		f.body(b)
	}
	f.text.WriteByte('\n')
	answers, err := s.exchange(ctx, f)
	return answers[0], err
}

// refused is the error of a control operation, nil where it was done.
func refused(what string, a answer, err error) error {
	if err != nil {
		return err
	}
	code, err := status(a)
	if err == nil && code != 0 {
		err = fmt.Errorf("cannot %s: %s", what, message(a.err))
	}
	return err
}

// Claim implements host.Control. The session's acts are of f's lineage from
// then on.
func (s *Session) Claim(ctx context.Context, f host.Fence) error {
	if !plainWord(f.Lineage) || !plainWord(f.Run) || f.Epoch < 0 {
		return errors.New("the fence names no lineage, run and epoch; this is a bug in kplan")
	}
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	a, err := s.control(ctx, fmt.Sprintf("claim %s %d %d", quote(f.Lineage), f.Epoch, len(line)), line)
	if err := refused("claim the machine", a, err); err != nil {
		return err
	}
	s.opts.Lineage = f.Lineage
	return nil
}

// Sign implements host.Control. It fails with host.ErrFenced as an act does.
func (s *Session) Sign(ctx context.Context, r host.Receipt, open []host.ActID) error {
	if !plainWord(r.Lineage) || !plainWord(r.Run) || r.Epoch < 0 {
		return errors.New("the receipt names no lineage, run and epoch; this is a bug in kplan")
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	words := []string{fmt.Sprintf("sign %s %d %d", quote(r.Lineage), r.Epoch, len(line))}
	for _, id := range open {
		if err := checkAct(id); err != nil {
			return err
		}
		words = append(words, quote(stepName(id)))
	}
	a, err := s.control(ctx, strings.Join(words, " "), line)
	return refused("write the receipt", a, err)
}
