package cli

import (
	"context"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
)

func showCommand() command {
	return command{
		name: "show", args: "[PLANFILE]", max: 1, short: "show a saved plan, or the state",
		long: "Shows a saved plan exactly as kplan plan printed it; without a file, the objects\n" +
			"that the state records.",
		exits:    []int{6, 7},
		examples: []string{"kplan show", "kplan show site.kplan", "kplan show --json site.kplan"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write it as JSON, in the shape of terraform show -json")
			return func(ctx context.Context, a *app, args []string) int {
				if len(args) == 0 {
					return a.showState(ctx, *asJSON)
				}
				return a.showPlan(ctx, args[0], *asJSON)
			}
		},
	}
}

func (a *app) showPlan(ctx context.Context, path string, asJSON bool) int {
	key, err := a.backendOf().Key(ctx, false)
	if err != nil {
		return a.fail(err)
	}
	p, file, err := a.open(path, key, "")
	if err != nil {
		return a.fail(err)
	}
	if !asJSON {
		a.view.Plan(p, false)
		return 0
	}
	doc, err := p.JSON(plans.JSONOptions{Version: file.Meta.Version, Variables: file.Meta.Variables})
	if err != nil {
		return a.fail(err)
	}
	a.view.JSON(doc)
	return 0
}

func (a *app) showState(ctx context.Context, asJSON bool) int {
	snap, err := a.backendOf().Read(ctx)
	if err != nil {
		return a.fail(err)
	}
	a.running(snap)
	if asJSON {
		a.view.StateJSON(snap, Version)
		return 0
	}
	if !a.view.StateShow(snap, func(addr.Instance) bool { return true }) {
		a.say("The state records no objects.")
	}
	return 0
}
