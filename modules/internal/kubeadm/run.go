package kubeadm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/kplan/kplan/modules/host"
)

// noise is what kubeadm writes around what went wrong: the log of its etcd client,
// which tells of each try, and how to see the stack trace.
var noise = regexp.MustCompile(`(?m)^(\{"level":"warn",.*|To see the stack trace of this error execute with --v=5 or higher)(\n|\z)`)

// detached runs a script of package script, which may take minutes.
func detached(ctx context.Context, h host.Host, what, text string, stdin []byte, args ...string) error {
	_, err := h.Do(ctx, host.Run{Argv: append([]string{"/bin/sh", "-c", text, "kplan"}, args...), Stdin: stdin, Detached: true})
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		out := exit.Output
		out.Stdout, out.Stderr = noise.ReplaceAll(out.Stdout, nil), noise.ReplaceAll(out.Stderr, nil)
		err = &host.ExitError{Argv: []string{"kubeadm"}, Output: out}
	}
	if err != nil {
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	return nil
}

// lastLine is the last line of a command's output.
func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
