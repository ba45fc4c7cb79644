package cli

import (
	"encoding/json"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Where the parts of a spec's bundle stand in a saved plan. Names that begin with
// kplan/ are those of modules that are part of the program, none of which is called
// as what is put there beside them.
const (
	specPlace  = "spec/"  // sources, by their names
	filesPlace = "files/" // files that functions read, by their names
	ownName    = "./kplan/"
	ownPlace   = "kplan/.local/" // names that begin with ownName
	restPlace  = "files/kplan/.bundle.json"
)

// rest is what a bundle holds that has no place of its own in a saved plan:
// where sensitive literals were cut out of the sources, and the names that
// functions listed.
type rest struct {
	Cuts   []dsl.Cut           `json:"cuts,omitempty"`
	Listed map[string][]string `json:"listed,omitempty"`
}

// pack puts a bundle and the state that the plan was made from into what
// stands in a saved plan.
func pack(b *dsl.Bundle, in engine.PlanInput, o planOptions) (*plans.File, error) {
	f := &plans.File{Sources: map[string][]byte{}, Meta: plans.Meta{
		Version: Version, Variables: map[string]cty.Value{}, Secrets: b.Digests, Options: o.saved(),
	}}
	for name, src := range b.Sources {
		f.Sources[specPlace+packed(name)] = src
	}
	for name, content := range b.Files {
		f.Sources[filesPlace+packed(name)] = content
	}
	for name, doc := range b.Variables {
		v, err := ctyjson.Unmarshal(doc, cty.DynamicPseudoType)
		if err != nil {
			return nil, err
		}
		f.Meta.Variables[name] = v
	}
	var err error
	if len(b.Cuts) > 0 || len(b.Listed) > 0 {
		if f.Sources[restPlace], err = json.Marshal(rest{b.Cuts, b.Listed}); err != nil {
			return nil, err
		}
	}
	f.State, err = state.Encode(in.State, Version)
	return f, err
}

func packed(name string) string {
	if own, ok := strings.CutPrefix(name, ownName); ok {
		return ownPlace + own
	}
	return name
}

// unpack is the bundle and the state in a saved plan.
func unpack(f *plans.File) (*dsl.Bundle, *state.Snapshot, error) {
	b := &dsl.Bundle{
		Sources: map[string][]byte{}, Files: map[string][]byte{},
		Variables: map[string]json.RawMessage{}, Digests: f.Meta.Secrets,
	}
	for name, v := range f.Meta.Variables {
		doc, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
		if err != nil {
			return nil, nil, err
		}
		b.Variables[name] = doc
	}
	for name, content := range f.Sources {
		if name == restPlace {
			var r rest
			if err := json.Unmarshal(content, &r); err != nil {
				return nil, nil, err
			}
			b.Cuts, b.Listed = r.Cuts, r.Listed
			continue
		}
		to, place := b.Sources, specPlace
		if strings.HasPrefix(name, filesPlace) {
			to, place = b.Files, filesPlace
		}
		name = strings.TrimPrefix(name, place)
		if own, ok := strings.CutPrefix(name, ownPlace); ok {
			name = ownName + own
		}
		to[name] = content
	}
	snap, err := state.Decode("the state in the plan", f.State)
	return b, snap, err
}

// saved is the options that a plan keeps.
func (o planOptions) saved() map[string][]string {
	out := map[string][]string{}
	for name, list := range map[string]*[]string{"target": o.targets, "exclude": o.excludes, "replace": o.replaces} {
		if list != nil && len(*list) > 0 {
			out[name] = *list
		}
	}
	return out
}

// restored are the options that a saved plan kept.
func restored(kept map[string][]string) planOptions {
	list := func(name string) *[]string {
		l := kept[name]
		return &l
	}
	return planOptions{choice: choice{targets: list("target"), excludes: list("exclude"), replaces: list("replace")}}
}
