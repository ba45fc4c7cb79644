package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/modules"
)

func explainCommand() command {
	return command{
		name: "explain", args: "[TYPE[.ATTRIBUTE]]", max: 1, short: "explain a resource type, or list all of them",
		examples: []string{"kplan explain", "kplan explain sysctl", "kplan explain file.mode"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, args []string) int {
				if len(args) == 0 {
					var all []view.TypeDoc
					for _, name := range catalog().Names() {
						d, _ := typeDoc(name)
						all = append(all, d)
					}
					a.view.ExplainList(all)
					return 0
				}
				if strings.HasPrefix(args[0], "kplan/") {
					return a.fail(problem(fmt.Sprintf("There is no resource type %q", args[0]), "It is written as a module. kplan modules show "+args[0]+" prints one."))
				}
				name, attr, one := strings.Cut(args[0], ".")
				d, ok := typeDoc(name)
				if !ok {
					return a.fail(problem(unknown("resource type", name, catalog().Names()).Error(), "kplan explain lists all of them."))
				}
				if !one {
					a.view.ExplainType(d)
					return 0
				}
				var names []string
				for _, at := range d.Attributes {
					if at.Name == attr {
						a.view.ExplainAttribute(at)
						return 0
					}
					names = append(names, at.Name)
				}
				return a.fail(problem(unknown("attribute", args[0], prefixed(name+".", names)).Error(), "kplan explain "+name+" shows all of them."))
			}
		},
	}
}

// typeDoc is the documentation of a resource type.
func typeDoc(name string) (view.TypeDoc, bool) {
	d, err := modules.Explain(name)
	if err != nil {
		return view.TypeDoc{}, false
	}
	out := view.TypeDoc{Name: name, Summary: withoutName(name, d.Summary), Text: d.Text, Example: d.Example}
	for _, at := range d.Attributes {
		out.Attributes = append(out.Attributes, view.AttributeDoc{
			Name: at.Name, Type: at.Type, Mode: at.Mode, Default: at.Default, Sensitive: at.Sensitive, Doc: at.Doc,
		})
	}
	return out, true
}

// withoutName is a summary without the type's name at its beginning, which
// stands before it already.
func withoutName(name, summary string) string {
	first, rest, _ := strings.Cut(summary, " ")
	if !strings.EqualFold(first, strings.ReplaceAll(name, "_", "")) {
		return summary
	}
	return capital(strings.TrimPrefix(rest, "is "))
}
