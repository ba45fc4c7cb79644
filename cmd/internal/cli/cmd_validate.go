package cli

import (
	"context"

	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

func validateCommand() command {
	return command{
		name: "validate", short: "check the spec without contacting a host",
		long: "Checks all that can be known without a host: syntax, types, references, cycles,\n" +
			"and that no two resources claim the same thing on a host. A check that will not\n" +
			"hold is a warning.",
		examples: []string{"kplan validate", "kplan validate --json"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write what was found as JSON, in the shape of terraform validate -json")
			return func(_ context.Context, a *app, _ []string) int {
				diags := a.load()
				if !diags.HasErrors() {
					diags = append(diags, a.engine(nil).Validate(engine.PlanInput{
						Spec: a.spec, State: state.NewSnapshot(""), Key: anyKey(), Mode: plans.Normal,
					})...)
				}
				if *asJSON {
					a.view.ValidationJSON(once(diags), a.source)
					return codeOf(diags)
				}
				code := a.show(diags)
				if code == 0 {
					a.view.Result("Success! The configuration is valid.")
				}
				return code
			}
		},
	}
}
