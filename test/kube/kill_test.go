package kube

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/kplan/kplan/test/crash"
)

// TestKill kills kplan while it makes a cluster, each time on bare machines, at random instants that are spread over the making
// of the control plane and over the joins. The next apply is to make it whole.
func TestKill(t *testing.T) {
	kills := 3 // of each type
	if crash.Full {
		kills = 12
	}
	c := newCluster(t, 10*time.Minute+time.Duration(2*kills)*3*time.Minute)
	s := newSpec(t, c)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	// The first run tells how long one takes.
	s.Want(0, "apply", "--auto-approve", "--json-into", "whole.json")
	whole := s.events("whole.json")
	for _, typ := range []string{"kubeadm_control_plane", "kubeadm_join"} {
		takes := took(whole, typ)
		for i := range kills {
			part := (float64(i) + dice.Float64()) / float64(kills)
			for !s.killed(typ, time.Duration(part*float64(takes))) { // faster than the one that was measured
				takes = min(takes, took(s.events("killed.json"), typ))
			}
		}
	}
}

// killed kills an apply on bare machines so long after it has begun with the type, and wants the next one to do what is left. It
// reports whether the kill came before the end.
func (s *spec) killed(typ string, after time.Duration) (inTime bool) {
	s.t.Helper()
	s.lab.Reset(s.t, s.machines...)
	for _, left := range []string{".kplan", "killed.json"} {
		if err := os.RemoveAll(s.path(left)); err != nil {
			s.t.Fatal(err)
		}
	}
	run := s.Start("apply", "--auto-approve", "--json-into", "killed.json")
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		s.killAt(run.Process, typ, after, over)
	}()
	first := s.Wait(run)
	close(over)
	<-gone
	if first.Code > 0 {
		s.t.Fatalf("the apply that was to be killed ended with %d:\n%s", first.Code, first.Stderr)
	}
	start := time.Now()
	next := s.Want(0, "apply", "--auto-approve", "--json-into", "next.json")
	took := time.Since(start)
	s.ready()
	s.still()
	outcomes := outcomes(s.events("next.json"))
	s.t.Logf("killed %.1f s after the begin of %s; the next apply took %.1f s: %v", after.Seconds(), typ, took.Seconds(), outcomes)
	if s.t.Failed() {
		s.t.Fatalf("the next apply:\n%s%s", next.Stdout, next.Stderr)
	}
	return first.Code < 0
}

// killAt kills the process at that time, unless it is over before.
func (s *spec) killAt(process *os.Process, typ string, after time.Duration, over <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		if begin, _ := span(s.events("killed.json"), typ); !begin.IsZero() && time.Since(begin) >= after {
			_ = process.Kill()
			return
		}
	}
}
