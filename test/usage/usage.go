// Package usage bounds what tests cost: the processor time and the memory of
// what they try, and of the tests themselves.
package usage

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"
)

// A Cost is what a function took.
type Cost struct {
	CPU  time.Duration // of this process, garbage collection included; what others run beside it does not count
	Heap int64         // bytes at the height, beyond those from before
}

// Of runs f and returns what it took. Dead objects are collected early, so that
// the height is that of what is in use: how many wait to be collected depends on
// what else the machine does.
func Of(f func()) (c Cost) {
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	runtime.GC()
	before := heap()
	stop, peak := make(chan bool), make(chan int64)
	go func() {
		top := int64(0)
		for {
			top = max(top, heap())
			select {
			case <-stop:
				peak <- top
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	defer func() {
		close(stop)
		c.Heap = <-peak - before
	}()
	start := cpu()
	f()
	c.CPU = cpu() - start
	return c
}

// Within runs f and fails the test where f takes more than so much processor
// time, or more than so many bytes. Both are of a build without the race
// detector: with it ten times as long and twice as much is let pass.
func Within(tb testing.TB, cpu time.Duration, bytes int64, f func()) {
	tb.Helper()
	c := Of(f)
	tb.Logf("%s: %v, %d MiB", tb.Name(), c.CPU.Round(time.Millisecond), c.Heap>>20)
	if c.CPU > slow*cpu {
		tb.Errorf("took %v", c.CPU)
	}
	if c.Heap > large*bytes {
		tb.Errorf("took %d MiB", c.Heap>>20)
	}
}

// Sample is all of the cases; with -short every fifth. It is for tables of
// independent cases that cost much each and start no goroutine, of which the
// race detector needs not see all: `make test` runs the others without it.
func Sample[T any](cases []T) []T {
	if !testing.Short() {
		return cases
	}
	var some []T
	for i := 0; i < len(cases); i += 5 {
		some = append(some, cases[i])
	}
	return some
}

// heap is the bytes of all objects, dead ones included.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails for no other reason than a wrong argument
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
