package cli

import (
	"context"

	"github.com/kplan/kplan/plans"
)

func driftCommand() command {
	return command{
		name: "drift", short: "show what changed behind kplan's back",
		long:     "Reads the hosts and compares what is there with what kplan recorded.",
		exits:    []int{2, 4, 5, 6, 7, 8, 130},
		examples: []string{"kplan drift", "kplan drift --json"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write the drift as JSON")
			all := f.Bool("all", "list what did not change, too")
			return func(ctx context.Context, a *app, _ []string) int {
				r, err := a.report(jsonFlags{})
				if err != nil {
					return a.fail(err)
				}
				code := runDrift(ctx, a, r, *asJSON, *all)
				return worst(code, a.closed(r))
			}
		},
	}
}

func runDrift(ctx context.Context, a *app, r *reporter, asJSON, all bool) int {
	diags := a.load()
	code := a.show(diags)
	if diags.HasErrors() {
		return code
	}
	in, err := planOptions{mode: plans.RefreshOnly}.input()
	if err != nil {
		return a.fail(err)
	}
	release, err := a.shared(ctx, &in, false)
	if err != nil {
		return a.fail(err)
	}
	defer func() { _ = release() }()
	in.Spec = a.spec
	a.frugal()
	planned, diags := a.engine(r).Plan(ctx, in)
	defer planned.Close()
	r.progress.Close()
	code = worst(code, a.show(diags), interrupted(ctx))
	if planned == nil || planned.Plan == nil {
		return worst(code, 1)
	}
	if asJSON {
		a.view.DriftJSON(planned.Plan, in.State, all, Version)
	} else {
		a.view.Drift(planned.Plan, in.State, all)
	}
	if len(planned.Plan.Drift()) > 0 {
		code = worst(code, 2)
	}
	return worst(code, planCode(planned.Plan, false, false))
}
