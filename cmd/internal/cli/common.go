package cli

import (
	"time"

	"github.com/kplan/kplan/cmd/internal/view"
)

// common is the flags that every command has.
type common struct {
	chdir       string
	vars        []string
	varFiles    []string
	parallelism int
	lockTimeout time.Duration
	noColour    bool
	noInput     bool
	logLevel    string
	progress    string
}

// define declares the flags. A value that was given before stays.
func (c *common) define(f *flags) {
	from := len(f.docs)
	if c.parallelism == 0 {
		c.parallelism = 64
	}
	f.stringVar(&c.chdir, "chdir", "DIR", "run as if started in DIR: where the spec is")
	f.listVar(&c.vars, "var", "NAME=VALUE", "set a variable of the spec")
	f.listVar(&c.varFiles, "var-file", "FILE", "read values of variables from FILE")
	f.intVar(&c.parallelism, "parallelism", "N", "connect to and act on at most N hosts at once (default 64)", 1, 10000)
	f.durationVar(&c.lockTimeout, "lock-timeout", "TIME", "wait so long for the lock of the state, such as 30s (default 0s)")
	f.boolVar(&c.noColour, "no-color", "write without colour, as with the environment variable NO_COLOR")
	f.add("input", "", "ask where something is to be decided (default true); --input=false never asks", true, func(s string) error {
		var on bool
		g := newFlags("")
		g.boolVar(&on, "input", "")
		err := g.set.Set("input", s)
		c.noInput = !on
		return err
	})
	f.choiceVar(&c.logLevel, "log-level", "how much is said beside the result (default info)", view.LogInfo, view.LogError, view.LogWarn, view.LogDebug)
	f.choiceVar(&c.progress, "progress", "how progress is shown (default auto)",
		view.ProgressAuto, view.ProgressTTY, view.ProgressPlain, view.ProgressJSON, view.ProgressQuiet)
	for i := range f.docs[from:] {
		f.docs[from+i].common = true
	}
}
