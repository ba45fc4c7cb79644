package plans

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state/value"
)

// JSONFormat is the version of the JSON plan. Minor versions add keys.
const JSONFormat = "1.0"

// JSONOptions is what a JSON plan says beside the plan.
type JSONOptions struct {
	Version   string               // of kplan
	Variables map[string]cty.Value // not the sensitive ones
}

type jsonPlan struct {
	FormatVersion   string                  `json:"format_version"`
	KplanVersion    string                  `json:"kplan_version"`
	Variables       map[string]jsonVariable `json:"variables"`
	ResourceChanges []jsonResource          `json:"resource_changes"`
	ResourceDrift   []jsonResource          `json:"resource_drift"`
	OutputChanges   map[string]jsonChange   `json:"output_changes"`
	Warnings        []string                `json:"warnings"`
	Checks          []any                   `json:"checks"`
	Errored         bool                    `json:"errored"`
	Applyable       bool                    `json:"applyable"`
	Hosts           []jsonHost              `json:"hosts"`
	Steps           []jsonStep              `json:"steps"`
	Barriers        []jsonBarrier           `json:"barriers"`
	State           jsonState               `json:"state"`
	Digest          string                  `json:"digest"`
}

type jsonVariable struct {
	Value any `json:"value"`
}

type jsonResource struct {
	Address       string     `json:"address"`
	ModuleAddress string     `json:"module_address,omitempty"`
	Type          string     `json:"type"`
	Name          string     `json:"name"`
	Index         any        `json:"index,omitempty"`
	Host          string     `json:"host"`
	Change        jsonChange `json:"change"`
	ActionReason  string     `json:"action_reason,omitempty"`
}

type jsonChange struct {
	Actions         []string   `json:"actions"`
	Before          any        `json:"before"`
	After           any        `json:"after"`
	AfterUnknown    any        `json:"after_unknown"`
	BeforeSensitive any        `json:"before_sensitive"`
	AfterSensitive  any        `json:"after_sensitive"`
	ReplacePaths    [][]string `json:"replace_paths,omitempty"`
}

type jsonHost struct {
	Name      string         `json:"name"`
	Address   string         `json:"address"`
	Reachable bool           `json:"reachable"`
	Facts     map[string]any `json:"facts,omitempty"`
}

type jsonStep struct {
	ID        Node     `json:"id"`
	Address   string   `json:"address"`
	At        string   `json:"at,omitempty"`
	After     []Node   `json:"after"`
	Condition string   `json:"condition,omitempty"`
	Disrupts  []string `json:"disrupts,omitempty"`
	Via       string   `json:"via,omitempty"`
}

type jsonBarrier struct {
	ID    Node   `json:"id"`
	After []Node `json:"after"`
}

type jsonState struct {
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
}

// JSON is the plan in Terraform's shape, format_version "1.0", as one line. A
// sensitive attribute is absent from before and after, and true in
// before_sensitive and after_sensitive; one that is known after apply is
// absent from after, and true in after_unknown. A refresh is an update.
func (p *Plan) JSON(o JSONOptions) ([]byte, error) {
	out := jsonPlan{
		FormatVersion: JSONFormat, KplanVersion: o.Version, Variables: map[string]jsonVariable{},
		ResourceChanges: []jsonResource{}, ResourceDrift: []jsonResource{}, OutputChanges: map[string]jsonChange{},
		Warnings: append([]string{}, p.c.Warnings...), Checks: []any{}, Applyable: !p.Empty(), Hosts: []jsonHost{}, Steps: []jsonStep{}, Barriers: []jsonBarrier{},
		State: jsonState{p.c.Base.Lineage, p.c.Base.Serial}, Digest: p.digest,
	}
	for name, v := range o.Variables {
		v, _ = v.UnmarkDeep()
		out.Variables[name] = jsonVariable{plain(v)}
	}
	for _, c := range p.c.Changes {
		out.ResourceChanges = append(out.ResourceChanges, resource(c.Addr, c.Reason, change(c.Action, c.Before, c.After, c.Differs, c.Sensitive)))
	}
	for _, d := range p.c.Drift {
		out.ResourceDrift = append(out.ResourceDrift, resource(d.Addr, "", change(moved(d.Recorded, d.Actual), d.Recorded, d.Actual, d.Differs, nil)))
	}
	for _, o := range p.c.Outputs {
		out.OutputChanges[o.Name] = outputChange(o)
	}
	for _, h := range p.c.Hosts {
		out.Hosts = append(out.Hosts, jsonHost{h.Name, h.Address, h.Reachable, facts(h.Facts)})
	}
	for _, s := range p.c.Steps {
		out.Steps = append(out.Steps, jsonStep{s.ID, s.Addr.String(), s.At, nodes(s.After), s.Condition, s.Disrupts, s.Via})
	}
	for _, b := range p.c.Barriers {
		out.Barriers = append(out.Barriers, jsonBarrier{b.ID, nodes(b.After)})
	}
	return value.JSON(out)
}

func nodes(n []Node) []Node {
	if n == nil {
		return []Node{}
	}
	return n
}

func resource(a addr.Instance, reason string, c jsonChange) jsonResource {
	r := jsonResource{
		Address: a.String(), ModuleAddress: string(a.Module), Type: a.Type, Name: a.Name, Host: a.Host, Change: c, ActionReason: reason,
	}
	if s, ok := a.Key.Str(); ok {
		r.Index = s
	} else if n, ok := a.Key.Int(); ok {
		r.Index = n
	}
	return r
}

func change(a Action, before, after Object, differs, sensitive []string) jsonChange {
	c := jsonChange{Actions: actions(a), AfterUnknown: map[string]any{}}
	c.Before, c.BeforeSensitive = object(before, sensitive)
	c.After, c.AfterSensitive = object(after, sensitive)
	if after.Exists() {
		c.AfterUnknown = objectUnknown(after)
	}
	if a == Replace {
		for _, name := range differs {
			c.ReplacePaths = append(c.ReplacePaths, []string{name})
		}
	}
	return c
}

func actions(a Action) []string {
	switch a {
	case Replace:
		return []string{"delete", "create"}
	case Refresh:
		return []string{"update"}
	case NoOp, Create, Update, Delete, Forget:
	}
	return []string{string(a)}
}

// moved is the action that leads from one object to another.
func moved(from, to Object) Action {
	switch {
	case from.Exists() && !to.Exists():
		return Delete
	case !from.Exists() && to.Exists():
		return Create
	case from.Equal(to):
		return NoOp
	}
	return Update
}

func (o Output) action() Action { return moved(o.Before, o.After) }

// outputChange shows the one attribute of an output's objects.
func outputChange(o Output) jsonChange {
	c := change(o.action(), o.Before, o.After, nil, nil)
	c.Before, c.After = member(c.Before), member(c.After)
	c.AfterUnknown = orFalse(member(c.AfterUnknown))
	c.BeforeSensitive = orFalse(member(c.BeforeSensitive))
	c.AfterSensitive = orFalse(member(c.AfterSensitive))
	return c
}

func member(v any) any {
	m, _ := v.(map[string]any)
	return m["value"]
}

func orFalse(v any) any {
	if v == nil {
		return false
	}
	return v
}
