package cli

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
)

func planCommand() command {
	return command{
		name: "plan", short: "show what apply would do",
		long: "Reads the hosts and the state, and shows every step that apply would take.\n" +
			"Nothing is changed anywhere.",
		exits: []int{2, 4, 5, 6, 7, 8, 130},
		examples: []string{
			"kplan plan", "kplan plan --out site.kplan", "kplan plan --target host.web1",
			"kplan plan --offline --detailed-exitcode",
		},
		define: func(f *flags) func(context.Context, *app, []string) int {
			c := defineChoice(f)
			j := defineJSON(f)
			out := f.String("out", "FILE", "save the plan to FILE, to be applied later")
			detailed := f.Bool("detailed-exitcode", "end with exit status 2 where there are changes")
			offline := f.Bool("offline", "contact no host: take what the state records as actual")
			refresh := f.Bool("refresh-only", "only show what changed outside of kplan")
			destroy := f.Bool("destroy", "plan to remove all that kplan made")
			return func(ctx context.Context, a *app, _ []string) int {
				o := planOptions{choice: c, out: *out, offline: *offline}
				switch {
				case *refresh && *destroy:
					return a.fail(problem("--refresh-only and --destroy exclude each other", "Use one of them."))
				case *offline && *out != "":
					return a.fail(problem("--offline and --out exclude each other", "A plan that was made without reading the hosts cannot be applied. Plan again without --offline to save it."))
				case *refresh && *out != "":
					return a.fail(problem("--refresh-only and --out exclude each other", "A refresh-only plan is for looking: it has no steps that could be applied."))
				case *refresh:
					o.mode = plans.RefreshOnly
				case *destroy:
					o.mode = plans.Destroy
				}
				r, err := a.report(j)
				if err != nil {
					return a.fail(err)
				}
				code := runPlan(ctx, a, r, o, *detailed)
				return worst(code, a.closed(r))
			}
		},
	}
}

// planOptions are what a plan is made with, beside the spec.
type planOptions struct {
	choice
	mode    plans.Mode
	out     string
	offline bool
}

// input fills in what the flags say.
func (o planOptions) input() (in engine.PlanInput, err error) {
	in.Mode, in.Offline = o.mode, o.offline
	if in.Mode == "" {
		in.Mode = plans.Normal
	}
	for _, f := range o.flags(&in) {
		if f.texts == nil {
			continue
		}
		if *f.to, err = targets(f.name, *f.texts); err != nil {
			return in, err
		}
	}
	return in, nil
}

// runPlan plans, shows the plan and saves it where that is asked.
func runPlan(ctx context.Context, a *app, r *reporter, o planOptions, detailed bool) int {
	in, err := o.input()
	if err != nil {
		return a.fail(err)
	}
	diags := a.load()
	code := a.show(diags)
	if diags.HasErrors() {
		return code
	}
	in.Spec = a.spec
	release, err := a.shared(ctx, &in, o.out != "")
	if err != nil {
		return a.fail(err)
	}
	defer func() { _ = release() }()
	if err := o.named(&in); err != nil {
		return worst(code, a.fail(err))
	}

	p, file, diags := a.makePlan(ctx, r, in, o)
	code = worst(code, a.show(diags), interrupted(ctx))
	if p == nil {
		return worst(code, 1)
	}
	a.forgetSpec()
	in.Spec = nil
	r.plan(p, o.offline)
	if o.out != "" && file != nil {
		if err := a.save(p, file, in.Key, o.out); err != nil {
			return worst(code, a.fail(err))
		}
		a.say("Saved the plan to " + o.out + ". To perform exactly these actions, type:\n\n    kplan apply " + shellWord(o.out) + "\n")
	}
	return worst(code, planCode(p, detailed, o.offline))
}

// makePlan plans, and ends the sessions: all that is left is the plan and what
// is saved beside it, nothing where no host was contacted. The plan is nil
// where there is none.
func (a *app) makePlan(ctx context.Context, r *reporter, in engine.PlanInput, o planOptions) (*plans.Plan, *plans.File, hcl.Diagnostics) {
	a.frugal()
	planned, diags := a.engine(r).Plan(ctx, in)
	defer planned.Close()
	r.progress.Close()
	if planned == nil || planned.Plan == nil {
		return nil, nil, diags
	}
	if diags.HasErrors() || o.offline {
		return planned.Plan, nil, diags
	}
	file, more := a.bind(planned, in, o)
	return planned.Plan, file, append(diags, more...)
}

// shared takes the shared lock and reads state and key. With create there is a
// state afterwards; without, a key for this run alone serves where there is
// none.
func (a *app) shared(ctx context.Context, in *engine.PlanInput, create bool) (release func() error, err error) {
	backend := a.backend()
	if in.Key, err = backend.Key(ctx, create); err != nil {
		return nil, err
	}
	if release, err = backend.Share(ctx, a.common.lockTimeout); err != nil {
		return nil, err
	}
	if in.State, err = backend.Read(ctx); err != nil {
		_ = release()
		return nil, err
	}
	if in.Key == nil {
		in.Key = anyKey()
	}
	return release, nil
}

// planCode is the exit code that a plan itself asks for.
func planCode(p *plans.Plan, detailed, offline bool) int {
	code := 0
	if detailed && !p.Empty() {
		code = 2
	}
	if offline {
		return code
	}
	if p.Mode() == plans.RefreshOnly && len(p.Withheld()) > 0 { // whether these changed is the answer
		code = worst(code, 8)
	}
	for _, h := range p.Hosts() {
		if h.Unreached() {
			code = worst(code, 8)
		}
	}
	return code
}
