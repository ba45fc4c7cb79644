package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kplan/kplan/test/scale"
)

// binary is the real program, built once for the tests that measure it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kplan-test-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "kplan")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// built is the directory of the binary; "" where none was asked for.
var built string

// tests are the tests of this package, and the removal of what they built.
type tests struct{ *testing.M }

// Run runs the tests.
func (t tests) Run() int {
	defer func() { _ = os.RemoveAll(built) }()
	return t.M.Run()
}

// cost is what a run of the program took.
type cost struct {
	code   int
	stderr string
	wall   time.Duration
	cpu    time.Duration
	peak   int64 // resident memory, in bytes
}

func (c cost) String() string {
	return fmt.Sprintf("%.2f s, %.2f s of CPU, %d MiB", c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20)
}

// measured runs the program in a directory with a spec. Its output goes to
// /dev/null.
func measured(tb testing.TB, spec string, args ...string) cost {
	tb.Helper()
	path, err := binary()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.kplan.hcl"), []byte(spec), 0o600); err != nil {
		tb.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, &stderr, []string{"LANG=C.UTF-8"}
	start := time.Now()
	_ = cmd.Run() // the exit code says it
	c := cost{code: cmd.ProcessState.ExitCode(), stderr: stderr.String(), wall: time.Since(start)}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = u.Maxrss << 10
	}
	return c
}

// TestHostileInput gives the program what would make a parser or an evaluator
// without limits die. Each is an error in words, at a place in the spec, within
// a second and 200 MiB. The second is of processor time, and is halved, so that
// it holds on a machine that is busy with other things too.
func TestHostileInput(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("locals {\n  l0 = \"ha\"\n")
	for i := range 40 {
		fmt.Fprintf(&laughs, "  l%d = [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("local.l%d, ", i), 10), ", "))
	}
	laughs.WriteString("}\noutput \"o\" { value = local.l40 }\n")
	for name, in := range map[string]struct{ spec, summary, says string }{
		"brackets":      {"locals { a = " + strings.Repeat("[", 200<<10), "Source nested too deep", "kplan reads 200 levels"},
		"laughs":        {laughs.String(), "Too much to evaluate", "more than 1,000,000 elements"},
		"outside":       {"locals { a = file(\"../../etc/shadow\") }\noutput \"o\" { value = local.a }\n", "Invalid function argument", "outside"},
		"long line":     {"locals { a = \"" + strings.Repeat("x", 2<<20) + "\" }\noutput \"o\" { value = local.a }\n", "Line too long", "1 MiB at most"},
		"long, unended": {"locals { a = \"" + strings.Repeat("x", 2<<20), "Line too long", "1 MiB at most"},
		"nearly long":   {"locals { a = \"" + strings.Repeat("x", 1<<20-100) + "\" }\noutput \"o\" { value = local.a + nosuch.b }\n", "Unknown reference", "nosuch"},
		"not UTF-8":     {"locals { a = \"\xff\xfe\" }\n", "Not UTF-8", "0xff at offset 14"},
	} {
		for _, command := range [][]string{{"validate"}, {"plan", "--offline"}} {
			t.Run(name+"/"+command[0], func(t *testing.T) {
				c := measured(t, in.spec, command...)
				t.Log(c)
				if c.code != 1 || !strings.Contains(c.stderr, "Error: "+in.summary+"\n") || !strings.Contains(c.stderr, in.says) {
					t.Errorf("status %d, says not %q and %q:\n%.2000s", c.code, in.summary, in.says, c.stderr)
				}
				if !strings.Contains(c.stderr, "on main.kplan.hcl line ") {
					t.Errorf("it does not say where:\n%.2000s", c.stderr)
				}
				if len(c.stderr) > 4<<10 {
					t.Errorf("the error has %d bytes: %.500s…", len(c.stderr), c.stderr)
				}
				if c.cpu > time.Second/2 || c.peak > 200<<20 {
					t.Errorf("it took %s", c)
				}
			})
		}
	}
}

// BenchmarkPlanOffline is the whole program planning 1,000, 10,000 and 100,000
// instances, text and all: seconds, peak resident memory, and the exponent with
// which time grows from a size to the next.
func BenchmarkPlanOffline(b *testing.B) {
	before := 0.0
	for _, hosts := range []int{50, 500, 5000} {
		b.Run(fmt.Sprintf("instances=%d", scale.Resources*hosts), func(b *testing.B) {
			var wall, cpu time.Duration
			var peak int64
			spec := scale.Spec(hosts)
			for b.Loop() {
				c := measured(b, spec, "plan", "--offline")
				if c.code != 0 {
					b.Fatal(c.stderr)
				}
				wall, cpu, peak = wall+c.wall, cpu+c.cpu, max(peak, c.peak)
			}
			mean := cpu.Seconds() / float64(b.N)
			b.ReportMetric(wall.Seconds()/float64(b.N), "s/plan")
			b.ReportMetric(mean, "cpu-s/plan")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			if before > 0 {
				b.ReportMetric(math.Log10(mean/before), "exponent")
			}
			before = mean
			if peak > 500<<20 {
				b.Errorf("%d MiB at the peak, 500 at most", peak>>20)
			}
		})
	}
}
