package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// guest is a type that signs in on another machine: it asks there for a pass,
// by a detached act and an inline one, and keeps it at home.
type guest struct {
	Of   string  `cty:"of" kplan:"id"`
	Pass *string `cty:"pass" kplan:"computed"`
}

const passFile = "/etc/pass"

func (g guest) Peers() []string { return strings.Split(g.Of, " or ") }

func (g guest) Read(ctx context.Context, h host.Host) (*guest, error) {
	f, err := host.Read(ctx, h, passFile)
	if err != nil || f[0] == nil {
		return nil, err
	}
	pass := string(f[0].Content)
	return &guest{Of: g.Of, Pass: &pass}, nil
}

func (g guest) Apply(ctx context.Context, h host.Host, _ *guest) error {
	there, err := host.Peer(ctx, g.Peers()...)
	if err != nil {
		return err
	}
	if _, err := there.Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", "make-it"}, Detached: true}); err != nil {
		return err
	}
	if _, err := there.Do(ctx, host.WriteFile{Path: "/etc/guests", Content: []byte("one\n"), Mode: 0o644}); err != nil {
		return err
	}
	found, err := host.Read(ctx, there, "/etc/guests")
	if err != nil {
		return err
	}
	_, err = h.Do(ctx, host.WriteFile{Path: passFile, Content: found[0].Content, Mode: 0o644})
	return err
}

func (g guest) Delete(ctx context.Context, h host.Host) error {
	there, err := host.Peer(ctx, g.Peers()...)
	if err != nil {
		return err
	}
	if _, err := there.Do(ctx, host.Remove{Path: "/etc/guests"}); err != nil {
		return err
	}
	_, err = h.Do(ctx, host.Remove{Path: passFile})
	return err
}

func (g guest) Release(ctx context.Context, there host.Host, _ resource.LetGo) error {
	_, err := there.Do(ctx, host.Remove{Path: "/etc/guests"})
	return err
}

func guestOf(host string) string {
	return "resource \"guest\" \"b\" {\n  on = host.b\n  of = \"" + host + "\"\n}\n"
}

func withGuests(t *testing.T) (w *world, ran *int) {
	w = newWorld(t, "a", "b")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[guest]("guest"))...)
	w.spec(guestOf("a"))
	return w, counted(w, 0)
}

func TestAStepActsOnAnotherMachineToo(t *testing.T) {
	w, ran := withGuests(t)
	p := w.plan()
	if s := p.Plan.Steps(); len(s) != 1 || !slices.Equal(s[0].Peers, []string{"a"}) {
		t.Fatalf("steps: %+v", s)
	}
	p.Close()
	w.apply()
	if got := w.machines["b"].Content(passFile); got != "one\n" || *ran != 1 {
		t.Errorf("the pass is %q, make-it ran %d times", got, *ran)
	}
	w.wantSteps()
	for name, m := range w.machines { // what it left behind is cleaned, and signed for
		if c, err := m.Session().Contact(t.Context()); err != nil || len(c.Acts) != 0 || c.Receipt == nil {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	w.spec("")
	w.wantSteps("delete guest.b@b")
	w.apply()
	if w.machines["a"].File("/etc/guests") != nil || w.machines["b"].File(passFile) != nil {
		t.Error("something is still there")
	}
}

// A type cannot know which host it is on: the own one is no other.
func TestTheOtherMachineIsTheOwn(t *testing.T) {
	w, _ := withGuests(t)
	w.spec(guestOf("b"))
	p := w.plan()
	defer p.Close()
	if s := p.Plan.Steps(); len(s) != 1 || len(s[0].Peers) != 0 {
		t.Errorf("steps: %+v", s)
	}
}

// The connection to the other machine is made again, and the act there is
// found by its id.
func TestTheOtherMachineIsLost(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, done := range []bool{false, true} {
			w, ran := withGuests(t)
			p := w.plan()
			w.machines["a"].Arrange(hosttest.Fault{Op: n, Done: done})
			r, diags := w.run(p)
			w.noErrors(diags)
			if r.Counts[event.Done] != 1 || *ran != 1 {
				t.Errorf("operation %d, done %v: counts %v, make-it ran %d times", n, done, r.Counts, *ran)
			}
			w.wantSteps()
		}
	}
}

// A step whose own machine is lost goes through all of itself again, and finds
// the act on the other machine by its id, too.
func TestTheOwnMachineIsLost(t *testing.T) {
	for _, done := range []bool{false, true} {
		w, ran := withGuests(t)
		p := w.plan()
		w.machines["b"].Arrange(hosttest.Fault{Op: 1, Acts: true, Done: done})
		r, diags := w.run(p)
		w.noErrors(diags)
		if w.machines["b"].Pending() || r.Counts[event.Done] != 1 || *ran != 1 {
			t.Errorf("done %v: counts %v, make-it ran %d times", done, r.Counts, *ran)
		}
		w.wantSteps()
	}
}

// Where one of several machines will do, it is the first that can be reached.
func TestOneOfSeveralMachinesIsDown(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[guest]("guest"))...)
	for _, m := range w.machines {
		m.Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
	}
	w.spec(guestOf("a or c"))
	w.down["a"] = true
	p, in := w.planWith(func(*engine.PlanInput) {})
	if s := p.Plan.Steps(); len(s) != 1 || !slices.Equal(s[0].Peers, []string{"c"}) {
		t.Fatalf("steps: %+v", s)
	}
	w.down["a"] = false
	r, diags := w.run(w.derive(in, p.Plan)) // what the plan says counts, whoever can be reached by now
	w.noErrors(diags)
	if r.Counts[event.Done] != 1 || w.machines["a"].File("/etc/guests") != nil || w.machines["c"].File("/etc/guests") == nil {
		t.Errorf("counts %v", r.Counts)
	}
	w.wantSteps()
}

// A replacement acts on the machine that it leaves and on the one that it comes
// to, also where the spec does not name the first any more.
func TestTheOtherMachineIsReplaced(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		w := newWorld(t, "a", "b", "c")
		w.types = modules.NewCatalog(append(modules.All(), resource.Define[guest]("guest"))...)
		for _, m := range w.machines {
			m.Script("make-it", func(*hosttest.Call) host.Output { return host.Output{} })
		}
		w.spec(guestOf("a"))
		w.apply()
		a := w.machines["a"]
		if leaves {
			delete(w.machines, "a")
		}
		w.spec(guestOf("c"))
		w.machines["a"] = a
		p, in := w.planWith(func(*engine.PlanInput) {})
		if s := p.Plan.Steps(); len(s) != 1 || s[0].Action != plans.Replace || !slices.Equal(s[0].Peers, []string{"a", "c"}) {
			t.Fatalf("steps: %+v", s)
		}
		r, diags := w.run(w.derive(in, p.Plan))
		w.noErrors(diags)
		if r.Counts[event.Done] != 1 || a.File("/etc/guests") != nil || w.machines["c"].File("/etc/guests") == nil {
			t.Errorf("host a leaves: %v, counts %v", leaves, r.Counts)
		}
		w.wantSteps()
	}
}

// The spec does not name the other machine any more, but it is known how to
// reach it.
func TestTheOtherMachineLeavesWithTheStep(t *testing.T) {
	w, _ := withGuests(t)
	w.apply()
	a := w.machines["a"]
	delete(w.machines, "a")
	w.spec("")
	w.machines["a"] = a
	w.apply()
	if a.File("/etc/guests") != nil || w.machines["b"].File(passFile) != nil {
		t.Error("something is still there")
	}
	w.wantSteps()
}

// The own machine is lost for good: what the step did on the other one is found
// by the next run.
func TestTheOwnMachineIsGone(t *testing.T) {
	w, _ := withGuests(t)
	p, ran := w.plan(), 0
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		ran++
		w.mu.Lock()
		defer w.mu.Unlock()
		w.down["b"] = true
		return host.Output{}
	})
	w.machines["b"].Arrange(hosttest.Fault{Op: 1, Acts: true})
	if r, _ := w.run(p); r.Counts[event.Failed] != 1 {
		t.Errorf("counts %v", r.Counts)
	}
	w.down["b"] = false
	p = w.plan()
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output { ran++; return host.Output{} })
	_, diags := w.run(p)
	w.noErrors(diags)
	if ran != 1 {
		t.Errorf("make-it ran %d times", ran)
	}
	w.wantSteps()
}

// A step whose other machine cannot be reached is withheld; one that loses it
// for good fails, and its own machine goes on.
func TestTheOtherMachineIsGone(t *testing.T) {
	w, _ := withGuests(t)
	p, in := w.planWith(func(*engine.PlanInput) {})
	w.down["a"] = true
	r, _ := w.run(w.derive(in, p.Plan))
	if r.Counts[event.Withheld] != 1 || len(w.machines["b"].Acts()) != 0 {
		t.Errorf("counts %v, %d acts", r.Counts, len(w.machines["b"].Acts()))
	}

	w, _ = withGuests(t)
	p = w.plan()
	w.machines["a"].Script("make-it", func(*hosttest.Call) host.Output {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.down["a"] = true
		return host.Output{}
	})
	w.machines["a"].Arrange(hosttest.Fault{Op: 1, Acts: true, Done: true})
	r, diags := w.run(p)
	if r.Counts[event.Failed] != 1 || !strings.Contains(diags.Error(), "On host a: connection refused") {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
	w.down["a"] = false
	w.apply()
	w.wantSteps()
}

// What an earlier run began on the other machine and was cut off there is begun
// anew.
func TestAnActOnTheOtherMachineIsInterrupted(t *testing.T) {
	w, ran := withGuests(t)
	a := w.machines["a"]
	entered, _ := a.Block(isDetached)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	w.runIn(ctx, w.plan())
	a.Interrupt()
	w.apply()
	if *ran != 1 {
		t.Errorf("make-it ran %d times to its end", *ran)
	}
	w.wantSteps()
}

// A step whose other machine cannot be reached while planning is withheld with
// what needs it, and says why. What needs no step is not.
func TestTheOtherMachineIsGoneWhilePlanning(t *testing.T) {
	w, _ := withGuests(t)
	use := "resource \"file\" \"use\" {\n  on = host.b\n  path = \"/etc/use\"\n  content = guest.b.pass\n}\n" +
		"output \"of\" {\n  value = guest.b.of\n}\n"
	base := strings.Replace(motd, "on      = hosts", "on = host.b", 1)
	needs := strings.Replace(guestOf("a"), "}", "  depends_on = [file.motd]\n}", 1)
	held := func(want ...string) {
		t.Helper()
		w.down["a"] = true
		p, in := w.planWith(func(*engine.PlanInput) {})
		var got []string
		for _, h := range p.Plan.Withheld() {
			got = append(got, h.Addr.String()+": "+h.Reason)
		}
		got = append(got, steps(p)...)
		if !slices.Equal(got, want) {
			t.Errorf("withheld and steps:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		w.derive(in, p.Plan)
		w.down["a"] = false
	}
	w.spec(base + needs + use)
	held("file.use@b: it needs guest.b@b, which is withheld", "guest.b@b: it acts on host a too, which is unreachable", "create file.motd@b")
	w.apply()
	held()
	w.spec("")
	held("file.motd@b: it needs guest.b@b, which is withheld", "guest.b@b: it acts on host a too, which is unreachable", "delete file.use@b")
	p, _ := w.planWith(func(in *engine.PlanInput) { delete(in.State.Hosts, "a") })
	if h := p.Plan.Withheld(); len(h) != 0 {
		t.Errorf("withheld: %+v", h)
	}
	a := w.machines["a"]
	delete(w.machines, "a")
	w.spec("")
	w.machines["a"] = a
	p, _ = w.planWith(func(in *engine.PlanInput) { delete(in.State.Hosts, "a") })
	if h := p.Plan.Withheld(); len(h) != 2 || !strings.HasPrefix(h[1].Reason, "it acts on host a too, which is neither in the spec nor recorded: to have it only forgotten, write a removed block") {
		t.Errorf("withheld: %+v", h)
	}
	w.apply()
	w.wantSteps()
}

// A step that runs out of time leaves nothing running on the other machine, or
// says that something may.
func TestAStepTakesTooLongOnTheOtherMachine(t *testing.T) {
	for _, gone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := withGuests(t)
			a := w.machines["a"]
			w.spec(strings.Replace(guestOf("a"), "}", "  timeout = \"1m\"\n}", 1))
			p := w.plan()
			entered, _ := a.Block(isDetached)
			go func() {
				<-entered
				w.mu.Lock()
				defer w.mu.Unlock()
				w.down["a"] = gone
			}()
			r, diags := w.run(p)
			said := "It took longer than 1m0s, and was stopped"
			if gone {
				said = "it may still run, as it could not be stopped: on host a: connection refused"
			}
			if r.Counts[event.Failed] != 1 || !strings.Contains(diags.Error(), said) {
				t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
			}
			c, err := a.Session().Contact(t.Context())
			if running := len(c.Acts) == 1 && c.Acts[0].State == host.ActRunning; err != nil || len(c.Acts) != 1 || running != gone {
				t.Errorf("acts on the other machine: %+v, %v", c, err)
			}
			a.Interrupt() // nothing of the test may wait for ever
			w.mu.Lock()
			w.down["a"] = false
			w.mu.Unlock()
			w.apply()
			w.wantSteps()
		})
	}
}

// A later run has the last word on the other machine as well.
func TestTheOtherMachineIsFenced(t *testing.T) {
	w, _ := withGuests(t)
	p := w.plan()
	a := w.machines["a"]
	a.Script("make-it", func(*hosttest.Call) host.Output {
		return host.Output{}
	})
	entered, release := a.Block(isDetached)
	go func() {
		<-entered
		_ = a.Session().Claim(t.Context(), host.Fence{Lineage: p.Plan.Base().Lineage, Epoch: 99, Run: "later"})
		release()
	}()
	r, diags := w.run(p)
	if r.Counts[event.Failed] != 1 || !strings.Contains(diags.Error(), "another run has taken over") || a.File("/etc/guests") != nil {
		t.Errorf("counts %v, diagnostics %v", r.Counts, diags)
	}
}

// Only what the plan says is acted on.
func TestAStepReachesForAMachineThatThePlanDoesNotName(t *testing.T) {
	if _, err := host.Peer(t.Context(), "a"); err == nil || errors.Is(err, host.ErrLost) {
		t.Errorf("error: %v", err)
	}
}

// deed is a type with a seal that is put on when it is made, and stays.
type deed struct {
	Text *string `cty:"text" kplan:"required"`
	Seal *string `cty:"seal" kplan:"computed,stable"`
	Size *string `cty:"size" kplan:"computed"`
}

func (d deed) Read(ctx context.Context, h host.Host) (*deed, error) {
	f, err := host.Read(ctx, h, "/etc/deed", "/etc/seal")
	if err != nil || f[0] == nil || f[1] == nil {
		return nil, err
	}
	text, seal, size := string(f[0].Content), string(f[1].Content), fmt.Sprint(len(f[0].Content))
	return &deed{Text: &text, Seal: &seal, Size: &size}, nil
}

func (d deed) Apply(ctx context.Context, h host.Host, prior *deed) error {
	ops := []host.Op{host.WriteFile{Path: "/etc/deed", Content: []byte(*d.Text), Mode: 0o644}}
	if prior == nil || *d.Text == "break the seal" {
		ops = append(ops, host.WriteFile{Path: "/etc/seal", Content: []byte("seal of " + *d.Text), Mode: 0o644})
	}
	_, err := h.Do(ctx, ops...)
	return err
}

func (d deed) RefreshWord() string { return "polish" }

func (d deed) Refresh(context.Context, host.Host) error { return nil }

// What neither an update nor a refresh can change is known in the plan, and others that use it do
// not change; a type that changes it all the same is in error.
func TestStableAttributes(t *testing.T) {
	w := newWorld(t, "a")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[deed]("deed"))...)
	spec := func(text string) {
		w.spec("resource \"deed\" \"d\" {\n  on = hosts\n  text = \"" + text + "\"\n}\n" +
			"resource \"file\" \"seal\" {\n  on = hosts\n  path = \"/etc/copy\"\n  content = deed.d.seal\n}\n" +
			"resource \"file\" \"size\" {\n  on = hosts\n  path = \"/etc/size\"\n  content = deed.d.size\n}\n")
	}
	spec("one")
	w.apply()
	w.wantSteps()
	spec("other")
	w.wantSteps("update deed.d@a", "update file.size@a")
	w.apply()
	w.wantSteps()

	w.spec(`
resource "file" "wax" {
  on      = hosts
  path    = "/etc/wax"
  content = "red"
}

resource "deed" "d" {
  on        = hosts
  text      = "other"
  on_change = [file.wax]
}
`)
	p := w.plan()
	i := slices.IndexFunc(p.Plan.Changes(), func(c plans.Change) bool { return c.Addr.String() == "deed.d@a" })
	if c := p.Plan.Changes()[i]; c.Action != plans.Refresh || c.After.Open("seal") || !c.After.Open("size") {
		t.Errorf("the plan is to %s it, and then it is %#v", c.Action, c.After.Value)
	}
	p.Close()

	spec("break the seal")
	_, diags := w.run(w.plan())
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "still differs after the step: seal") {
		t.Errorf("diagnostics: %v", diags)
	}
}
