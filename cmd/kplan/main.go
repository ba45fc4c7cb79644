// Command kplan plans and applies what machines shall be, over SSH.
//
// It knows how a program begins and ends. All it does is package cli's
// business.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kplan/kplan/cmd/internal/cli"
)

func main() { os.Exit(run()) }

// run is main with an exit code.
func run() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader that goes away, as head does, must not end a run that acts on
	// hosts: the write fails instead.
	signal.Ignore(syscall.SIGPIPE)
	return cli.Main(context.Background(), cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Signals: signals,
	})
}
