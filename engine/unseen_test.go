package engine_test

import (
	"context"
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
	"github.com/kplan/kplan/state"
)

// told is a type of which a service of the machine tells: its file is not read
// but where that of the service says so.
type told struct {
	Name string `cty:"name" kplan:"id"`
	Text string `cty:"text" kplan:"required"`
	How  string `cty:"how" kplan:"asked,default=plain"`
}

const serviceFile = "/etc/service"

func (o told) path() string { return "/etc/told-" + o.Name }

func (o told) Read(ctx context.Context, h host.Host) (*told, error) {
	f, err := host.Read(ctx, h, serviceFile, o.path())
	if err != nil {
		return nil, err
	}
	if f[0] == nil { // there is no such service yet
		return nil, nil
	}
	if string(f[0].Content) != "up" {
		return nil, &resource.NoAnswerError{Service: "the service", Said: "connection refused", Advice: "Look at its log"}
	}
	if f[1] == nil {
		return nil, nil
	}
	return &told{Name: o.Name, Text: string(f[1].Content), How: o.How}, nil
}

func (o told) Apply(ctx context.Context, h host.Host, _ *told) error {
	_, err := h.Do(ctx, host.WriteFile{Path: o.path(), Content: []byte(o.Text), Mode: 0o644})
	return err
}

func (o told) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: o.path()})
	return err
}

const (
	theService = `
resource "file" "service" {
  on      = hosts
  path    = "/etc/service"
  content = "up"
}
`
	toldOne = `
resource "told" "one" {
  on         = hosts
  name       = "one"
  text       = "1"
  depends_on = [file.service]
}
`
	toldTwo = `
resource "told" "two" {
  on         = hosts
  name       = "two"
  text       = "2"
  depends_on = [file.service]
}
`
)

// toldWorld has machines whose service tells of two objects, and then is down.
func toldWorld(t *testing.T, hosts ...string) *world {
	t.Helper()
	w := newWorld(t, hosts...)
	w.types = modules.NewCatalog(append(modules.All(), resource.Define[told]("told"))...)
	w.spec(theService + toldOne + toldTwo)
	w.apply()
	w.serviceIs("down")
	return w
}

func (w *world) serviceIs(what string) {
	for _, m := range w.machines {
		m.Put(serviceFile, what)
	}
}

func (w *world) recordOf(address string) state.Object {
	for a, o := range w.input().State.Objects {
		if a.String() == address {
			return o
		}
	}
	return state.Object{}
}

// wantErrors plans and wants it to fail, with all of says.
func (w *world) wantErrors(choose func(*engine.PlanInput), says ...string) {
	w.t.Helper()
	in := w.input()
	choose(&in)
	p, diags := w.engine().Plan(w.t.Context(), in)
	p.Close()
	if !diags.HasErrors() {
		w.t.Fatalf("no error; want %q", says)
	}
	for _, s := range says {
		if !strings.Contains(diags.Error(), s) && !slices.ContainsFunc(diags.Errs(), func(err error) bool { return strings.Contains(err.Error(), s) }) {
			w.t.Errorf("the errors are %q, want %q", diags.Errs(), s)
		}
	}
}

func asItIs(*engine.PlanInput) {}

// What a service tells of is planned from the record while it does not answer,
// and the plan says so, once for each host.
func TestWhatCannotBeSeenIsAsRecorded(t *testing.T) {
	w := toldWorld(t, "a", "b")
	was := w.recordOf("told.one@a")
	p := w.plan()
	if got := steps(p); !slices.Equal(got, []string{"update file.service@a", "update file.service@b"}) {
		t.Errorf("steps %q", got)
	}
	want := []string{
		"On host a, the service does not answer: connection refused. Look at its log. What is recorded of told.one, told.two is taken as what is there.",
		"On host b, the service does not answer: connection refused. Look at its log. What is recorded of told.one, told.two is taken as what is there.",
	}
	if got := p.Plan.Warnings(); !slices.Equal(got, want) {
		t.Errorf("warnings %q", got)
	}
	if len(p.Plan.Drift()) != 2 { // of the service's own file
		t.Errorf("drift %v", p.Plan.Drift())
	}
	p.Close()
	w.apply()
	if is := w.recordOf("told.one@a"); is.Origin != was.Origin || !is.Attrs.Value.RawEquals(was.Attrs.Value) {
		t.Errorf("recorded was %v and is %v", was, is)
	}
	p = w.plan()
	if len(p.Plan.Steps()) != 0 || len(p.Plan.Warnings()) != 0 {
		t.Errorf("afterwards: %q, %q", steps(p), p.Plan.Warnings())
	}
}

// What the spec changes is compared with the record, which an apply that leaves
// the object alone does not touch: neither by what the machine does not tell.
func TestAChangeOfWhatCannotBeSeen(t *testing.T) {
	changed := strings.Replace(toldOne, `"1"`, `"other"`, 1)
	echoed := strings.Replace(toldTwo, "  text", "  how        = \"other\"\n  text", 1)
	both := []string{"update file.service@a", "update told.one@a"}
	for name, tt := range map[string]struct {
		spec    string
		before  func(*world, engine.PlanInput, *engine.Planned) *engine.Planned // the apply
		outcome event.Outcome                                                   // of told.one
		says    string
		text    string
	}{
		"as recorded": {spec: theService, outcome: event.Done, text: "other"},
		"of a saved plan": {spec: theService, outcome: event.Done, text: "other", before: func(w *world, in engine.PlanInput, p *engine.Planned) *engine.Planned {
			return w.derive(in, p.Plan)
		}},
		"already as wanted": {spec: theService, outcome: event.Already, text: "other", before: func(w *world, _ engine.PlanInput, p *engine.Planned) *engine.Planned {
			w.machines["a"].Put("/etc/told-one", "other")
			return p
		}},
		"not as recorded": {spec: theService, outcome: event.Stale, says: "it is not as printed any more: text changed", text: "by hand", before: func(w *world, _ engine.PlanInput, p *engine.Planned) *engine.Planned {
			w.machines["a"].Put("/etc/told-one", "by hand")
			return p
		}},
		"gone": {spec: theService, outcome: event.Stale, says: "it was there, and is not any more", before: func(w *world, _ engine.PlanInput, p *engine.Planned) *engine.Planned {
			w.machines["a"].RemoveAll("/etc/told-one")
			return p
		}},
		"not mended": {spec: strings.Replace(theService, `"up"`, `"broken"`, 1), outcome: event.Failed, says: "the service does not answer: connection refused", text: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := toldWorld(t, "a")
			two := w.recordOf("told.two@a")
			w.spec(tt.spec + changed + echoed)
			p, in := w.planWith(asItIs)
			if got := steps(p); !slices.Equal(got, both) {
				t.Fatalf("steps %q", got)
			}
			if tt.before != nil {
				p = tt.before(w, in, p)
			}
			w.events = nil
			r, diags := w.run(p)
			end := event.StepEnded{}
			for _, e := range w.events {
				if e, ok := e.Data.(event.StepEnded); ok && e.Addr.String() == "told.one@a" {
					end = e
				}
			}
			if end.Outcome != tt.outcome || !strings.Contains(end.Reason, tt.says) || len(r.Steps) != 2 {
				t.Errorf("it ended as %v (%s): %v", end.Outcome, end.Reason, diags)
			}
			if got := w.machines["a"].Content("/etc/told-one"); got != tt.text {
				t.Errorf("the text is %q", got)
			}
			if is := w.recordOf("told.two@a"); !is.Attrs.Value.RawEquals(two.Attrs.Value) {
				t.Errorf("recorded was %v and is %v", two, is)
			}
		})
	}
}

// Apply reads again before its first change. What the plan took from the record
// may be seen then, and has to be so; what it saw has to be seen again.
func TestTheFirstReadingOfWhatCouldNotBeSeen(t *testing.T) {
	w := toldWorld(t, "a")
	w.spec(theService + toldOne + strings.Replace(toldTwo, `"2"`, `"3"`, 1) + motd)
	for name, tt := range map[string]struct {
		planned string // how the service is when the plan is made
		arrange func()
		says    string
	}{
		"it answers, and tells another thing": {"down", func() {
			w.serviceIs("up")
			w.machines["a"].Put("/etc/told-one", "by hand")
		}, "told.one@a is not as it is recorded, which was taken as what is there when the plan was made: text changed"},
		"it does not answer any more": {"up", func() { w.serviceIs("down") }, "the service does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			w.serviceIs(tt.planned)
			w.machines["a"].Put("/etc/told-one", "1")
			p := w.plan()
			tt.arrange()
			acts := len(w.machines["a"].Acts())
			_, diags := w.run(p)
			if !diags.HasErrors() || !slices.ContainsFunc(diags.Errs(), func(err error) bool { return strings.Contains(strings.ToLower(err.Error()), tt.says) }) {
				t.Errorf("the errors are %q", diags.Errs())
			}
			if len(w.machines["a"].Acts()) != acts {
				t.Error("it acted")
			}
		})
	}
	w.serviceIs("down")
	w.machines["a"].Put("/etc/told-one", "1")
	p := w.plan()
	w.serviceIs("up") // by itself; the service's file is as wanted already
	r, diags := w.run(p)
	w.noErrors(diags)
	if r.Counts[event.Done]+r.Counts[event.Already] != len(p.Plan.Steps()) {
		t.Errorf("counts %v", r.Counts)
	}
	w.wantSteps()
}

// Of what is not recorded nothing is known, nor of what a run was cut off in.
func TestWhatCannotBeSeenAndIsNotRecorded(t *testing.T) {
	w := toldWorld(t, "a")
	three := strings.ReplaceAll(toldTwo, "two", "three")
	w.spec(theService + toldOne + toldTwo + three)
	w.wantErrors(asItIs, "Cannot read told.three@a", "Look at its log", "Nothing is recorded of told.three.", "--exclude 'told.three@a'")
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Excludes = targets(t, "told.three@a") })
	if got := steps(p); !slices.Equal(got, []string{"update file.service@a"}) {
		t.Errorf("steps %q", got)
	}
	w.spec(theService + strings.Replace(toldOne, "= \"one\"", "= \"uno\"", 1))
	w.wantErrors(asItIs, "Cannot read told.one@a", "What is recorded of told.one has another identity.")
	w.spec(theService + toldOne)
	w.wantErrors(func(in *engine.PlanInput) {
		for a, o := range in.State.Objects {
			if o.Addr.String() == "told.one@a" {
				in.State.Interrupted = map[addr.Instance]state.Intent{a: {Run: "run9"}}
			}
		}
	}, "Run run9 was cut off while it worked on told.one.")
}

// What changed of it is not known: drift says that, and what else changed.
func TestDriftOfWhatCannotBeSeen(t *testing.T) {
	w := toldWorld(t, "a")
	w.spec(theService + toldOne) // the other is left over
	p, _ := w.planWith(func(in *engine.PlanInput) { in.Mode = plans.RefreshOnly })
	if d := p.Plan.Drift(); len(d) != 1 || d[0].Addr.String() != "file.service@a" {
		t.Errorf("drift %v", d)
	}
	held := p.Plan.Withheld()
	if len(held) != 2 || held[0].Addr.String() != "told.one@a" || held[1].Addr.String() != "told.two@a" || held[0].Reason != "the service does not answer: connection refused. Look at its log" {
		t.Errorf("withheld %v", held)
	}
	was := w.recordOf("told.one@a")
	_, diags := w.run(p)
	w.noErrors(diags)
	if is := w.recordOf("told.one@a"); !is.Attrs.Value.RawEquals(was.Attrs.Value) {
		t.Errorf("recorded was %v and is %v", was, is)
	}
}

// A delete waits until the service answers; a destroy says how to do without.
func TestARemovalOfWhatCannotBeSeen(t *testing.T) {
	w := toldWorld(t, "a")
	w.wantErrors(func(in *engine.PlanInput) { in.Mode = plans.Destroy }, "Cannot read told.one@a", "kplan state rm 'told.one@a'")
	w.spec(theService + toldOne)
	p := w.plan()
	if got, held := steps(p), p.Plan.Withheld(); !slices.Equal(got, []string{"update file.service@a"}) || len(held) != 1 || held[0].Addr.String() != "told.two@a" {
		t.Fatalf("steps %q, withheld %v", got, held)
	}
	p.Close()
	w.apply()
	w.wantSteps("delete told.two@a")
	w.apply()
	w.wantSteps()
}
