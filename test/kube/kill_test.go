package kube

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kplan/kplan/test/crash"
)

// TestKill kills kplan while it makes a cluster, each time on bare machines, at random instants that are spread over the making
// of the control plane, over the joins of workers, and over the join of a second member of the control plane. The next apply is to
// make it whole.
func TestKill(t *testing.T) {
	kills := 2 // of each kind
	if crash.Full {
		kills = 12
	}
	for _, kind := range []struct{ name, steps string }{
		{"control plane is made", "kubeadm_control_plane"},
		{"workers join", "kubeadm_join"},
		{"second member joins", secondMember},
	} {
		t.Run(kind.name, func(t *testing.T) {
			c := newCluster(t, 10*time.Minute+time.Duration(kills)*3*time.Minute)
			s := newSpec(t, c)
			kills := kills
			if kind.steps == secondMember { // takes twice as long
				s.twoMembers()
				kills /= 2
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 0))

			takes := s.takes(kind.steps)
			for i := range kills {
				part := (float64(i) + dice.Float64()) / float64(kills)
				for !s.killed(kind.steps, time.Duration(part*float64(takes))) { // faster than the one that was measured
					takes = min(takes, took(s.events("killed.json"), kind.steps))
				}
			}
		})
	}
}

// secondMember is what the steps have in their address that makes the second machine a member of the control plane.
const secondMember = "kubeadm_control_plane.main@k8s-node2"

// twoMembers makes the spec one of a control plane of two machines, behind the balancer.
func (s *spec) twoMembers() {
	s.t.Helper()
	s.machines = s.machines[:2]
	s.balance()
	s.ofMembers("")("  allow_even_control_planes = true\n", s.machines...)
}

// uncut is how long such steps take in all in an apply on bare machines that nothing happens to, in whichever test was first to
// make one.
var uncut = map[string]time.Duration{}

// takes is how long such steps take in all.
func (s *spec) takes(steps string) time.Duration {
	s.t.Helper()
	if uncut[steps] == 0 {
		s.Want(0, "apply", "--auto-approve", "--json-into", "uncut.json")
		uncut[steps] = took(s.events("uncut.json"), steps)
	}
	return uncut[steps]
}

// killed kills an apply on bare machines so long after it has begun with such steps, and wants the next one to do what is left. It
// reports whether the kill came before the end.
func (s *spec) killed(steps string, after time.Duration) (inTime bool) {
	s.t.Helper()
	s.bare()
	run := s.Start("apply", "--auto-approve", "--json-into", "killed.json")
	first, _ := s.during(run, steps, after, func() error {
		_ = run.Process.Kill() // one that has just ended is none that was killed
		return nil
	})
	if first.Code > 0 {
		s.t.Fatalf("the apply that was to be killed ended with %d:\n%s", first.Code, first.Stderr)
	}
	s.mended(fmt.Sprintf("killed %.1f s after the begin of %s", after.Seconds(), steps))
	return first.Code < 0
}
