package walk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logged walks tasks with visits that take a second each, and returns what
// happened, in order.
func logged(t *testing.T, tasks []Task, v Visitor, fails ...int) []string {
	t.Helper()
	var log []string
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		start := time.Now()
		say := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%d: ", time.Since(start)/time.Second)+fmt.Sprintf(format, args...))
		}
		v.Visit = func(_ context.Context, batch []int) (well []bool) {
			say("start %s", strings.Trim(fmt.Sprint(batch), "[]"))
			time.Sleep(time.Second)
			for _, i := range batch {
				well = append(well, !slices.Contains(fails, i))
			}
			return well
		}
		v.Skip = func(i, cause int) { say("skip %d for %d", i, cause) }
		if v.Parallel == 0 {
			v.Parallel = 100
		}
		Run(t.Context(), tasks, v)
		say("end")
	})
	slices.SortStableFunc(log, func(a, b string) int { // starts of one second in any order
		sa, _, _ := strings.Cut(a, ":")
		sb, _, _ := strings.Cut(b, ":")
		if len(sa) != len(sb) {
			return len(sa) - len(sb)
		}
		if c := strings.Compare(sa, sb); c != 0 || !strings.Contains(a, "start") || !strings.Contains(b, "start") {
			return c
		}
		return strings.Compare(a, b)
	})
	return log
}

func TestRun(t *testing.T) {
	tests := []struct {
		name  string
		tasks []Task
		v     Visitor
		fails []int
		want  []string
	}{
		{"nothing", nil, Visitor{}, nil, []string{"0: end"}},
		{
			"a chain on one lane",
			[]Task{{Lane: "a"}, {Lane: "a", After: []int{0}}},
			Visitor{},
			nil,
			[]string{"0: start 0", "1: start 1", "2: end"},
		},
		{
			"two lanes side by side, one lane in turn",
			[]Task{{Lane: "a"}, {Lane: "a"}, {Lane: "b"}},
			Visitor{},
			nil,
			[]string{"0: start 0", "0: start 2", "1: start 1", "2: end"},
		},
		{
			"a barrier waits for all",
			[]Task{{Lane: "a"}, {Lane: "b"}, {Lane: "b"}, {After: []int{0, 1, 2}}, {Lane: "a", After: []int{3}}},
			Visitor{},
			nil,
			[]string{"0: start 0", "0: start 1", "1: start 2", "2: start 4", "3: end"},
		},
		{
			"a semaphore over lanes",
			[]Task{{Lane: "a", Holds: []string{"s"}}, {Lane: "b", Holds: []string{"s"}}, {Lane: "c"}},
			Visitor{},
			nil,
			[]string{"0: start 0", "0: start 2", "1: start 1", "2: end"},
		},
		{
			"the longest path first",
			[]Task{{Lane: "a"}, {Lane: "a"}, {Lane: "b", After: []int{1}}},
			Visitor{Parallel: 1},
			nil,
			[]string{"0: start 1", "1: start 0", "2: start 2", "3: end"},
		},
		{
			"a failure skips what waits for it, through barriers, and names the first cause",
			[]Task{{Lane: "a"}, {After: []int{0}}, {Lane: "b", After: []int{1}}, {Lane: "c", After: []int{2}}, {Lane: "d"}},
			Visitor{},
			[]int{0},
			[]string{"0: start 0", "0: start 4", "1: skip 2 for 0", "1: skip 3 for 0", "1: end"},
		},
		{
			"a skipped task waits for the rest of what it waits for",
			[]Task{{Lane: "a"}, {Lane: "b"}, {Lane: "b", After: []int{1}}, {Lane: "c", After: []int{0, 2}}},
			Visitor{},
			[]int{0},
			[]string{"0: start 0", "0: start 1", "1: start 2", "2: skip 3 for 0", "2: end"},
		},
		{
			"a batch is what is ready of it on a lane, the longest path first",
			[]Task{{Lane: "a", Batch: "p"}, {Lane: "a", Batch: "p"}, {Lane: "b", Batch: "p"}, {Lane: "a", After: []int{1}}, {Lane: "a", Batch: "p", After: []int{3}}},
			Visitor{},
			nil,
			[]string{"0: start 1 0", "0: start 2", "1: start 3", "2: start 4", "3: end"},
		},
		{
			"a batch counts as one, of the tasks at once and of a semaphore",
			[]Task{{Lane: "a", Holds: []string{"s"}}, {Lane: "b", Batch: "p", Holds: []string{"s"}}, {Lane: "b", Batch: "p", Holds: []string{"s"}}, {Lane: "c", Batch: "q"}},
			Visitor{Parallel: 2},
			nil,
			[]string{"0: start 0", "0: start 3", "1: start 1 2", "2: end"},
		},
		{
			"of a batch one may fail",
			[]Task{{Lane: "a", Batch: "p"}, {Lane: "a", Batch: "p"}, {Lane: "a", After: []int{0}}, {Lane: "a", After: []int{1}}},
			Visitor{},
			[]int{0},
			[]string{"0: start 0 1", "1: skip 2 for 0", "1: start 3", "2: end"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, logged(t, tt.tasks, tt.v, tt.fails...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStopLetsRunningEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		var ended, skipped []int
		var mu sync.Mutex
		go func() {
			time.Sleep(time.Second / 2)
			close(stop)
		}()
		Run(t.Context(), []Task{{Lane: "a"}, {Lane: "a", After: []int{0}}, {Lane: "b"}, {After: []int{2}}}, Visitor{
			Parallel: 2, Stop: stop,
			Visit: func(_ context.Context, batch []int) []bool {
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, batch...)
				return []bool{true}
			},
			Skip: func(i, cause int) {
				if cause != Never {
					t.Errorf("task %d was skipped for %d, want Never", i, cause)
				}
				skipped = append(skipped, i)
			},
		})
		slices.Sort(ended)
		if !slices.Equal(ended, []int{0, 2}) || !slices.Equal(skipped, []int{1}) {
			t.Errorf("ended %v, skipped %v; want [0 2] and [1]", ended, skipped)
		}
	})
}

func TestCancelReachesVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var skipped int
		Run(ctx, []Task{{Lane: "a"}, {Lane: "a"}, {Lane: "b"}}, Visitor{
			Parallel: 1,
			Visit:    func(ctx context.Context, _ []int) []bool { <-ctx.Done(); return []bool{false} },
			Skip:     func(int, int) { skipped++ },
		})
		if skipped != 2 {
			t.Errorf("%d tasks were skipped, want 2", skipped)
		}
	})
}

// Whatever the graph: each task is visited or skipped once, none before what
// it waits for, lanes and semaphores are never shared.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := rnd.IntN(60)
		tasks := make([]Task, n)
		for i := range tasks {
			if rnd.IntN(5) > 0 {
				tasks[i].Lane = fmt.Sprint("lane", rnd.IntN(4))
				switch rnd.IntN(6) {
				case 0, 1:
					tasks[i].Holds = []string{fmt.Sprint("sem", rnd.IntN(2))}
				case 2:
					tasks[i].Batch = fmt.Sprint("batch", rnd.IntN(2))
				case 3: // of a batch all hold the same
					tasks[i].Batch, tasks[i].Holds = "held", []string{"sem0"}
				}
			}
			for j := range i {
				if rnd.IntN(8) == 0 {
					tasks[i].After = append(tasks[i].After, j)
				}
			}
		}
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			done, ended, held := make([]bool, n), make([]bool, n), map[string]bool{}
			take := func(i int, on bool) {
				for _, k := range append([]string{tasks[i].Lane}, tasks[i].Holds...) {
					if held[k] == on {
						t.Fatalf("seed %d: %s is shared", seed, k)
					}
					held[k] = on
				}
			}
			Run(t.Context(), tasks, Visitor{
				Parallel: 1 + rnd.IntN(4),
				Visit: func(_ context.Context, batch []int) (well []bool) {
					mu.Lock()
					take(batch[0], true)
					for _, i := range batch {
						if i != batch[0] && (tasks[i].Batch == "" || tasks[i].Batch != tasks[batch[0]].Batch || tasks[i].Lane != tasks[batch[0]].Lane) {
							t.Errorf("seed %d: tasks %d and %d are one batch", seed, batch[0], i)
						}
						for _, a := range tasks[i].After {
							if tasks[a].Lane != "" && !ended[a] {
								t.Errorf("seed %d: task %d began before %d ended well", seed, i, a)
							}
						}
						well = append(well, (seed+uint64(i))%9 != 0)
					}
					mu.Unlock()
					time.Sleep(time.Duration(1+batch[0]%3) * time.Second)
					mu.Lock()
					defer mu.Unlock()
					take(batch[0], false)
					for n, i := range batch {
						if done[i] {
							t.Errorf("seed %d: task %d was visited twice", seed, i)
						}
						done[i], ended[i] = true, well[n]
					}
					return well
				},
				Skip: func(i, cause int) {
					mu.Lock()
					defer mu.Unlock()
					if done[i] || cause == Never || ended[cause] {
						t.Errorf("seed %d: task %d skipped for %d", seed, i, cause)
					}
					done[i] = true
				},
			})
			for i := range tasks {
				if tasks[i].Lane != "" && !done[i] {
					t.Errorf("seed %d: task %d was left out", seed, i)
				}
			}
		})
	}
}

func BenchmarkRun(b *testing.B) {
	const hosts, each = 5000, 20
	tasks := make([]Task, 0, hosts*each)
	for h := range hosts {
		for k := range each {
			t := Task{Lane: fmt.Sprint(h)}
			if k > 0 {
				t.After = []int{len(tasks) - 1}
			}
			tasks = append(tasks, t)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Run(b.Context(), tasks, Visitor{Parallel: 64, Visit: func(context.Context, []int) []bool { return []bool{true} }, Skip: func(int, int) {}})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tasks)), "ns/task")
}
