package engine

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
)

// What a service tells of, such as the objects of a cluster, cannot be seen while
// the service does not answer. What would mend the service must be planned all
// the same: what is recorded of such objects is taken as what is there, and the
// plan says so. A step about one sees the object before it acts.

// takeRecorded takes the record for all that cannot be seen. A look at what
// changed leaves them out.
func (d *derivation) takeRecorded() {
	for i := range d.nodes {
		var silent *resource.NoAnswerError
		if d.in.Mode != plans.RefreshOnly {
			d.takeRecord(i)
		} else if errors.As(d.nodes[i].reading().err, &silent) {
			d.nodes[i].withheld = d.hider.hide(silent.Error())
		}
	}
}

// takeRecord takes what is recorded of node i as what was read, where that cannot
// be seen and the record tells.
func (d *derivation) takeRecord(i int) {
	n := &d.nodes[i]
	var silent *resource.NoAnswerError
	if !errors.As(n.reading().err, &silent) || n.typ.IsAct || d.untold(i) != "" {
		return
	}
	rec, _ := d.recorded(i)
	before := d.recordedAs(i, rec)
	if n.asked != cty.NilVal { // a reading gives back what was asked for
		attrs := before.Value.AsValueMap()
		for _, a := range n.typ.Schema.Attributes {
			if _, secret := before.Secrets[a.Name]; a.Asked && !secret && before.Value.Type().HasAttribute(a.Name) {
				attrs[a.Name] = n.asked.GetAttr(a.Name)
			}
		}
		before.Value = cty.ObjectVal(attrs)
	}
	n.showed = &reading{before: before, unseen: d.hider.hide(silent.Error())}
}

// untold says why what is recorded does not tell what node i is; "" where it does.
func (d *derivation) untold(i int) string {
	rec, _ := d.recorded(i)
	name := seenFrom(d.addr(i), d.addr(i).Host)
	switch known := recordedObject(rec); {
	case !known.Exists():
		return fmt.Sprintf("Nothing is recorded of %s.", name)
	case d.inst(i) != nil && !sameIdentity(d.nodes[i].typ, d.nodes[i].asked, known.Value):
		return fmt.Sprintf("What is recorded of %s has another identity.", name)
	}
	if cut, ok := d.in.State.Interrupted[d.addr(i)]; ok {
		return fmt.Sprintf("Run %s was cut off while it worked on %s.", cut.Run, name)
	}
	return ""
}

// unreadable is the error of node i, which could not be read.
func (d *derivation) unreadable(i int, err error) *hcl.Diagnostic {
	detail := d.hider.hide(explain(err))
	if silent := (*resource.NoAnswerError)(nil); errors.As(err, &silent) && !d.nodes[i].typ.IsAct {
		detail += fmt.Sprintf(" %s To go on without it, leave it out by --exclude '%s'.", d.untold(i), d.addr(i))
	}
	return problem{summary: "Cannot read " + d.addr(i).String(), detail: detail, at: blame(d.inst(i), err)}.diag()
}

// undeletable withholds leftover i, which would be deleted and cannot be seen. In
// a destroy nothing would mend what does not answer.
func (d *derivation) undeletable(i int, reason string) {
	if d.in.Mode != plans.Destroy {
		d.nodes[i].withheld = "it is to be deleted, and cannot be seen: " + reason
		return
	}
	d.diags = append(d.diags, problem{
		summary: "Cannot read " + d.addr(i).String(),
		detail:  fmt.Sprintf("%s To destroy the rest without it, let it go with\n\n    kplan state rm '%s'", sentence(reason), d.addr(i)),
	}.diag())
}

// unseen says, once for each host, of what the plan took the record. A saved plan
// has said it itself.
func (d *derivation) unseen() (warnings []string) {
	if d.met == nil {
		return nil
	}
	nodes := map[string][]int{}
	for i := range d.nodes {
		if c := d.nodes[i].change; c != nil && c.Unseen != "" && c.Action != plans.Forget {
			nodes[c.Addr.Host] = append(nodes[c.Addr.Host], i)
		}
	}
	for _, name := range d.met.order {
		if at := nodes[name]; len(at) > 0 {
			warnings = append(warnings, fmt.Sprintf("On host %s, %s. What is recorded of %s is taken as what is there.", name, d.nodes[at[0]].change.Unseen, d.list(at, name)))
		}
	}
	return warnings
}
