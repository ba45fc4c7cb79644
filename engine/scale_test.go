package engine_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// scaleSpec is n hosts, a multiple of 50, with twenty resources each, in chains of ten with one
// barrier over all hosts between them.
func scaleSpec(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
host "node" {
  for_each = { for i in flatten([for a in range(%d) : [for b in range(50) : 50 * a + b]]) : format("n%%05d", i) => cidrhost("10.0.0.0/8", i + 1) }
  name     = each.key
  address  = each.value
}
`, n/50)
	for k := range 20 {
		after := fmt.Sprintf("file.f%d", k-1)
		switch k {
		case 0:
			after = ""
		case 10:
			after = "all.file.f9"
		}
		fmt.Fprintf(&b, "resource \"file\" \"f%d\" {\n  on = hosts\n  path = \"/etc/f%d\"\n  content = \"%d on ${each.host.name}\\n\"\n  depends_on = [%s]\n}\n", k, k, k, after)
	}
	return b.String()
}

// planOffline loads and plans n hosts, and returns how long that took.
func planOffline(tb testing.TB, n int) time.Duration {
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.kplan.hcl"), []byte(scaleSpec(n)), 0o600); err != nil {
		tb.Fatal(err)
	}
	catalog := modules.NewCatalog(modules.All()...)
	start := time.Now()
	spec, diags := dsl.Load(dir, dsl.Options{Types: catalog})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	e := &engine.Engine{Types: catalog.Type, Parallelism: 64, Now: time.Now}
	p, diags := e.Plan(tb.Context(), engine.PlanInput{Spec: spec, State: state.NewSnapshot("test"), Key: make([]byte, 32), Mode: plans.Normal, Offline: true})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	if got := len(p.Plan.Steps()); got != 20*n {
		tb.Fatalf("%d steps, want %d", got, 20*n)
	}
	took := time.Since(start)
	if b := len(p.Plan.Barriers()); b != 1 && n > 8 {
		tb.Fatalf("%d barriers, want 1", b)
	}
	return took
}

// TestEdgesGrowWithNodes counts: no step waits for all steps of a layer.
func TestEdgesGrowWithNodes(t *testing.T) {
	planOffline(t, 100)
}

// BenchmarkPlanOffline prints the time and memory of 1,000, 10,000 and 100,000
// instances, and the exponent with which time grows between the last two.
func BenchmarkPlanOffline(b *testing.B) {
	var times []float64
	for _, n := range []int{50, 500, 5000} {
		b.Run(fmt.Sprintf("instances=%d", 20*n), func(b *testing.B) {
			var total time.Duration
			for b.Loop() {
				total += planOffline(b, n)
			}
			mean := total.Seconds() / float64(b.N)
			times = append(times, mean)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(mean, "s/plan")
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
			if k := len(times); k > 1 {
				b.ReportMetric(math.Log10(times[k-1]/times[k-2]), "exponent")
			}
		})
	}
}
