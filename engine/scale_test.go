package engine_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/test/scale"
)

// planOffline loads and plans n hosts, and returns how long that took.
func planOffline(tb testing.TB, n int) time.Duration {
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.kplan.hcl"), []byte(scale.Spec(n)), 0o600); err != nil {
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
	if got := len(p.Plan.Steps()); got != scale.Resources*n {
		tb.Fatalf("%d steps, want %d", got, scale.Resources*n)
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
		b.Run(fmt.Sprintf("instances=%d", scale.Resources*n), func(b *testing.B) {
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
