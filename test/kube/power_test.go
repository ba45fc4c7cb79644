package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/test/crash"
	"github.com/kplan/kplan/test/lab"
	"github.com/kplan/kplan/test/site"
)

// TestPower cuts the power of a machine while a cluster is made, each time of bare machines, at random instants that are spread
// over the making: of the control plane's while it is made, of a worker's while it joins, of the control plane's while workers join,
// and of either's while a second machine joins the control plane. The next apply is to make the cluster whole.
//
// A machine of the lab keeps what the host has in its memory, and so all that was written. A real one loses what was not synced,
// and has files that are empty: some cuts do so with what kubeadm wrote right before, which it does not sync. What else is lost on
// a real disk, such as a container image that was being unpacked, is not tried.
func TestPower(t *testing.T) {
	cuts := 1 // of each kind
	if crash.Full {
		cuts = 12
	}
	if n := os.Getenv("KPLAN_POWER"); n != "" {
		var err error
		if cuts, err = strconv.Atoi(n); err != nil {
			t.Fatalf("KPLAN_POWER is no number of cuts: %v", err)
		}
	}
	for _, kind := range []struct {
		name, steps string
		victims     []int // one of these machines
		returns     []string
	}{
		{"control plane is made", "kubeadm_control_plane", []int{0}, []string{atOnce, runEnded, runDied}},
		{"worker joins", "kubeadm_join", []int{1, 2}, []string{atOnce, runEnded, runDied}},
		// kubeadm waits five minutes for a control plane that is off, and so would a run.
		{"control plane while workers join", "kubeadm_join", []int{0}, []string{atOnce, runDied}},
		{"member while a second joins", secondMember, []int{0, 1}, []string{atOnce, runDied}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			c := newCluster(t, 5*time.Minute+time.Duration(cuts)*5*time.Minute)
			s := newSpec(t, c)
			cuts := cuts
			if kind.steps == secondMember { // takes twice as long
				s.twoMembers()
				cuts = (cuts + 1) / 2
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 0))

			takes := s.takes(kind.steps)
			turn := dice.IntN(6) // of what changes from cut to cut
			for i := range cuts {
				part := (float64(i) + dice.Float64()) / float64(cuts)
				p := powerCut{
					steps: kind.steps, after: time.Duration(part * float64(takes)), victim: s.machines[kind.victims[dice.IntN(len(kind.victims))]],
					back: kind.returns[(turn+i)/2%len(kind.returns)], loses: (turn+i)%2 == 0,
				}
				for !s.powerCut(p) { // faster than the one that was measured
					takes = min(takes, took(s.events("killed.json"), kind.steps))
					p.after = time.Duration(part * float64(takes))
				}
			}
		})
	}
}

// powerCut is one cut of power.
type powerCut struct {
	steps  string        // that are under way
	after  time.Duration // since the first of them began
	victim *lab.Machine
	back   string // when the power returns
	loses  bool   // what was not synced
}

// When the power returns.
const (
	atOnce   = "back at once"
	runEnded = "back when kplan has ended"
	runDied  = "kplan dies with it"
)

// powerCut cuts the power of a machine under an apply on bare machines, and wants the next one to do what is left. It reports
// whether the cut came before the end.
func (s *spec) powerCut(p powerCut) (inTime bool) {
	s.t.Helper()
	s.bare()
	run := s.Start("apply", "--auto-approve", "--json-into", "killed.json")
	var lost []string
	first, inTime := s.during(run, p.steps, p.after, func() error {
		if p.back == runDied {
			_ = run.Process.Kill()
		}
		if err := p.victim.PowerOff(s.ctx); err != nil {
			return err
		}
		if p.loses {
			var err error
			window := 5 * time.Second
			if p.steps == secondMember { // whose join syncs all the time
				window = time.Second
			}
			if lost, err = loseUnsynced(p.victim, window); err != nil {
				return err
			}
		}
		if p.back == atOnce {
			return p.victim.PowerOn(s.ctx)
		}
		return nil
	})
	if !inTime {
		return false
	}
	if err := p.victim.PowerOn(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	// A run whose machine is back before it has noticed may have gone on and made all.
	switch want := map[string][]int{atOnce: {0, 3}, runEnded: {3}, runDied: {-1}}[p.back]; first.Code {
	case want[0], want[len(want)-1]:
	default:
		s.t.Errorf("the apply whose machine lost power ended with %d:\n%s%s", first.Code, first.Stdout, first.Stderr)
	}
	s.mended(fmt.Sprintf("power of %s cut %.1f s after the begin of %s, %s, lost %q, exit %d",
		p.victim.Name, p.after.Seconds(), p.steps, p.back, lost, first.Code))
	return true
}

// What kubeadm writes and does not sync.
var (
	kubeconfigs = []string{ // and certificates; of a control plane
		"/etc/kubernetes/pki", "/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf",
		"/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf",
	}
	unsynced = []string{
		"/etc/kubernetes/manifests", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf",
		"/var/lib/kubelet/pki", "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env",
	}
)

// loseUnsynced empties, on the disk of a machine that is off, what kubeadm has written in the last seconds, as an ext4 does that
// has allocated nothing for it yet. What kplan has synced is not lost: all, where it has ended; and what comes first, once
// the kubelet of a control plane is configured.
func loseUnsynced(m *lab.Machine, window time.Duration) (lost []string, err error) {
	there := func(path string) bool { _, err := os.Stat(m.Disk(path)); return err == nil }
	places := unsynced
	switch {
	case !there("/etc/kubernetes/kplan.begun"):
		return nil, nil
	case !there("/etc/kubernetes/admin.conf"):
		places = append(places, "/etc/kubernetes/pki")
	case !there("/var/lib/kubelet/config.yaml"):
		places = append(places, kubeconfigs...)
	}
	now := time.Now()
	for _, place := range places {
		err := filepath.WalkDir(m.Disk(place), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil || now.Sub(info.ModTime()) > window {
				return err
			}
			lost = append(lost, filepath.Base(path))
			return os.Truncate(path, 0)
		})
		if err != nil {
			return nil, err
		}
	}
	return lost, nil
}

// bare makes all machines bare, and forgets what is recorded of them.
func (s *spec) bare() {
	s.t.Helper()
	s.lab.Reset(s.t, s.machines...)
	for _, left := range []string{".kplan", "killed.json"} {
		if err := os.RemoveAll(s.path(left)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// during does something so long after an apply has begun with such steps, unless it is over before, and waits for both to end.
func (s *spec) during(run *site.Process, steps string, after time.Duration, do func() error) (ran site.Ran, inTime bool) {
	s.t.Helper()
	over, did := make(chan struct{}), make(chan error)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				did <- nil
				return
			case <-tick.C:
			}
			if begin, _ := span(s.events("killed.json"), steps); !begin.IsZero() && time.Since(begin) >= after {
				inTime = true
				did <- do()
				return
			}
		}
	}()
	ran = s.Wait(run)
	close(over)
	if err := <-did; err != nil {
		s.t.Fatal(err)
	}
	return ran, inTime
}

// mended wants the next apply to make the cluster whole, with nothing left of the one that was cut off.
func (s *spec) mended(what string) {
	s.t.Helper()
	start := time.Now()
	next := s.Run("apply", "--auto-approve", "--json-into", "next.json")
	s.t.Logf("%s; the next apply took %.1f s: exit %d, %v", what, time.Since(start).Seconds(), next.Code, outcomes(s.events("next.json")))
	if next.Code != 0 {
		s.t.Fatalf("the next apply:\n%s%s", next.Stdout, next.Stderr)
	}
	s.ready()
	s.still()
	s.members()
	if s.t.Failed() {
		s.t.Fatalf("the next apply:\n%s%s", next.Stdout, next.Stderr)
	}
}

// members wants etcd to have those members that are nodes of the control plane, and no other.
func (s *spec) members() {
	s.t.Helper()
	want := strings.Fields(s.kubectl("get nodes -l node-role.kubernetes.io/control-plane -o jsonpath='{.items[*].metadata.name}'"))
	list := s.kubectl("-n kube-system exec etcd-" + want[0] + " -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt" +
		" --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key member list")
	var got []string
	for line := range strings.Lines(list) {
		f := strings.Split(line, ", ") // its id, status, name, addresses, and whether it is a learner
		if len(f) < 3 || f[1] != "started" {
			s.t.Errorf("a member of etcd that has not started: %s", line)
			continue
		}
		got = append(got, f[2])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("the members of etcd are %q, those of the control plane %q", got, want)
	}
}
