// Package needs says what tests need of the host that they run on: programs,
// root, machines. Where it is not there they are skipped; with
// KPLAN_REQUIRE_LAB=1 they fail, so that nothing is left out unnoticed.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Required reports whether what tests need has to be there.
func Required() bool { return os.Getenv("KPLAN_REQUIRE_LAB") == "1" }

// Missing ends a test that cannot run here, and says why: it is skipped, or
// fails where what it needs is required.
func Missing(tb testing.TB, why string) {
	tb.Helper()
	if Required() {
		tb.Fatal(why + ", and KPLAN_REQUIRE_LAB=1 requires it")
	}
	tb.Skip(why)
}

// Program is the path of a program that the test needs.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(tb, name+" is not installed")
	}
	return path
}

// Root ends a test that only root can run.
func Root(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		Missing(tb, "it is not root who runs this test")
	}
}
