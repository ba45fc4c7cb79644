package cli

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

func applyCommand() command {
	return command{
		name: "apply", args: "[PLANFILE]", max: 1, short: "make the hosts as the spec says",
		long: "Applies a saved plan; without one it plans, shows the plan, asks, and applies it.\n" +
			"Interrupt it once to let running steps end, twice to cancel these too.",
		exits: []int{3, 4, 5, 6, 7, 130},
		examples: []string{
			"kplan apply", "kplan apply --auto-approve", "kplan apply site.kplan",
			"kplan apply --expect sha256:… site.kplan",
		},
		define: func(f *flags) func(context.Context, *app, []string) int {
			o := defineApply(f)
			c := defineChoice(f)
			o.expect = f.String("expect", "DIGEST", "apply only the plan with this digest, as plan printed it")
			return func(ctx context.Context, a *app, args []string) int {
				o.plan.choice = c
				if len(args) == 1 {
					o.file = args[0]
				}
				return a.applied(ctx, o)
			}
		},
	}
}

func destroyCommand() command {
	return command{
		name: "destroy", short: "remove all that kplan made",
		long: "Plans and applies that nothing is wanted: what kplan created is deleted, what was\n" +
			"there before kplan stays as it is.",
		exits:    []int{3, 4, 5, 6, 7, 130},
		examples: []string{"kplan destroy", "kplan destroy --target host.web1"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			o := defineApply(f)
			c := defineChoice(f)
			return func(ctx context.Context, a *app, _ []string) int {
				o.plan.choice = c
				o.plan.mode = plans.Destroy
				return a.applied(ctx, o)
			}
		},
	}
}

// applyOptions are what an apply is asked for.
type applyOptions struct {
	plan        planOptions
	file        string // a saved plan; "" to plan now
	expect      *string
	autoApprove *bool
	onStale     *string
	trace       *string
	json        jsonFlags
}

func defineApply(f *flags) applyOptions {
	return applyOptions{
		json:        defineJSON(f),
		autoApprove: f.Bool("auto-approve", "do not ask before the plan is applied"),
		onStale: f.Choice("on-stale", "where a host is not as planned any more: stop before anything is changed (default), or skip that host",
			"stop", "skip"),
		trace: f.String("trace", "FILE", "write when each step ran to FILE, for chrome://tracing or Perfetto"),
	}
}

// applied runs an apply from the flags to the exit code.
func (a *app) applied(ctx context.Context, o applyOptions) int {
	if err := o.check(a); err != nil {
		return a.fail(err)
	}
	r, err := a.report(o.json)
	if err != nil {
		return a.fail(err)
	}
	code := a.applyUnderLock(ctx, r, o)
	if err := r.close(); err != nil {
		if failed := a.fail(err); code == 0 {
			code = failed
		}
	}
	return code
}

// check refuses what cannot be asked for together.
func (o applyOptions) check(a *app) error {
	saved := o.file != ""
	switch {
	case saved && (len(*o.plan.targets) > 0 || len(*o.plan.excludes) > 0 || len(*o.plan.replaces) > 0):
		return problem("A saved plan is applied as a whole", "--target, --exclude and --replace choose what is planned. Give them to kplan plan.")
	case !saved && !*o.autoApprove && !a.asks():
		return problem("Nobody can be asked to approve the plan",
			"Standard input is no terminal. Save the plan, review it and apply what was reviewed:\n\n    kplan plan --out FILE\n    kplan apply FILE\n\nOr approve whatever the plan will be with --auto-approve.")
	case !saved && !*o.autoApprove && *o.json.json:
		return problem("--json needs --auto-approve or a saved plan", "The question whether to apply the plan cannot be asked in JSON.")
	}
	return nil
}

// applyUnderLock takes the lock, makes or reads the plan, and applies it.
func (a *app) applyUnderLock(ctx context.Context, r *reporter, o applyOptions) int {
	var in engine.PlanInput
	var saved *plans.Plan
	var file *plans.File
	var err error
	if in, err = o.plan.input(); err != nil {
		return a.fail(err)
	}
	if o.file == "" {
		diags := a.load()
		if code := a.show(diags); diags.HasErrors() {
			return code
		}
	}
	backend := a.backend()
	if o.file != "" {
		backend = a.backendOf()
		if in.Key, err = backend.Key(ctx, false); err != nil {
			return a.fail(err)
		}
		if saved, file, err = a.open(o.file, in.Key, text(o.expect)); err != nil {
			return a.fail(err)
		}
	}
	lease, err := backend.Lock(ctx, a.common.lockTimeout, a.holder())
	if err != nil {
		return a.fail(err)
	}
	defer func() { _ = lease.Release() }()
	if in.Key, err = backend.Key(ctx, true); err != nil {
		return a.fail(err)
	}
	in.State = lease.Snapshot()

	var planned *engine.Planned
	code := 0
	if saved != nil {
		planned, code = a.derive(r, in, saved, file)
	} else {
		planned, code = a.planNow(ctx, r, in, o)
	}
	if planned == nil {
		return code
	}
	defer planned.Close()
	code = worst(code, a.carryOut(ctx, r, lease, planned, o))
	if code == 0 {
		code = a.showOutputs(ctx, backend)
	}
	return code
}

// derive makes a saved plan ready.
func (a *app) derive(r *reporter, in engine.PlanInput, saved *plans.Plan, file *plans.File) (*engine.Planned, int) {
	if d := engine.CheckBase(saved, in.State); d != nil {
		return nil, a.show(hcl.Diagnostics{d})
	}
	diags := a.reload(&in, saved, file)
	code := a.show(diags)
	if diags.HasErrors() {
		return nil, code
	}
	a.frugal()
	planned, diags := a.engine(r).Derive(in, saved)
	code = worst(code, a.show(diags))
	if diags.HasErrors() {
		planned.Close()
		return nil, code
	}
	return planned, code
}

// planNow plans, shows the plan and asks. It gives no plan where there is
// nothing to do or it was not approved.
func (a *app) planNow(ctx context.Context, r *reporter, in engine.PlanInput, o applyOptions) (*engine.Planned, int) {
	in.Spec = a.spec
	if err := o.plan.named(&in); err != nil {
		return nil, a.fail(err)
	}
	a.frugal()
	planned, diags := a.engine(r).Plan(ctx, in)
	r.progress.Close()
	if planned != nil && planned.Plan != nil && !diags.HasErrors() {
		_, more := a.bind(planned, in, o.plan)
		diags = append(diags, more...)
	}
	code := worst(a.show(diags), interrupted(ctx))
	if diags.HasErrors() || planned == nil || planned.Plan == nil || code == 130 {
		planned.Close()
		return nil, worst(code, 1)
	}
	r.plan(planned.Plan, false)
	if e := text(o.expect); e != "" && !strings.EqualFold(e, planned.Plan.Digest()) {
		planned.Close()
		return nil, a.fail(coded(6, "This is not the plan that --expect names",
			"Its digest is "+planned.Plan.Digest()+". Review it, and name that digest if it is what you want."))
	}
	if planned.Plan.Empty() {
		return planned, code
	}
	if !*o.autoApprove {
		if err := a.approve(ctx, planned.Plan); err != nil {
			planned.Close()
			return nil, worst(code, a.fail(err))
		}
	}
	return planned, code
}

// carryOut applies a plan and reports.
func (a *app) carryOut(ctx context.Context, r *reporter, lease state.Lease, planned *engine.Planned, o applyOptions) int {
	run := engine.NewRun(time.Now())
	r.progress = a.view.Progress(a.progressMode(), a.common.logLevel, a.env.Environ)
	r.run(run, len(planned.Plan.Steps()))
	finished := a.signals.finishing(r.stopping)
	_, diags := a.engine(r).Apply(ctx, lease, planned, engine.ApplyOptions{
		Run: run, SkipStale: *o.onStale == "skip", Stop: a.signals.stop,
	})
	finished()
	r.progress.Close()
	code := a.show(diags)
	if !a.quiet && (len(r.tally.Steps) > 0 || code == 0) {
		a.view.Report(&r.tally, planned.Plan)
	}
	if o.trace != nil && *o.trace != "" {
		if err := a.writeTrace(*o.trace, &r.tally); err != nil {
			code = worst(code, a.fail(err))
		}
	}
	if r.tally.Incomplete(planned.Plan) && (code == 0 || code == 3) {
		code = 3
		if a.signals.asked() {
			code = 130
		}
	}
	return code
}

// showOutputs shows the outputs that an apply recorded.
func (a *app) showOutputs(ctx context.Context, from state.Backend) int {
	snap, err := from.Read(ctx)
	if err != nil {
		return a.fail(err)
	}
	values := map[string]cty.Value{}
	for name, v := range snap.Outputs {
		values[name] = v.Value
	}
	if len(values) == 0 {
		return 0
	}
	for _, s := range a.streams {
		s.Outputs(values)
	}
	if !a.quiet {
		a.view.Result("\nOutputs:\n\n")
		a.view.Outputs(values)
	}
	return 0
}

// progressMode is how progress is shown now: not at all beside a stream, but
// where it is asked for.
func (a *app) progressMode() string {
	if a.quiet && a.common.progress == view.ProgressAuto {
		return view.ProgressQuiet
	}
	return a.common.progress
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
