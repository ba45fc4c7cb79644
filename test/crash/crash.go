// Package crash kills the real kplan while it applies, and looks at what the
// machines and the next run make of it.
//
// It knows what the program prints, the machines and the recorded state by the
// program's own commands; it knows nothing of how the program is made.
package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/test/site"
)

// Full tells whether there is time for all the kills.
var Full = os.Getenv("KPLAN_CRASH") == "full"

// Place is kplan and bare machines. Its spec, which has [Spec] in it, is
// written.
type Place struct {
	*site.Program
	Machines []string
	On       func(machine, script string) string // runs a script beside kplan
	Pause    time.Duration                       // that commands of the spec take
	First    time.Duration                       // after which the first run is killed
}

// Spec has, on each machine, commands that count themselves, in two chains, and
// a service that counts its starts. All of it depends on the round.
const Spec = `
variable "round" { type = string }
variable "pause" { type = string }
resource "directory" "conf" {
  on   = hosts
  path = "/etc/kplan-crash"
}
resource "file" "conf" {
  on         = hosts
  path       = "/etc/kplan-crash/conf"
  content    = var.round
  depends_on = [directory.conf]
}
resource "file" "unit" {
  on      = hosts
  path    = "/etc/systemd/system/counted.service"
  content = "[Service]\nExecStartPre=/bin/sh -c 'cat /etc/kplan-crash/conf >> /var/lib/count.start; echo >> /var/lib/count.start'\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
}
resource "service" "counted" {
  on         = hosts
  name       = "counted"
  running    = true
  enabled    = true
  on_change  = [file.conf]
  depends_on = [file.unit]
}
resource "exec" "first" {
  for_each = toset(["a", "b", "c"])
  on       = hosts
  name     = "first-${each.key}"
  command  = "echo ${var.round} >> /var/lib/count.first-${each.key}; sleep ${var.pause}"
}
resource "file" "between" {
  for_each   = toset(["1", "2", "3", "4", "5"])
  on         = hosts
  path       = "/etc/kplan-crash/between-${each.key}"
  content    = "${var.round}\n"
  depends_on = [exec.first, directory.conf]
}
resource "exec" "second" {
  for_each   = toset(["a", "b", "c"])
  on         = hosts
  name       = "second-${each.key}"
  command    = ["sh", "-c", "echo \"$1\" >> /var/lib/count.second-${each.key}; sleep \"$2\"", "-", var.round, var.pause]
  depends_on = [file.between, service.counted]
}
`

// counters are those that count once a round.
var counters = []string{"first-a", "first-b", "first-c", "second-a", "second-b", "second-c"}

// result is the line of a step that has ended as planned; a line that the kill
// cut has no end.
var result = regexp.MustCompile(`(?m)^(\[[^]]+\] \S+): (created|modified|refreshed|replaced|already|not needed)\b.*\n`)

// results are the hosts and addresses of the steps that have ended.
func results(out string) (list []string) {
	for _, m := range result.FindAllStringSubmatch(out, -1) {
		list = append(list, m[1])
	}
	return list
}

// Kill kills n applies, each in another of n equal parts of the time that one
// takes, at a random instant.
func Kill(t *testing.T, p Place, n int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))

	// The first run is on bare machines and is killed as well; the second tells
	// how long one takes.
	round(t, p, 0, p.First)
	takes := round(t, p, 1, time.Hour).took
	var midway, waited, takenOver int
	for killed, next := 0, 2; killed < n; next++ {
		if next > 3*n {
			t.Fatalf("only %d of %d kills came in time", killed, next)
		}
		part := (float64(killed) + dice.Float64()) / float64(n)
		first := round(t, p, next, time.Duration(part*float64(takes)))
		if first.whole { // faster than the one that was measured
			takes = min(takes, first.took)
			continue
		}
		killed++
		midway += one(first.ended > 0)
		waited += one(first.waited > 0)
		takenOver += one(first.takenOver > 0)
	}
	t.Logf("of %d kills, %d came while steps ran; after %d the next run waited for a command that ran on, after %d it took over what one had done",
		n, midway, waited, takenOver)
	if midway < n/4 {
		t.Errorf("only %d of %d kills came while steps ran", midway, n)
	}
	if takenOver == 0 || Full && waited == 0 {
		t.Errorf("no kill left anything to take over, or nothing that ran on")
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// cut is what became of an apply that was to be killed.
type cut struct {
	ended     int  // steps
	whole     bool // the kill came too late
	took      time.Duration
	waited    int // commands that the next run waited for
	takenOver int // steps that the next run found done
}

var apply = []string{"apply", "--auto-approve", "--progress", "plain"}

// round kills one apply and has the next one finish it.
func round(t *testing.T, p Place, n int, after time.Duration) cut {
	t.Helper()
	p.Env = []string{fmt.Sprintf("KPLAN_VAR_round=%d", n), fmt.Sprintf("KPLAN_VAR_pause=%v", p.Pause.Seconds())}
	start := time.Now()
	c := p.Start(apply...)
	timer := time.AfterFunc(after, func() { _ = c.Process.Kill() })
	killed := p.Wait(c)
	timer.Stop()
	before := results(killed.Stderr)
	first := cut{ended: len(before), whole: killed.Code == 0, took: time.Since(start)}
	objects := strings.Count(p.Want(0, "state", "list").Stdout, "\n")

	start = time.Now()
	second := p.Want(0, apply...)
	took := time.Since(start)
	if r := p.Want(0, "plan", "--detailed-exitcode"); !strings.Contains(r.Stdout, "No changes.") {
		t.Errorf("round %d: the plan after is\n%s", n, r.Stdout)
	}
	again := results(second.Stderr)
	for _, step := range before {
		if slices.Contains(again, step) {
			t.Errorf("round %d: %s had ended before the kill, and was done again", n, step)
		}
	}
	first.waited = strings.Count(second.Stderr, ", which still runs")
	first.takenOver = strings.Count(second.Stderr, " by the interrupted run before")
	starts := 0
	for _, m := range p.Machines {
		counted(t, p, m, n)
		starts += restarted(t, p, m, n)
	}
	if killed.Code > 0 || t.Failed() {
		t.Fatalf("the first apply ended with %d:\n%s%s\nthe next one:\n%s%s", killed.Code, killed.Stderr, killed.Stdout, second.Stderr, second.Stdout)
	}
	t.Logf("round %d: over after %v with exit code %d, %d steps had ended, %d objects recorded; then waited for %d and took over %d of %d steps in %v; %d starts",
		n, first.took.Round(time.Millisecond), killed.Code, len(before), objects, first.waited, first.takenOver, len(again), took.Round(time.Millisecond), starts)
	return first
}

// counted wants every command of the round to have run once: also one that the
// kill cut off runs on, and is taken over.
func counted(t *testing.T, p Place, machine string, n int) {
	t.Helper()
	for _, c := range counters {
		runs := strings.Count("\n"+p.On(machine, "cat /var/lib/count."+c), fmt.Sprintf("\n%d\n", n))
		if runs != 1 {
			t.Errorf("round %d: on %s, the command %s ran %d times", n, machine, c, runs)
		}
	}
}

// restarted wants the service to have been started with the round's content,
// and returns how often it was.
func restarted(t *testing.T, p Place, machine string, n int) int {
	t.Helper()
	starts := strings.Fields(p.On(machine, "cat /var/lib/count.start"))
	want := fmt.Sprint(n)
	if len(starts) == 0 || starts[len(starts)-1] != want {
		t.Errorf("round %d: on %s, the service was last started in round %v", n, machine, starts)
		return 0
	}
	times := 0
	for _, start := range starts {
		if start == want {
			times++
		}
	}
	return times
}
