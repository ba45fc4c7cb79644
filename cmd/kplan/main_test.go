package main

import (
	"flag"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"kplan": main})
}

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// TestScript runs the real command as testdata/script says. The first word of
// a script's name is its subject.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LANG", "C.UTF-8")
			e.Setenv("TERM", "xterm")
			e.Setenv("GORACE", "atexit_sleep_ms=10") // not a second, for each command, with the race detector
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
	})
}

// status runs kplan and checks its exit status: status CODE ARGUMENTS…
// Its output is compared by the commands behind it, as that of exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: status CODE ARGUMENTS…")
	}
	err := ts.Exec("kplan", args[1:]...)
	got := "0"
	if err != nil {
		got = err.Error()
		if n, ok := err.(interface{ ExitCode() int }); ok {
			got = strconv.Itoa(n.ExitCode())
		}
	}
	if got != args[0] {
		ts.Fatalf("kplan %q ended with status %s, want %s", args[1:], got, args[0])
	}
}
