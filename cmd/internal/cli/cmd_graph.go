package cli

import (
	"context"
	"fmt"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
)

func graphCommand() command {
	return command{
		name: "graph", args: "[PLANFILE]", max: 1, short: "draw what depends on what",
		long: "Draws the resources of the spec and what each needs; of a saved plan, its steps and\n" +
			"what each comes after.",
		exits:    []int{6, 7},
		examples: []string{"kplan graph | dot -Tsvg > graph.svg", "kplan graph --format mermaid --address file.motd"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			format := f.Choice("format", "the language of the drawing (default dot)", view.GraphDOT, view.GraphMermaid, view.GraphJSON)
			address := f.String("address", "ADDRESS", "only what ADDRESS covers, what that needs and what needs it")
			return func(ctx context.Context, a *app, args []string) int {
				var ts []addr.Target
				var err error
				if *address != "" {
					if ts, err = targets("address", []string{*address}); err != nil {
						return a.fail(err)
					}
				}
				g, at, code := a.graph(ctx, args)
				if g == nil {
					return code
				}
				if len(ts) > 0 {
					g = g.Around(func(n view.GraphNode) bool {
						for _, i := range at[n.ID] {
							if ts[0].Matches(i) {
								return true
							}
						}
						return false
					})
					if len(g.Nodes) == 0 {
						return a.fail(problem("Nothing is at "+*address, "kplan graph without --address shows what there is."))
					}
				}
				a.view.Graph(g, *format)
				return code
			}
		},
	}
}

// graph is that of a plan file or of the spec, with the instances at each node.
func (a *app) graph(ctx context.Context, args []string) (*view.Graph, map[string][]addr.Instance, int) {
	at := map[string][]addr.Instance{}
	if len(args) == 1 {
		key, err := a.backendOf().Key(ctx, false)
		if err != nil {
			return nil, nil, a.fail(err)
		}
		p, _, err := a.open(args[0], key, "")
		if err != nil {
			return nil, nil, a.fail(err)
		}
		for _, s := range p.Steps() {
			at[fmt.Sprint(int(s.ID))] = []addr.Instance{s.Addr}
		}
		return view.PlanGraph(p), at, 0
	}
	diags := a.load()
	code := a.show(diags)
	if diags.HasErrors() {
		return nil, nil, code
	}
	expanded, diags := a.spec.Expand()
	code = worst(code, a.show(diags))
	if diags.HasErrors() {
		return nil, nil, code
	}
	return specGraph(expanded, at), at, code
}

// specGraph is the resources of a spec and what each needs.
func specGraph(e *dsl.Expansion, at map[string][]addr.Instance) *view.Graph {
	g := &view.Graph{}
	index := map[addr.Resource]int{}
	needs := map[[2]addr.Resource]bool{}
	for _, i := range e.Instances {
		id := i.Addr.Resource.String()
		if _, ok := index[i.Addr.Resource]; !ok {
			index[i.Addr.Resource] = len(g.Nodes)
			g.Nodes = append(g.Nodes, view.GraphNode{ID: id, Label: id})
		}
		at[id] = append(at[id], i.Addr)
		for _, n := range i.Needs {
			needs[[2]addr.Resource{i.Addr.Resource, n.Resource}] = true
		}
	}
	for _, i := range e.Instances {
		for _, n := range i.Needs {
			edge := [2]addr.Resource{i.Addr.Resource, n.Resource}
			if _, ok := index[n.Resource]; ok && needs[edge] {
				node := &g.Nodes[index[i.Addr.Resource]]
				node.After = append(node.After, n.Resource.String())
				delete(needs, edge)
			}
		}
	}
	for i := range g.Nodes {
		g.Nodes[i].Note = onHosts(at[g.Nodes[i].ID])
	}
	return g
}

// onHosts says how many instances there are, and on how many hosts.
func onHosts(all []addr.Instance) string {
	hosts := map[string]bool{}
	for _, i := range all {
		hosts[i.Host] = true
	}
	if len(all) == len(hosts) && len(hosts) == 1 {
		return "on " + all[0].Host
	}
	if len(all) == len(hosts) {
		return fmt.Sprintf("on %d hosts", len(hosts))
	}
	return fmt.Sprintf("%d on %d hosts", len(all), len(hosts))
}
