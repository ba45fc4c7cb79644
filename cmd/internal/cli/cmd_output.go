package cli

import (
	"context"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

func outputCommand() command {
	return command{
		name: "output", args: "[NAME]", max: 1, short: "show the outputs of the last apply",
		long:     "Sensitive outputs are recorded nowhere and cannot be shown.",
		exits:    []int{7},
		examples: []string{"kplan output", "kplan output --json", "kplan output --raw endpoint"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write the values as JSON")
			raw := f.Bool("raw", "write the value of NAME as it is: a string without quotes")
			return func(ctx context.Context, a *app, args []string) int {
				if *raw && (len(args) == 0 || *asJSON) {
					return a.fail(problem("--raw is for one output", "Name it, and leave --json out."))
				}
				snap, err := a.backendOf().Read(ctx)
				if err != nil {
					return a.fail(err)
				}
				values := map[string]cty.Value{}
				var names []string
				for name, v := range snap.Outputs {
					values[name] = v.Value
					names = append(names, name)
				}
				if len(args) == 0 {
					if *asJSON {
						a.view.OutputsJSON(values)
					} else if a.view.Outputs(values); len(values) == 0 {
						a.say("The state records no outputs.")
					}
					return 0
				}
				slices.Sort(names)
				v, ok := values[args[0]]
				if !ok {
					return a.fail(problem(unknown("output", args[0], names).Error(), "kplan output lists those of the last apply. Sensitive ones are recorded nowhere."))
				}
				if *asJSON {
					a.view.OutputJSON(args[0], v)
				} else {
					a.view.Output(v, *raw)
				}
				return 0
			}
		},
	}
}
