package kube

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestExample makes the cluster of examples/gulimall on bare machines, and tells how long each stage took.
func TestExample(t *testing.T) {
	c := newCluster(t, 10*time.Minute)
	s := newSpec(t, c)
	s.make()
	took := c.took()
	s.still()
	s.reads()
	s.images()
	if floor > 0 {
		fmt.Fprintf(t.Output(), "by hand %.1f s, by kplan %.1f s: %.2f times\n", floor.Seconds(), took.Seconds(), took.Seconds()/floor.Seconds())
	}
}

// ends are the good ones of a step.
var ends = []string{"done", "already", "not needed", "adopted"}

// make makes the cluster on bare machines from a saved plan.
func (s *spec) make() {
	s.t.Helper()
	s.times = begin(s.t.Output())
	plan := s.Want(0, "plan", "--out", "cluster.kplan")
	s.stage("the plan is made")
	apply := s.Want(0, "apply", "--json-into", "apply.json", "cluster.kplan")
	done := time.Now()
	all := s.events("apply.json")
	for _, stage := range []struct{ steps, what string }{
		{"package.", "they are nodes: containerd, kubelet, kubeadm"},
		{"kubeadm_control_plane", "kubeadm init, with its images"},
		{"manifest", "flannel is applied"},
		{"kubeadm_join", "two nodes have joined"},
	} {
		uncut[stage.steps] = took(all, stage.steps)
		_, end := span(all, stage.steps)
		s.stageAt(end, stage.what)
	}
	s.stageAt(done, "the plan is applied")
	_, report, _ := strings.Cut(apply.Stdout, "\nSteps: ")
	fmt.Fprintln(s.t.Output(), "Steps: "+strings.TrimSpace(report))
	if !strings.Contains(report, "Critical path") {
		s.t.Errorf("the report does not say where the time went:\n%s", apply.Stdout)
	}
	outcomes, steps := outcomes(all), 0
	for _, end := range ends {
		steps += outcomes[end]
		delete(outcomes, end)
	}
	if want := planned(s, plan.Stdout); steps != want || len(outcomes) > 0 {
		s.t.Errorf("of %d steps %d ended well, and otherwise %v", want, steps, outcomes)
	}
	s.works()
}

// planned is the number of steps of a plan.
func planned(s *spec, text string) (n int) {
	s.t.Helper()
	m := regexp.MustCompile(`Plan: (\d+) to add, (\d+) to change, (\d+) to destroy\.(?: (\d+) steps? runs? only if needed\.)?`).FindStringSubmatch(text)
	if m == nil {
		s.t.Fatalf("no plan:\n%s", text)
	}
	for _, count := range m[1:] {
		i, _ := strconv.Atoi(count)
		n += i
	}
	return n
}
