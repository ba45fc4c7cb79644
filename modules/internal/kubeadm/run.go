package kubeadm

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/kplan/kplan/modules/host"
)

// detached runs a script of package script, which may take minutes.
func detached(ctx context.Context, h host.Host, what, text string, stdin []byte, args ...string) error {
	_, err := h.Do(ctx, host.Run{Argv: append([]string{"/bin/sh", "-c", text, "kplan"}, args...), Stdin: stdin, Detached: true})
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		err = &host.ExitError{Argv: []string{"kubeadm"}, Output: exit.Output}
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
