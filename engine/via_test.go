package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// ringed is a type whose machines are members of one ring: the first forges it,
// the others have it from one that has it, and who leaves gives it back.
type ringed struct {
	Ring *string `cty:"ring" kplan:"computed,stable,common"`
}

const ringFile = "/etc/ring"

func (r ringed) Read(ctx context.Context, h host.Host) (*ringed, error) {
	f, err := host.Read(ctx, h, ringFile)
	if err != nil || f[0] == nil || f[0].Kind != host.KindFile {
		return nil, err
	}
	ring := string(f[0].Content)
	return &ringed{Ring: &ring}, nil
}

func (r ringed) Apply(ctx context.Context, h host.Host, _ *ringed) error {
	ring := []byte("of gold")
	if via := resource.ViaOf(ctx); via.How == "join" {
		there, err := host.Peer(ctx, via.Host)
		if err != nil {
			return err
		}
		f, err := host.Read(ctx, there, ringFile)
		if err != nil {
			return err
		}
		ring = f[0].Content
	} else if via.How != "forge" {
		return fmt.Errorf("it is to be made by %q", via)
	}
	_, err := h.Do(ctx, host.WriteFile{Path: ringFile, Content: ring, Mode: 0o644})
	return err
}

func (r ringed) Delete(ctx context.Context, h host.Host) error {
	if via := resource.ViaOf(ctx); via.How == "leave" {
		there, err := host.Peer(ctx, via.Host)
		if err != nil {
			return err
		}
		if _, err := there.Do(ctx, host.WriteFile{Path: "/etc/given", Content: []byte("back"), Mode: 0o644}); err != nil {
			return err
		}
	}
	_, err := h.Do(ctx, host.Remove{Path: ringFile})
	return err
}

// Release gives it back by one that has the ring.
func (r ringed) Release(ctx context.Context, there host.Host, gone resource.LetGo) error {
	if via := resource.ViaOf(ctx); via.How != "leave" {
		return fmt.Errorf("it is to be given back by %q", via)
	}
	if _, err := there.Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", "make-it"}, Detached: true}); err != nil {
		return err
	}
	_, err := there.Do(ctx, host.WriteFile{Path: "/etc/given", Content: []byte(gone.Host + " " + gone.MachineID), Mode: 0o644})
	return err
}

func (r ringed) Via(here string, fellows []resource.Fellow[ringed]) (resource.Via, error) {
	at := slices.IndexFunc(fellows, func(f resource.Fellow[ringed]) bool { return f.Host == here })
	self := fellows[at]
	through, rings := "", map[string]bool{}
	for i, f := range fellows {
		if f.Object != nil && f.Object.Ring != nil {
			rings[*f.Object.Ring] = true
		}
		switch {
		case f.Unseen != "":
			return resource.Via{}, &resource.UnseenError{Host: f.Host, Reason: f.Unseen}
		case i == at || f.Object == nil && (!self.Leaves || self.LetGo) || f.Leaves && i < at:
		case through == "" || f.Leaves && self.Leaves:
			through = f.Host
		}
	}
	switch {
	case len(rings) > 1:
		return resource.Via{}, errors.New("there is more than one ring")
	case self.LetGo && through == "":
		return resource.Via{}, nil
	case self.Leaves && through != "":
		return resource.Via{How: "leave", Host: through}, nil
	case self.Leaves:
		return resource.Via{How: "melt"}, nil
	case self.Object != nil:
		return resource.Via{}, nil
	case through != "":
		return resource.Via{How: "join", Host: through}, nil
	case fellows[0].Host == here:
		return resource.Via{How: "forge"}, nil
	}
	return resource.Via{How: "join", Host: fellows[0].Host}, nil
}

func ringOn(hosts ...string) string {
	return "resource \"ringed\" \"x\" {\n  on = [" + strings.Join(hosts, ", ") + "]\n}\n"
}

func withRing(t *testing.T, hosts ...string) *world {
	w := newWorld(t, hosts...)
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[ringed]("ringed"))...)
	return w
}

// wantVia wants the steps of the plan to be these, as "action host via", each
// after the one before it.
func (w *world) wantVia(want ...string) {
	w.t.Helper()
	p, in := w.planWith(func(*engine.PlanInput) {})
	var got []string
	for i, s := range p.Plan.Steps() {
		got = append(got, strings.TrimSpace(string(s.Action)+" "+s.Addr.Host+" "+s.Via))
		if i > 0 && !slices.Contains(s.After, p.Plan.Steps()[i-1].ID) {
			w.t.Errorf("step %d comes after %v", s.ID, s.After)
		}
		if _, through, ok := strings.Cut(s.Via, " "); ok && !slices.Equal(s.Peers, []string{through}) {
			w.t.Errorf("step %d acts on %v too", s.ID, s.Peers)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("steps:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	w.derive(in, p.Plan) // a saved plan says the same
}

func TestMembersComeOneByOne(t *testing.T) {
	w := withRing(t, "a", "b", "c", "d")
	w.spec(ringOn("host.a", "host.b", "host.c"))
	w.wantVia("create a forge", "create b join a", "create c join a")
	w.apply()
	w.wantVia()

	w.spec(ringOn("host.d", "host.b", "host.c")) // the first is replaced by another, which comes before it goes
	w.wantVia("create d join b", "delete a leave d")
	w.apply()
	if w.machines["d"].Content(ringFile) != "of gold" || w.machines["a"].File(ringFile) != nil || w.machines["d"].Content("/etc/given") != "back" {
		t.Error("the ring did not go from one to the other")
	}
	w.wantVia()

	w.spec("")
	w.wantVia("delete d leave b", "delete c leave b", "delete b melt")
	w.apply()
	w.wantVia()
}

// The only member may be another machine.
func TestTheOnlyMemberIsReplaced(t *testing.T) {
	w := withRing(t, "a", "b")
	w.spec(ringOn("host.a"))
	w.apply()
	w.spec(ringOn("host.b"))
	w.wantVia("create b join a", "delete a leave b")
	w.apply()
	if w.machines["b"].Content(ringFile) != "of gold" {
		t.Error("the ring is lost")
	}
	w.wantVia()
}

// What a new member has in common with those that are there is known in the plan, and others that use it do not change.
func TestWhatMembersHaveInCommon(t *testing.T) {
	w := withRing(t, "a", "b", "c")
	const uses = `
resource "file" "rings" {
  on      = host.a
  path    = "/etc/rings"
  content = join(" ", distinct([for r in all.ringed.x : r.ring]))
}
`
	w.spec(ringOn("host.a", "host.b") + uses)
	w.wantVia("create a forge", "create b join a", "create a")
	w.apply()
	w.spec(ringOn("host.a", "host.b", "host.c") + uses)
	w.wantVia("create c join a")
	p := w.plan()
	for _, c := range p.Plan.Changes() {
		if c.Addr.Host == "c" && c.After.Open("ring") {
			t.Error("the ring of the one that joins is not known")
		}
	}
	p.Close()
	w.apply()
	w.wantSteps()

	// What is made anew has another one.
	w = withRing(t, "a", "b")
	w.spec(ringOn("host.a"))
	w.apply()
	w.machines["a"].Put(ringFile, "of iron")
	w.spec(ringOn("host.a", "host.b"))
	one, err := addr.ParseTarget("ringed.x@a")
	if err != nil {
		t.Fatal(err)
	}
	p, in := w.planWith(func(in *engine.PlanInput) { in.Replaces = []addr.Target{one} })
	_, diags := w.run(w.derive(in, p.Plan))
	w.noErrors(diags)
}

// What stands on a machine that was not read may be the ring.
func TestNoSecondRing(t *testing.T) {
	w := withRing(t, "a", "b", "c")
	w.spec(ringOn("host.a", "host.b", "host.c"))
	w.down["c"] = true
	p := w.plan()
	if held := p.Plan.Withheld(); len(p.Plan.Steps()) != 0 || len(held) != 3 || !strings.Contains(held[0].Reason, "it depends on what stands on host c, and host c is unreachable") {
		t.Errorf("steps %v, withheld %+v", steps(p), held)
	}
	w.down["c"] = false
	w.machines["a"].Put(ringFile, "of gold")
	w.machines["c"].Put(ringFile, "of iron")
	_, diags := w.engine().Plan(t.Context(), w.input())
	if len(diags) != 1 || diags[0].Detail != "There is more than one ring." {
		t.Errorf("diagnostics %v", diags)
	}
}

// A member that cannot be made stops those after it.
func TestAMemberFails(t *testing.T) {
	w := withRing(t, "a", "b", "c")
	w.spec(ringOn("host.a", "host.b", "host.c"))
	w.machines["b"].PutDir(ringFile + "/in/the/way")
	p := w.plan()
	r, _ := w.run(p)
	if c := r.Counts; c[event.Done] != 1 || c[event.Failed] != 1 || c[event.Skipped] != 1 {
		t.Errorf("counts %v", c)
	}
	w.machines["b"].RemoveAll(ringFile)
	w.wantVia("create b join a", "create c join a")
}

// board is a type whose object is not of the machine: whoever looks sees the
// same one.
type board struct {
	Text string `cty:"text" kplan:"required"`
}

var boardText string

func (b board) Read(context.Context, host.Host) (*board, error) {
	if boardText == "" {
		return nil, nil
	}
	return &board{Text: boardText}, nil
}

func (b board) Apply(context.Context, host.Host, *board) error { boardText = b.Text; return nil }
func (b board) Delete(context.Context, host.Host) error        { boardText = ""; return nil }

// It stays where its resource goes on to another host, and is kplan's there, too.
func TestASharedObjectStays(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[board]("board", resource.Shared))...)
	on := func(host string) string {
		return "resource \"board\" \"x\" {\n  on   = host." + host + "\n  text = \"hello\"\n}\n"
	}
	w.spec(on("a"))
	w.apply()
	w.spec(on("b"))
	p := w.plan()
	if s := p.Plan.Steps(); len(s) != 1 || s[0].Action != plans.Forget || s[0].Addr.Host != "a" {
		t.Errorf("steps %v", steps(p))
	}
	if c, _ := p.Plan.Change(p.Plan.Steps()[0].Addr); c.Reason != "board.x@b manages it now" {
		t.Errorf("reason %q", c.Reason)
	}
	p.Close()
	w.apply()
	w.wantSteps()
	w.spec("")
	w.wantSteps("delete board.x@b")
	w.apply()
	if boardText != "" {
		t.Error("it is still there")
	}
}

// A plan of one member rests on what stands on the others: it takes them along,
// and a saved one says the same.
func TestOneMemberIsTargeted(t *testing.T) {
	for name, limit := range map[string]func(*engine.PlanInput, addr.Target){
		"target":  func(in *engine.PlanInput, a addr.Target) { in.Targets = []addr.Target{a} },
		"exclude": func(in *engine.PlanInput, a addr.Target) { in.Excludes = []addr.Target{a} },
	} {
		w := withRing(t, "a", "b")
		w.spec(ringOn("host.a", "host.b"))
		w.apply()
		w.machines["a"].RemoveAll(ringFile)
		one, err := addr.ParseTarget("ringed.x@a")
		if err != nil {
			t.Fatal(err)
		}
		p, in := w.planWith(func(in *engine.PlanInput) { limit(in, one) })
		if got := len(p.Plan.Steps()); (got == 1) != (name == "target") {
			t.Errorf("%s: %d steps", name, got)
		}
		w.derive(in, p.Plan)
	}
}

// A member that is gone, and whose host leaves, is no member.
func TestAMemberIsGoneAlready(t *testing.T) {
	w := withRing(t, "a", "b")
	w.spec(ringOn("host.a"))
	w.apply()
	w.machines["a"].RemoveAll(ringFile)
	w.spec(ringOn("host.b"))
	p, in := w.planWith(func(*engine.PlanInput) {})
	if s := p.Plan.Steps(); len(s) != 2 || s[0].Via != "forge" || s[1].Action != plans.Forget {
		t.Errorf("steps %v", steps(p))
	}
	w.derive(in, p.Plan)
}

// What members disagree about is seen as drift.
func TestDriftOfAMember(t *testing.T) {
	w := withRing(t, "a", "b")
	w.spec(ringOn("host.a", "host.b"))
	w.apply()
	w.machines["a"].Put(ringFile, "of iron")
	in := w.input()
	in.Mode = plans.RefreshOnly
	p, diags := w.engine().Plan(t.Context(), in)
	w.noErrors(diags)
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Addr.String() != "ringed.x@a" {
		t.Errorf("drift %v", d)
	}
	p.Close()
}

// note is a board among others.
type note struct {
	Name string `cty:"name" kplan:"id"`
}

var notes = map[string]bool{}

func (n note) Read(context.Context, host.Host) (*note, error) {
	if !notes[n.Name] {
		return nil, nil
	}
	return &n, nil
}

func (n note) Apply(context.Context, host.Host, *note) error { notes[n.Name] = true; return nil }
func (n note) Delete(context.Context, host.Host) error       { delete(notes, n.Name); return nil }

// It is its identity that makes it the same one, whatever its resource is called.
func TestASharedObjectIsItsIdentity(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[note]("note", resource.Shared))...)
	on := func(res, host, name string) string {
		return fmt.Sprintf("resource \"note\" %q {\n  on   = host.%s\n  name = %q\n}\n", res, host, name)
	}
	notes["theirs"] = true
	w.spec(on("x", "a", "mine"))
	w.apply()
	w.spec(on("y", "b", "mine")) // another resource on another host
	w.wantSteps("forget note.x@a")
	w.apply()
	w.spec(on("y", "a", "theirs")) // another object
	w.wantSteps("delete note.y@b")
	w.apply()
	w.spec("")
	w.wantSteps("forget note.y@a")
	w.apply()
	if notes["mine"] || !notes["theirs"] {
		t.Errorf("left are %v", notes)
	}
}
