package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Outputs writes the outputs of the last apply to standard output.
func (v *View) Outputs(outputs map[string]cty.Value) {
	p := newPage(v.out)
	pad := 0
	for name := range outputs {
		pad = max(pad, width0(name))
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		// Two columns to the left, where a plan has its signs.
		q := newPage(v.out)
		leaf{indent: 0, label: name, pad: pad}.whole(q, signNone, outputs[name], "")
		for l := range strings.SplitSeq(strings.TrimSuffix(q.String(), "\n"), "\n") {
			p.out.WriteString(strings.TrimPrefix(l, "  ") + "\n")
		}
	}
	v.print(p)
}

// Output writes the value of one output: as HCL, or, raw, a string as it is,
// with no line break behind it.
func (v *View) Output(value cty.Value, raw bool) {
	if raw && !value.IsNull() && value.IsKnown() && value.Type().IsPrimitiveType() {
		s := inline(value)
		if value.Type() == cty.String {
			s = value.AsString()
		}
		if terminal(v.stdout) {
			v.Result(s)
		} else {
			v.write([]byte(s))
		}
		return
	}
	p := newPage(v.out)
	leaf{}.whole(p, signNone, value, "")
	q := newPage(v.out)
	q.out.WriteString(strings.ReplaceAll("\n"+p.String(), "\n  ", "\n")[1:])
	v.print(q)
}

// OutputsJSON writes the outputs in the shape of `terraform output -json`.
func (v *View) OutputsJSON(outputs map[string]cty.Value) {
	v.JSON(marshal(outputsJSON(outputs)))
}

// OutputJSON writes the value of one output.
func (v *View) OutputJSON(name string, value cty.Value) {
	v.JSON(marshal(outputsJSON(map[string]cty.Value{name: value})[name].(message)["value"]))
}
