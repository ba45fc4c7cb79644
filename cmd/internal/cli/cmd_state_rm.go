package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state"
)

func stateRmCommand() command {
	return command{
		name: "state rm", args: "ADDRESS…", min: 1, max: -1, short: "forget recorded objects, without changing any host",
		long: "Removes the objects that the addresses cover from the state. They stay on their\n" +
			"hosts as they are; where the spec still wants one, the next plan takes what it\n" +
			"finds there for what was there before kplan.",
		exits:    []int{4, 7},
		examples: []string{"kplan state rm file.motd@web1", "kplan state rm --auto-approve module.cluster"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			approve := f.Bool("auto-approve", "do not ask")
			return func(ctx context.Context, a *app, args []string) int {
				ts, err := targets("ADDRESS", args)
				if err != nil {
					return a.fail(err)
				}
				lease, err := a.existing(ctx)
				if err != nil {
					return a.fail(err)
				}
				defer func() { _ = lease.Release() }()
				snap := lease.Snapshot()
				gone := covered(snap, ts)
				if len(gone) == 0 {
					return a.fail(problem("The state records nothing at "+strings.Join(args, ", "), "kplan state list shows what it records."))
				}
				if !*approve {
					if err := a.confirm(ctx, fmt.Sprintf("Forget these %d objects? They stay on their hosts.\n\n  %s\n\n", len(gone), strings.Join(texts(gone), "\n  "))); err != nil {
						return a.fail(err)
					}
				}
				for _, i := range gone {
					delete(snap.Objects, i)
					delete(snap.Owed, i)
					delete(snap.Interrupted, i)
				}
				if err := lease.Save(ctx, snap); err != nil {
					return a.fail(err)
				}
				for _, t := range texts(gone) {
					a.view.Result("Forgot " + t)
				}
				return 0
			}
		},
	}
}

// existing locks the state, and makes none.
func (a *app) existing(ctx context.Context) (state.Lease, error) {
	backend := a.backendOf()
	snap, err := backend.Read(ctx)
	switch {
	case err != nil:
		return nil, err
	case snap.Lineage == "":
		return nil, problem("There is no state yet", "Nothing is recorded before the first apply.")
	}
	return backend.Lock(ctx, a.common.lockTimeout, a.holder())
}

// covered are the objects, and the steps that were cut off, that addresses
// cover, in order.
func covered(s *state.Snapshot, ts []addr.Target) []addr.Instance {
	all := view.Addresses(s)
	for i := range s.Interrupted {
		if _, ok := s.Objects[i]; !ok {
			all = append(all, i)
		}
	}
	return slices.DeleteFunc(all, func(i addr.Instance) bool {
		return !slices.ContainsFunc(ts, func(t addr.Target) bool { return t.Matches(i) })
	})
}

func texts(all []addr.Instance) []string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.String()
	}
	return out
}

func statePullCommand() command {
	return command{
		name: "state pull", short: "write the recorded state to standard output",
		long: "Writes the state as its file holds it, with what a run that is under way has done\n" +
			"so far. Sensitive values stand in it as keyed digests only.",
		exits:    []int{7},
		examples: []string{"kplan state pull > backup.json"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, _ []string) int {
				snap, err := a.backendOf().Read(ctx)
				if err != nil {
					return a.fail(err)
				}
				if snap.Lineage == "" {
					a.say("There is no state yet.")
					return 0
				}
				doc, err := state.Encode(snap, Version)
				if err != nil {
					return a.fail(err)
				}
				a.running(snap)
				a.view.JSON(doc)
				return 0
			}
		},
	}
}
