package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// asks is the file by which a machine of Debian asks for a restart.
const asks = "/run/reboot-required"

// required restarts where a kernel asks for it; its package does.
const required = `
resource "package" "kernel" {
  on      = hosts
  name    = "kernel"
  version = "%s"
}
resource "file" "between" {
  on         = hosts
  path       = "/etc/between"
  content    = "x\n"
  depends_on = [package.kernel]
}
resource "reboot" "kernel" {
  on         = hosts
  timeout    = "10m"
  depends_on = [file.between]
}
resource "file" "later" {
  on         = hosts
  path       = "/etc/later"
  content    = "x\n"
  depends_on = [reboot.kernel]
}
`

// byTriggers restarts once for each value.
const byTriggers = `
resource "reboot" "x" {
  on       = hosts
  when     = "triggers"
  triggers = { v = "%s" }
  timeout  = "10m"
}
resource "file" "later" {
  on         = hosts
  path       = "/etc/later"
  content    = "x\n"
  depends_on = [reboot.x]
}
`

// rebooting is a world whose machines are down for a minute when they restart,
// and whose kernels ask for it when they are installed.
func rebooting(t *testing.T, hosts ...string) *world {
	w := newWorld(t, hosts...)
	for _, name := range hosts {
		m := hosttest.New(hosttest.Named(name), hosttest.Report(t.Errorf), hosttest.Boots(time.Minute))
		m.Archive("kernel", "1.0", "2.0")
		m.Ship("kernel", map[string]string{asks: "*** System restart required ***\n"})
		w.machines[name] = m
	}
	return w
}

// restarts counts the restarts of a machine that kplan made.
func restarts(m *hosttest.Machine) (n int) {
	for _, a := range m.Acts() {
		if a.String() == "restart" {
			n++
		}
	}
	return n
}

// On a bare machine the plan is complete, the order holds over the restart, and
// the second plan is empty; a new kernel brings the step back, and nothing else
// does.
func TestAMachineRestartsWhereItAsksForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a", "b")
		w.spec(fmt.Sprintf(required, "1.0"))
		p := w.plan()
		i := slices.IndexFunc(p.Plan.Steps(), func(s plans.Step) bool { return s.Addr.String() == "reboot.kernel@a" })
		if s := p.Plan.Steps()[i]; s.Condition != "if the machine asks for a restart" || !slices.Equal(s.Disrupts, []string{"restarts the machine"}) {
			t.Errorf("step: %+v", s)
		}
		p.Close()
		r := w.apply()
		if r.Counts[event.Done] != 8 {
			t.Errorf("counts %v", r.Counts)
		}
		for name, m := range w.machines {
			var words []string
			for _, a := range m.Acts() {
				words = append(words, a.String())
			}
			order := []int{slices.Index(words, "write /etc/between"), slices.Index(words, "restart"), slices.Index(words, "write /etc/later")}
			if restarts(m) != 1 || order[0] < 0 || !slices.IsSorted(order) {
				t.Errorf("acts on %s: %v", name, words)
			}
		}
		w.wantSteps()
		w.spec(fmt.Sprintf(required, "2.0"))
		w.wantSteps("update package.kernel@a", "update package.kernel@b", "update reboot.kernel@a", "update reboot.kernel@b")
		w.apply()
		w.wantSteps()
		w.machines["a"].Put(asks, "") // by whatever means
		w.wantSteps("update reboot.kernel@a")
		w.apply()
		w.wantSteps()
		if a, b := restarts(w.machines["a"]), restarts(w.machines["b"]); a != 3 || b != 2 {
			t.Errorf("a was restarted %d times and b %d times", a, b)
		}
		w.spec("")
		if got := steps(w.plan()); !slices.Contains(got, "forget reboot.kernel@a") {
			t.Errorf("steps: %v", got)
		}
	})
}

// What changes before it makes it a step, which the run finds unneeded where
// the machine does not ask; where nothing changes there is none at all.
func TestAMachineThatDoesNotAskIsNotRestarted(t *testing.T) {
	w := rebooting(t, "a")
	m := w.machines["a"]
	m.Ship("kernel", nil)
	w.spec(fmt.Sprintf(required, "1.0"))
	if r := w.apply(); r.Counts[event.NotNeeded] != 1 {
		t.Errorf("counts %v", r.Counts)
	}
	w.wantSteps()
	w.spec(fmt.Sprintf(required, "1.0") + strings.ReplaceAll(motd, `"motd" {`, `"zone" {`))
	w.wantSteps("create file.zone@a") // which it does not depend on
	w.spec("resource \"reboot\" \"alone\" {\n  on = hosts\n}\n")
	if got := steps(w.plan()); slices.Contains(got, "create reboot.alone@a") {
		t.Errorf("steps: %v", got)
	}
	if restarts(m) != 0 {
		t.Error("it was restarted")
	}
}

// A plan that restarts nothing is stale once the machine asks for it.
func TestAMachineThatAsksBetweenPlanAndApply(t *testing.T) {
	w := rebooting(t, "a")
	w.spec("resource \"reboot\" \"x\" {\n  on = hosts\n}\n" + motd)
	p := w.plan()
	w.machines["a"].Put(asks, "")
	_, diags := w.run(p)
	if !diags.HasErrors() || diags[0].Extra != engine.CodeStale || !strings.Contains(diags[0].Detail, "the machine asks for it now") {
		t.Errorf("diagnostics: %v", diags)
	}
}

func TestTriggersRestartOnceForEachValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a")
		for n, v := range []string{"1", "1", "2"} {
			w.spec(fmt.Sprintf(byTriggers, v))
			w.apply()
			w.wantSteps()
			if got := restarts(w.machines["a"]); got != []int{1, 1, 2}[n] {
				t.Errorf("after the value %s it was restarted %d times", v, got)
			}
		}
	})
}

// A machine that asks again at once fails the step, whatever its retry says: a
// restart is no help.
func TestAMachineThatAsksAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a")
		m := w.machines["a"]
		m.Handle("needs-restarting", func(*hosttest.Call) host.Output { return host.Output{Code: 1} })
		w.spec("resource \"reboot\" \"x\" {\n  on = hosts\n  retry {}\n}\n")
		r, diags := w.run(w.plan())
		if r.Counts[event.Failed] != 1 || restarts(m) != 1 || !strings.Contains(diags.Error(), "asks for another restart already") {
			t.Errorf("counts %v, %d restarts, diagnostics %v", r.Counts, restarts(m), diags)
		}
	})
}

// A machine that is not back in time fails the step, and no more; what comes
// after waits for the next run, which does not restart it again.
func TestAMachineThatDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a", "b")
		w.machines["a"] = hosttest.New(hosttest.Named("a"), hosttest.Report(t.Errorf), hosttest.Boots(time.Hour))
		w.spec(fmt.Sprintf(byTriggers, "1") + motd)
		began := time.Now()
		r, diags := w.run(w.plan())
		if r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 1 || r.Counts[event.Withheld] != 1 || r.Counts[event.Done] != 3 {
			t.Errorf("counts %v", r.Counts)
		}
		if took := time.Since(began); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("it took %v", took)
		}
		for _, says := range []string{"was not back within 10m0s", "Look at its console", "not restarted again"} {
			if !strings.Contains(diags.Error(), says) {
				t.Errorf("diagnostics %v do not say %q", diags, says)
			}
		}
		time.Sleep(time.Hour)
		r = w.apply()
		if r.Counts[event.Adopted] != 1 || restarts(w.machines["a"]) != 1 {
			t.Errorf("counts %v, %d restarts", r.Counts, restarts(w.machines["a"]))
		}
		w.wantSteps()
	})
}

// A machine that does not go down fails the step; the next run restarts it.
func TestAMachineThatDoesNotGoDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a")
		m := w.machines["a"]
		w.spec(fmt.Sprintf(byTriggers, "1"))
		m.Block(func(op host.Op) bool { return op == host.Restart{} })
		r, diags := w.run(w.plan())
		if r.Counts[event.Failed] != 1 || r.Counts[event.Skipped] != 1 || !strings.Contains(diags.Error(), "had not gone down within 10m0s") {
			t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
		}
		w.apply()
		if restarts(m) != 1 {
			t.Errorf("%d restarts", restarts(m))
		}
		w.wantSteps()
	})
}

// Another machine at the address of one that restarts is not worked on.
func TestAnotherMachineComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a")
		w.spec(fmt.Sprintf(byTriggers, "1"))
		p, m := w.plan(), w.machines["a"]
		time.AfterFunc(30*time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.machines["a"] = hosttest.New(hosttest.Named("other"), hosttest.Report(t.Errorf))
		})
		r, diags := w.run(p)
		if r.Counts[event.Failed] != 1 || !strings.Contains(diags.Error(), "another machine answers") || len(w.machines["a"].Acts()) != 0 {
			t.Errorf("counts %v, diagnostics %v, acts %v", r.Counts, diags, w.machines["a"].Acts())
		}
		if restarts(m) != 1 {
			t.Errorf("%d restarts", restarts(m))
		}
	})
}

// The connection is lost before the restart, or the machine answers once more
// on its way down: the same boot is restarted, and once.
func TestALostConnectionIsNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a")
		w.spec(fmt.Sprintf(byTriggers, "1"))
		p := w.plan()
		w.machines["a"].Arrange(hosttest.Fault{Op: 1, Acts: true})
		r, diags := w.run(p)
		w.noErrors(diags)
		if r.Counts[event.Done] != 2 || restarts(w.machines["a"]) != 1 {
			t.Errorf("counts %v, %d restarts", r.Counts, restarts(w.machines["a"]))
		}
	})
}

// A run that is killed at any moment around a restart leaves it to the next one,
// which restarts the machine if it was not, and never a second time.
func TestKilledAroundARestart(t *testing.T) {
	for spec, most := range map[string]int{fmt.Sprintf(required, "1.0"): 1, fmt.Sprintf(byTriggers, "1"): 1} {
		moments := 0
		synctest.Test(t, func(t *testing.T) {
			w, m := rebooting(t, "a"), &mortal{left: -1}
			w.spec(spec)
			w.live(m)
			moments = m.n
		})
		if moments < 8 {
			t.Fatalf("only %d moments", moments)
		}
		for at := range moments {
			synctest.Test(t, func(t *testing.T) {
				w := rebooting(t, "a")
				w.spec(spec)
				w.live(&mortal{left: at})
				time.Sleep(2 * time.Minute)
				w.apply()
				if got := restarts(w.machines["a"]); got != most {
					t.Errorf("killed at moment %d, it was restarted %d times", at, got)
				}
				if w.machines["a"].Content("/etc/later") != "x\n" {
					t.Errorf("killed at moment %d, what comes after was not done", at)
				}
				w.wantSteps()
			})
		}
	}
}

// held makes an act wait on its machine for some time.
func held(m *hosttest.Machine, command string, d time.Duration) {
	_, release := m.Block(func(op host.Op) bool {
		run, ok := op.(host.Run)
		return ok && run.Argv[len(run.Argv)-1] == command
	})
	time.AfterFunc(d, release)
}

// A step of another host that acts on a machine which restarts waits until it is
// back; one that does so already is waited for. Others go on.
func TestOtherHostsWhileAMachineRestarts(t *testing.T) {
	for name, waits := range map[string]struct{ guest, restart, least time.Duration }{
		"it restarts first": {10 * time.Second, 0, time.Minute},
		"it is used first":  {0, 10 * time.Second, 100 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := rebooting(t, "a", "b", "c")
				w.types = modules.NewCatalog(append(modules.All(), resource.Define[guest]("guest"))...)
				ran := counted(w, 0)
				a, b := w.machines["a"], w.machines["b"]
				a.Handle("wait", func(*hosttest.Call) host.Output { return host.Output{} })
				b.Handle("wait", func(*hosttest.Call) host.Output { return host.Output{} })
				held(a, "wait", waits.restart)
				held(b, "wait", waits.guest)
				held(a, "make-it", 40*time.Second)
				guest := strings.Replace(guestOf("a"), "\n}", "\n  depends_on = [exec.wait]\n}", 1)
				reboot := strings.Replace(fmt.Sprintf(byTriggers, "1"), "timeout ", "depends_on = [exec.wait]\n  timeout ", 1)
				w.spec(guest + strings.ReplaceAll(reboot, "hosts", "host.a") + strings.ReplaceAll(motd, "hosts", "host.c") + `
resource "exec" "wait" {
  on      = [host.a, host.b]
  command = ["wait"]
}
`)
				began := time.Now()
				w.apply()
				begun := 0
				for _, act := range a.Acts() {
					if act.String() == "run /bin/sh -c make-it" {
						begun++
					}
				}
				if begun != 1 || *ran != 1 || restarts(a) != 1 || b.Content(passFile) != "one\n" {
					t.Errorf("the other host's act was begun %d times and ended %d times, %d restarts, the pass is %q", begun, *ran, restarts(a), b.Content(passFile))
				}
				if took := time.Since(began); took < waits.least {
					t.Errorf("it took %v: somebody did not wait", took)
				}
				for _, e := range w.events {
					if s, ok := e.Data.(event.StepEnded); ok && s.Addr.Host == "c" && e.Time.Sub(began) > time.Second {
						t.Errorf("%s waited, too", s.Addr)
					}
				}
				w.wantSteps()
			})
		})
	}
}

// Hosts behind a bastion that restarts lose their connections, and wait for it.
func TestABastionRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a", "jump")
		a, jump := w.machines["a"], w.machines["jump"]
		ran := counted(w, 0)
		held(a, "make-it", 20*time.Second)
		time.AfterFunc(10*time.Second, a.Cut)
		spec := behindJump + strings.ReplaceAll(fmt.Sprintf(byTriggers, "1"), "hosts", "host.jump") + `
resource "exec" "x" {
  on      = host.a
  command = "make-it"
}
`
		if err := os.WriteFile(filepath.Join(w.dir, "main.kplan.hcl"), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		e := w.engine()
		connect := e.Connect
		e.Connect = func(ctx context.Context, h, way *dsl.Host) (engine.Link, error) {
			if way != nil {
				if _, err := jump.Session().Contact(ctx); err != nil {
					return engine.Link{}, errors.New("connection refused")
				}
			}
			return connect(ctx, h, way)
		}
		p, diags := e.Plan(t.Context(), w.input())
		w.noErrors(diags)
		defer p.Close()
		lease, err := w.backend.Lock(t.Context(), 0, state.Holder{ID: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		r, diags := e.Apply(t.Context(), lease, p, engine.ApplyOptions{Run: "run1"})
		w.noErrors(diags)
		if r.Counts[event.Done] != 3 || *ran != 1 || restarts(jump) != 1 {
			t.Errorf("counts %v, make-it ran %d times, %d restarts", r.Counts, *ran, restarts(jump))
		}
	})
}

// A connection that was lost while its machine had nothing to do any more, as
// behind a bastion that restarts, is made again for the receipt.
func TestTheReceiptIsLeftOverANewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := rebooting(t, "a", "b")
		counted(w, 0)
		held(w.machines["a"], "make-it", time.Minute)
		time.AfterFunc(30*time.Second, w.machines["b"].Cut)
		w.spec(motd + "resource \"exec\" \"x\" {\n  on = host.a\n  command = [\"/bin/sh\", \"-c\", \"make-it\"]\n}\n")
		w.apply()
		if c, err := w.machines["b"].Session().Contact(t.Context()); err != nil || c.Receipt == nil {
			t.Errorf("contact %+v, %v", c, err)
		}
	})
}
