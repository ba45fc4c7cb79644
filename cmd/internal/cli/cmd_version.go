package cli

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/kplan/kplan/cmd/internal/view"
)

func versionCommand() command {
	return command{
		name: "version", short: "show the version of kplan",
		long:     "kplan never asks anybody whether there is a newer one.",
		examples: []string{"kplan version", "kplan version --json"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write it as JSON")
			return func(_ context.Context, a *app, _ []string) int {
				v := view.Version{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "_" + runtime.GOARCH}
				if info, ok := debug.ReadBuildInfo(); ok {
					for _, s := range info.Settings {
						switch s.Key {
						case "vcs.revision":
							v.Commit = s.Value
						case "vcs.modified":
							v.Modified = s.Value == "true"
						}
					}
				}
				a.view.Version(v, *asJSON)
				return 0
			}
		},
	}
}
