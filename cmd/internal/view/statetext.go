package view

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// Addresses are the addresses of a state, sorted by host.
func Addresses(s *state.Snapshot) []addr.Instance {
	all := make([]addr.Instance, 0, len(s.Objects))
	for a := range s.Objects {
		all = append(all, a)
	}
	slices.SortFunc(all, addr.Compare)
	return all
}

// StateList writes the addresses of a state that are wanted, one a line.
func (v *View) StateList(s *state.Snapshot, want func(addr.Instance) bool) {
	p := newPage(v.out)
	for _, a := range Addresses(s) {
		if want(a) {
			p.say(plain, a.String())
		}
	}
	v.print(p)
}

// StateShow writes the recorded objects that are wanted, attribute by
// attribute, and says whether there were any.
func (v *View) StateShow(s *state.Snapshot, want func(addr.Instance) bool) bool {
	p := newPage(v.out)
	found := false
	for _, a := range Addresses(s) {
		if !want(a) {
			continue
		}
		if found {
			p.end()
		}
		found = true
		recorded(p, a, s.Objects[a])
	}
	v.print(p)
	return found
}

func recorded(p *page, a addr.Instance, o state.Object) {
	p.say(bold, "# "+a.String()+":")
	if o.Origin == string(plans.Adopted) {
		p.say(dim, "# (adopted: it was there before kplan; removing it from the spec leaves it)")
	}
	for _, d := range o.Debts {
		p.say(yellow, "# (a refresh is owed since run "+d.Run+", because "+d.Cause+" changed)")
	}
	p.say(plain, "resource "+quote(a.Type)+" "+quote(a.Name)+" {")
	obj := plans.Object{Value: valueOfRecord(o), Secrets: o.Secrets}
	all := names(obj)
	pad := 0
	for _, n := range all {
		pad = max(pad, width0(n))
	}
	for _, n := range all {
		attribute{name: n, label: n, sensitive: secret(obj, obj, n)}.show(p, 2, pad, obj, obj)
	}
	p.say(plain, "}")
}

func valueOfRecord(o state.Object) cty.Value {
	if o.Attrs.Value == cty.NilVal {
		return cty.EmptyObjectVal
	}
	return o.Attrs.Value
}

// History writes the generations of a state, newest first.
func (v *View) History(rows []Generation) {
	var cells [][]string
	for _, g := range rows {
		ended := ""
		if !g.Ended.IsZero() {
			ended = g.Ended.UTC().Format(time.RFC3339)
		}
		mark := ""
		if g.Current {
			mark = "current"
		}
		cells = append(cells, []string{
			number(g.Serial), number(int64(g.Objects)), ended, g.Run, g.Digest, mark,
		})
	}
	v.Table([]string{"SERIAL", "OBJECTS", "ENDED", "RUN", "PLAN", ""}, cells)
}

// Generation is one row of a state's history.
type Generation struct {
	Serial  int64
	Objects int
	Ended   time.Time
	Run     string
	Digest  string
	Current bool
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// StateJSON writes a state in the shape of `terraform show -json`.
func (v *View) StateJSON(s *state.Snapshot, version string) {
	doc := message{"format_version": "1.0", "kplan_version": version}
	if s.Lineage != "" {
		doc["values"] = message{"outputs": stateOutputs(s), "root_module": modulesJSON(s)}
		doc["state"] = message{"lineage": s.Lineage, "serial": s.Serial}
	}
	v.JSON(marshal(doc))
}

func stateOutputs(s *state.Snapshot) message {
	all := map[string]cty.Value{}
	for name, o := range s.Outputs {
		all[name] = o.Value
	}
	return outputsJSON(all)
}

// modulesJSON is the recorded objects: those of the root, and one child for
// each module instance that has any.
func modulesJSON(s *state.Snapshot) message {
	byModule := map[addr.Module][]message{}
	var order []addr.Module
	for _, a := range Addresses(s) {
		if _, ok := byModule[a.Module]; !ok && a.Module != "" {
			order = append(order, a.Module)
		}
		byModule[a.Module] = append(byModule[a.Module], objectJSON(a, s.Objects[a]))
	}
	root := message{}
	if len(byModule[""]) > 0 {
		root["resources"] = byModule[""]
	}
	slices.Sort(order)
	var children []message
	for _, m := range order {
		children = append(children, message{"address": string(m), "resources": byModule[m]})
	}
	if len(children) > 0 {
		root["child_modules"] = children
	}
	return root
}

func objectJSON(a addr.Instance, o state.Object) message {
	m := message{
		"address": a.String(), "mode": "managed", "type": a.Type, "name": a.Name, "host": a.Host,
		"origin": o.Origin, "values": json.RawMessage("{}"),
	}
	if key := resource(a)["resource_key"]; key != nil {
		m["index"] = key
	}
	v := valueOfRecord(o)
	if b, err := ctyjson.Marshal(v, v.Type()); err == nil {
		m["values"] = json.RawMessage(b)
	}
	hidden := map[string]bool{}
	for name := range o.Secrets {
		hidden[name] = true
	}
	m["sensitive_values"] = hidden
	if len(o.Needs) > 0 {
		m["depends_on"] = o.Needs
	}
	return m
}
