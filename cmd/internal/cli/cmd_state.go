package cli

import (
	"context"
	"fmt"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state"
)

func stateListCommand() command {
	return command{
		name: "state list", args: "[ADDRESS]…", max: -1, short: "list the objects that the state records",
		exits:    []int{7},
		examples: []string{"kplan state list", "kplan state list host.web1 module.cluster"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, args []string) int {
				snap, want, code := a.selected(ctx, args)
				if snap != nil {
					a.view.StateList(snap, want)
				}
				return code
			}
		},
	}
}

func stateShowCommand() command {
	return command{
		name: "state show", args: "ADDRESS…", min: 1, max: -1, short: "show recorded objects attribute by attribute",
		exits:    []int{7},
		examples: []string{"kplan state show file.motd@web1"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, args []string) int {
				snap, want, code := a.selected(ctx, args)
				if snap != nil && !a.view.StateShow(snap, want) {
					return a.fail(problem("The state records nothing there", "kplan state list shows what it records."))
				}
				return code
			}
		},
	}
}

// selected reads the state and which of its objects addresses cover: all where
// there are none.
func (a *app) selected(ctx context.Context, args []string) (*state.Snapshot, func(addr.Instance) bool, int) {
	ts, err := targets("ADDRESS", args)
	if err != nil {
		return nil, nil, a.fail(err)
	}
	snap, err := a.backendOf().Read(ctx)
	if err != nil {
		return nil, nil, a.fail(err)
	}
	a.running(snap)
	return snap, func(i addr.Instance) bool {
		for _, t := range ts {
			if t.Matches(i) {
				return true
			}
		}
		return len(ts) == 0
	}, 0
}

// running says that a run is under way, or was cut off.
func (a *app) running(s *state.Snapshot) {
	if s.Applied.Running {
		a.say(fmt.Sprintf("Run %s is in progress, or was cut off. What it has done so far is included.", s.Applied.Run))
	}
}

func stateHistoryCommand() command {
	return command{
		name: "state history", short: "list the generations of the state that are kept",
		exits:    []int{7},
		examples: []string{"kplan state history"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, _ []string) int {
				all, err := a.backendOf().History(ctx)
				if err != nil {
					return a.fail(err)
				}
				if len(all) == 0 {
					a.say("There is no state yet.")
					return 0
				}
				rows := make([]view.Generation, len(all))
				for i, g := range all {
					rows[i] = view.Generation{
						Serial: g.Serial, Objects: g.Objects, Ended: g.Applied.Ended, Run: g.Applied.Run,
						Digest: g.Applied.Digest, Current: g.Current,
					}
				}
				a.view.History(rows)
				return 0
			}
		},
	}
}

func stateRepairCommand() command {
	return command{
		name: "state repair", short: "mend a damaged state from its generations and journal",
		long:     "Says what it did. What is damaged is set aside, never removed.",
		exits:    []int{4, 7},
		examples: []string{"kplan state repair"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, _ []string) int {
				said, err := a.backendOf().Repair(ctx, a.holder())
				for _, s := range said {
					a.view.Result(s)
				}
				if err != nil {
					return a.fail(err)
				}
				return 0
			}
		},
	}
}

func unlockCommand() command {
	return command{
		name: "unlock", args: "ID", min: 1, max: 1, short: "free the lock of a run that is gone",
		long: "The id stands in the message of the run that found the lock taken. A local lock\n" +
			"ends with its process and needs no unlocking.",
		exits:    []int{4},
		examples: []string{"kplan unlock 5f1d3a9be0c24f71"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, args []string) int {
				if err := a.backendOf().Unlock(ctx, args[0]); err != nil {
					return a.fail(err)
				}
				a.say("The state is not locked.")
				return 0
			}
		},
	}
}
