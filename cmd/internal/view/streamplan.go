package view

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/plans"
)

// Diagnostics writes errors and warnings.
func (s *Stream) Diagnostics(diags hcl.Diagnostics, sources Sources) {
	for _, d := range diags {
		level, text := "error", "Error: "+d.Summary
		if d.Severity == hcl.DiagWarning {
			level, text = "warn", "Warning: "+d.Summary
		}
		s.send(level, text, "diagnostic", message{"diagnostic": diagJSON(d, sources)})
	}
}

// Plan writes what a plan says: warnings, drift, changes, their sum and the
// outputs.
func (s *Stream) Plan(p *plans.Plan) {
	for _, w := range p.Warnings() {
		s.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: w}}, nil)
	}
	for _, d := range p.Drift() {
		action := "update"
		if !d.Actual.Exists() {
			action = "delete"
		}
		s.send("info", d.Addr.String()+": Drift detected ("+action+")", "resource_drift",
			message{"change": message{"resource": resource(d.Addr), "action": action}})
	}
	for _, c := range p.Changes() {
		if c.Step == 0 {
			continue
		}
		change := message{"resource": resource(c.Addr), "action": string(c.Action), "step": int(c.Step)}
		if c.Reason != "" {
			change["reason"] = c.Reason
		}
		s.send("info", c.Addr.String()+": Plan to "+string(c.Action), "planned_change", message{"change": change})
	}
	sum := p.Summary()
	operation := "plan"
	if p.Mode() == plans.Destroy {
		operation = "destroy"
	}
	page := newPage(look{unicode: true})
	summary(page, p)
	text, _, _ := strings.Cut(page.String(), "\n")
	s.send("info", text, "change_summary", message{
		"digest": p.Digest(), "withheld": len(p.Withheld()),
		"changes": message{
			"add": sum.Add, "change": sum.Change, "import": 0, "remove": sum.Destroy, "forget": sum.Forget,
			"conditional": sum.Conditional, "operation": operation,
		},
	})
}

// Outputs writes the values of the outputs.
func (s *Stream) Outputs(outputs map[string]cty.Value) {
	s.send("info", "Outputs: "+count(len(outputs), "value"), "outputs", message{"outputs": outputsJSON(outputs)})
}

// outputsJSON is outputs in Terraform's shape. None of them is sensitive: those
// are recorded nowhere.
func outputsJSON(outputs map[string]cty.Value) message {
	all := message{}
	for name, v := range outputs {
		o := message{"sensitive": false}
		if t, err := ctyjson.MarshalType(v.Type()); err == nil {
			o["type"] = json.RawMessage(t)
		}
		if b, err := ctyjson.Marshal(v, v.Type()); err == nil && v.IsWhollyKnown() {
			o["value"] = json.RawMessage(b)
		}
		all[name] = o
	}
	return all
}
