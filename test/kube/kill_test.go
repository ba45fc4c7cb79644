package kube

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kplan/kplan/test/crash"
)

// TestKill kills kplan while it makes a cluster, each time on bare machines, at random instants that are spread over the making
// of the control plane and over the joins. The next apply is to make it whole.
func TestKill(t *testing.T) {
	kills := 2 // of each type
	if crash.Full {
		kills = 12
	}
	c := newCluster(t, 10*time.Minute+time.Duration(2*kills)*3*time.Minute)
	s := newSpec(t, c)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	for _, typ := range []string{"kubeadm_control_plane", "kubeadm_join"} {
		takes := s.takes(typ)
		for i := range kills {
			part := (float64(i) + dice.Float64()) / float64(kills)
			for !s.killed(typ, time.Duration(part*float64(takes))) { // faster than the one that was measured
				takes = min(takes, took(s.events("killed.json"), typ))
			}
		}
	}
}

// uncut is the stream of an apply on bare machines that nothing happened to, of whichever test was first to make one.
var uncut []event

// takes is how long the steps of a type take in all.
func (s *spec) takes(typ string) time.Duration {
	s.t.Helper()
	if uncut == nil {
		s.Want(0, "apply", "--auto-approve", "--json-into", "uncut.json")
		uncut = s.events("uncut.json")
	}
	return took(uncut, typ)
}

// killed kills an apply on bare machines so long after it has begun with the type, and wants the next one to do what is left. It
// reports whether the kill came before the end.
func (s *spec) killed(typ string, after time.Duration) (inTime bool) {
	s.t.Helper()
	s.bare()
	run := s.Start("apply", "--auto-approve", "--json-into", "killed.json")
	first, _ := s.during(run, typ, after, func() error {
		_ = run.Process.Kill() // one that has just ended is none that was killed
		return nil
	})
	if first.Code > 0 {
		s.t.Fatalf("the apply that was to be killed ended with %d:\n%s", first.Code, first.Stderr)
	}
	s.mended(fmt.Sprintf("killed %.1f s after the begin of %s", after.Seconds(), typ))
	return first.Code < 0
}
