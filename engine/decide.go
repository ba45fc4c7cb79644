package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// decide evaluates instance i over the planned values of what it depends on,
// and says what is to be done about it.
func (d *derivation) decide(i int) {
	in, t := d.insts[i], d.nodes[i].typ
	want := d.nodes[i].want
	if want == cty.NilVal || !known(t, want) {
		if failed := d.evaluate(i); failed {
			return
		}
	}
	plain := d.nodes[i].plain
	if err := t.Validate(plain); err != nil {
		d.diags = append(d.diags, d.unsuitable(i, err))
		return
	}
	d.diags = append(d.diags, in.Preconditions(scope{d, d.values, true})...)
	r := d.nodes[i].reading()
	if r.err != nil {
		d.diags = append(d.diags, d.unreadable(i, r.err))
		return
	}
	c := &plans.Change{Addr: in.Addr, Before: r.before, Sensitive: d.nodes[i].secrets, Verdict: string(r.verdict), Unseen: r.unseen}
	rec, isRecorded := d.recorded(i)
	c.Recorded = d.recordedAs(i, rec)
	c.After = d.object(i, d.ignored(i, plain, r.before), d.nodes[i].secrets)
	if t.IsAct {
		d.decideAct(i, c, plain, rec, isRecorded)
	} else {
		d.decideThing(i, c, rec, isRecorded)
	}
	if d.nodes[i].withheld != "" {
		return
	}
	d.refreshes(i, c)
	if reason := d.prevented(i, c); reason != "" {
		d.diags = append(d.diags, problem{summary: "Object must not be destroyed", detail: reason, at: blame(in, nil)}.diag())
	}
	if c.Action == plans.Update || c.Action == plans.Refresh {
		c.After = d.steady(i, c)
	}
	c.Origin = d.origin(i, c, rec, isRecorded)
	if c.Action == plans.NoOp && !t.IsAct {
		c.After = c.Before
	}
	if !d.route(i, c) {
		return
	}
	c.After = d.likeFellows(i, c)
	d.nodes[i].change = c
	if in.Block.Lifecycle.Postconditions > 0 {
		d.diags = append(d.diags, in.Postconditions(scope{d, d.values, true}, d.seen(i))...)
	}
}

// steady is what an update or a refresh leaves, with what it cannot change as it was.
func (d *derivation) steady(i int, c *plans.Change) plans.Object {
	after := c.After
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if a.Stable && after.Open(a.Name) && c.Before.Exists() && c.Before.Value.Type().HasAttribute(a.Name) {
			attrs := after.Value.AsValueMap()
			attrs[a.Name] = c.Before.Value.GetAttr(a.Name)
			after.Value = cty.ObjectVal(attrs)
		}
	}
	return after
}

// evaluate fills wants and secrets of instance i; it reports whether that
// failed.
func (d *derivation) evaluate(i int) (failed bool) {
	want, diags := d.insts[i].Evaluate(scope{d, d.values, true})
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return true
	}
	d.want(i, want)
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if a.Mode == schema.ID && !want.GetAttr(a.Name).IsWhollyKnown() && !d.in.Offline {
			d.diags = append(d.diags, d.openID(d.insts[i], a.Name))
			return true
		}
	}
	return false
}

// ignored is want with the attributes of ignore_changes as they are.
func (d *derivation) ignored(i int, want cty.Value, before plans.Object) cty.Value {
	if !before.Exists() {
		return want
	}
	return d.unasked(i, want)
}

// asFound is want with the attributes of ignore_changes as they are in before.
func (d *derivation) asFound(i int, want cty.Value, before plans.Object) cty.Value {
	names := d.insts[i].Block.Lifecycle.IgnoreChanges
	if len(names) == 0 || !before.Exists() {
		return want
	}
	attrs := want.AsValueMap()
	for _, name := range names {
		if !before.Value.Type().HasAttribute(name) { // an earlier version did not record it
			continue
		}
		_, marks := attrs[name].Unmark()
		attrs[name] = before.Value.GetAttr(name).WithMarks(marks)
	}
	return cty.ObjectVal(attrs)
}

// unasked is want without the attributes of ignore_changes.
func (d *derivation) unasked(i int, want cty.Value) cty.Value {
	names := d.insts[i].Block.Lifecycle.IgnoreChanges
	if len(names) == 0 {
		return want
	}
	attrs := want.AsValueMap()
	for _, name := range names {
		attrs[name] = cty.NullVal(attrs[name].Type())
	}
	return cty.ObjectVal(attrs)
}

func (d *derivation) decideThing(i int, c *plans.Change, rec state.Object, recorded bool) {
	r := d.nodes[i].reading()
	c.Differs = nil
	switch {
	case d.moves(i, c, rec, recorded):
		c.Action, c.Before, c.Standing, c.Moved = plans.Replace, r.old, r.before, true
		c.Differs = plans.Differ(r.old, c.After)
		c.Reason = "its identity changes"
	case !c.Before.Exists():
		c.Action = plans.Create
	case d.forced(i):
		c.Action, c.Reason = plans.Replace, "asked for"
	default:
		c.Differs = d.differs(i, c)
		c.Action = plans.Update
		if len(c.Differs) == 0 {
			c.Action = plans.NoOp
		}
	}
	if c.Action == plans.NoOp || c.Action == plans.Update {
		if cause := d.changed(d.insts[i].Triggers); len(cause) > 0 {
			c.Action, c.Reason = plans.Replace, fmt.Sprintf("%s changes", seenFrom(d.addr(cause[0]), c.Addr.Host))
		}
	}
	if c.Action == plans.Replace && !d.nodes[i].typ.CanDelete() {
		d.renew(i, c)
	}
}

// renewed reports whether the type of instance i cannot delete and a replacement
// is due all the same.
func (d *derivation) renewed(i int) bool {
	return !d.nodes[i].typ.CanDelete() && (d.forced(i) || len(d.changed(d.insts[i].Triggers)) > 0)
}

// renew is what a replacement comes to where the type cannot delete: an update
// where something differs, and else a refresh.
func (d *derivation) renew(i int, c *plans.Change) {
	t := d.nodes[i].typ
	c.Differs = d.differs(i, c)
	switch {
	case t.RefreshWord() != "" && len(c.Differs) == 0:
		c.Action = plans.Refresh
		c.Reason = fmt.Sprintf("%s, as %s", t.RefreshWord(), c.Reason)
	case len(c.Differs) > 0:
		c.Action = plans.Update
	default:
		d.diags = append(d.diags, problem{
			summary: "Cannot be replaced",
			detail:  fmt.Sprintf("A replacement of %s is due (%s), but objects of the type %s are neither deleted nor refreshed. Leave the replacement out.", c.Addr, c.Reason, t.Name),
			at:      blame(d.insts[i], nil),
		}.diag())
	}
}

// moves reports whether the object stands at the identity that is recorded, is
// kplan's to delete there and can be. Where it cannot, c says why it is left.
func (d *derivation) moves(i int, c *plans.Change, rec state.Object, recorded bool) bool {
	r, t := d.nodes[i].reading(), d.nodes[i].typ
	c.Left = r.left
	if !r.old.Exists() || !recorded {
		return false
	}
	if rec.Origin != string(plans.Created) {
		c.Left = "it was there before kplan came"
	} else if !t.CanDelete() {
		c.Left = "objects of this type are left as they are"
	} else if heir, ok := d.claimant(i); ok {
		c.Left = fmt.Sprintf("%s manages it now", seenFrom(d.addr(heir), c.Addr.Host))
		if !d.selected(heir) || d.nodes[heir].withheld != "" { // it would be nobody's
			d.nodes[i].withheld = fmt.Sprintf("%s manages now what it was, and is not in this plan", seenFrom(d.addr(heir), c.Addr.Host))
		}
	} else if r.rawOld != cty.NilVal {
		c.Left = t.Keeps(r.rawOld, d.outlook(i, nil))
	}
	return c.Left == ""
}

// differs names what after asks for and before is not. What the type computes
// is open only while something else changes.
func (d *derivation) differs(i int, c *plans.Change) []string {
	names := plans.Differ(c.Before, c.After)
	return slices.DeleteFunc(names, func(name string) bool {
		a, ok := d.nodes[i].typ.Schema.Lookup(name)
		return ok && a.Mode == schema.Computed
	})
}

func (d *derivation) decideAct(i int, c *plans.Change, want cty.Value, rec state.Object, recorded bool) {
	t := d.nodes[i].typ
	c.Before = c.Recorded
	c.InputDigest = inputDigest(d.in.Key, t, want)
	fresh := !recorded || rec.InputDigest == "" || rec.InputDigest != c.InputDigest
	verdict := d.nodes[i].reading().verdict
	due := fresh
	switch {
	case verdict == resource.DueNow || d.forced(i):
		due = true
	case verdict == resource.DoneBefore && !recorded:
		due = false
	case verdict == resource.DueAfter:
		due = d.stirred(i, c)
	}
	if !due {
		c.Action = plans.NoOp
		return
	}
	c.Action = plans.Update
	if !c.Before.Exists() {
		c.Action = plans.Create
		return
	}
	c.Differs = plans.Differ(c.Before, c.After)
	if verdict == resource.DueNow && len(c.Differs) == 0 {
		c.Reason = "what it makes is missing"
		if t.Restarts {
			c.Reason = "the machine asks for it"
		}
	}
}

// refreshes turns what is right already into a refresh where something that it
// watches changes, or where an earlier run owes it one.
func (d *derivation) refreshes(i int, c *plans.Change) {
	word := d.nodes[i].typ.RefreshWord()
	if word == "" || c.Action != plans.NoOp {
		return
	}
	if debts := d.in.State.Debts(c.Addr); len(debts) > 0 {
		c.Action = plans.Refresh
		c.Reason = fmt.Sprintf("%s, owed since run %s (%s changed)", word, debts[0].Run, debts[0].Cause)
		return
	}
	if run, cause := d.cutOff(i); cause != "" {
		c.Action = plans.Refresh
		c.Reason = fmt.Sprintf("%s, owed since run %s (it was cut off while it changed %s)", word, run, cause)
		return
	}
	if cause := d.causes(i); len(cause) > 0 {
		c.Action = plans.Refresh
		c.Reason = fmt.Sprintf("%s, because of %s", word, d.list(cause, c.Addr.Host))
	}
}

// cutOff finds a step on what instance i watches in which a run was cut off: it
// may have changed its object without a word.
func (d *derivation) cutOff(i int) (run, cause string) {
	watched := d.leftBehind(i)
	for _, n := range d.insts[i].OnChange {
		watched = append(watched, d.match(n)...)
	}
	for _, j := range watched {
		if intent, ok := d.in.State.Interrupted[d.addr(j)]; ok {
			return intent.Run, d.addr(j).String()
		}
	}
	return "", ""
}

// changed are the nodes that needs name and this plan creates, updates or
// replaces.
func (d *derivation) changed(needs []dsl.Need) []int {
	var nodes []int
	for _, n := range needs {
		for _, j := range d.match(n) {
			c := d.nodes[j].change
			if c != nil && (c.Action == plans.Create || c.Action == plans.Update || c.Action == plans.Replace) {
				nodes = append(nodes, j)
			}
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// match are the instances that answer to a need.
func (d *derivation) match(n dsl.Need) []int {
	if d.byResource == nil {
		d.byResource = map[needKey][]int{}
		for i, in := range d.insts {
			for _, host := range []string{"", in.Addr.Host} {
				k := needKey{in.Addr.Resource, host}
				d.byResource[k] = append(d.byResource[k], i)
			}
		}
	}
	nodes := d.byResource[needKey{n.Resource, n.Host}]
	if n.Key == nil {
		return nodes
	}
	var out []int
	for _, i := range nodes {
		if d.insts[i].Addr.Key == *n.Key {
			out = append(out, i)
		}
	}
	return out
}

// list names nodes, as seen from host: one that is on it without its host, so
// that what is the same on many hosts reads the same.
func (d *derivation) list(nodes []int, host string) string {
	const most = 3
	var names []string
	for _, i := range nodes[:min(len(nodes), most)] {
		names = append(names, seenFrom(d.addr(i), host))
	}
	s := strings.Join(names, ", ")
	if len(nodes) > most {
		s += fmt.Sprintf(" and %d more", len(nodes)-most)
	}
	return s
}

func seenFrom(a addr.Instance, host string) string {
	if a.Host == host {
		return a.Resource.String() + a.Key.String()
	}
	return a.String()
}

// prevented says why a change must not be made; "" where it may.
func (d *derivation) prevented(i int, c *plans.Change) string {
	if !c.Action.Strict() || !d.insts[i].Block.Lifecycle.PreventDestroy {
		return ""
	}
	return fmt.Sprintf("The plan would destroy %s, and its lifecycle says prevent_destroy = true. Remove that argument, or what causes the replacement (%s).", c.Addr, c.Reason)
}

// origin says whether kplan made what the change leaves: what stood there
// before kplan came is not kplan's to delete.
func (d *derivation) origin(i int, c *plans.Change, rec state.Object, recorded bool) plans.Origin {
	t := d.nodes[i].typ
	stood := c.Before
	if c.Moved {
		stood = c.Standing
	}
	made := func(is bool) plans.Origin {
		if is {
			return plans.Created
		}
		return plans.Adopted
	}
	known := recordedObject(rec)
	switch {
	case recorded && known.Exists() && !t.IsAct && !sameIdentity(t, d.nodes[i].plain, known.Value):
		return made(!stood.Exists() || d.madeByCut(c.Addr) || d.inherited(i)) // another object than the one recorded
	case recorded && rec.Origin != "":
		return plans.Origin(rec.Origin)
	case !stood.Exists():
		return plans.Created
	}
	return made(d.madeByCut(c.Addr) || d.inherited(i))
}

// madeByCut reports whether a run that was cut off may have made what stands at
// an address.
func (d *derivation) madeByCut(a addr.Instance) bool {
	cut, ok := d.in.State.Interrupted[a]
	return ok && cut.First == "" && cut.Action != string(plans.Refresh)
}

// goneAlready is why a leftover that is not there any more is forgotten.
const goneAlready = "it is gone already"

// decideLeftover says what becomes of a recorded object that the spec does not
// name any more.
func (d *derivation) decideLeftover(i int) {
	a, t := d.addr(i), d.nodes[i].typ
	rec, _ := d.recorded(i)
	if t == nil {
		d.diags = append(d.diags, problem{summary: "Unknown resource type", detail: fmt.Sprintf(
			"The state holds %s, whose type this version of kplan does not know. Use the version that recorded it, or let it go with\n\n    kplan state rm '%s'", a, a)}.diag())
		return
	}
	r := d.nodes[i].reading()
	if r.err != nil {
		d.diags = append(d.diags, d.unreadable(i, r.err))
		return
	}
	heir, claimed := d.claimant(i)
	if claimed && d.nodes[heir].change == nil { // it would be nobody's
		if reason := d.nodes[heir].withheld; reason != "" {
			d.nodes[i].withheld = fmt.Sprintf("%s manages it now, and is withheld", seenFrom(d.addr(heir), a.Host))
		}
		return
	}
	c := &plans.Change{Addr: a, Recorded: d.recordedAs(i, rec), Before: r.before, Sensitive: d.nodes[i].secrets, Origin: plans.Origin(rec.Origin), Unseen: r.unseen}
	c.Action = plans.Forget
	prevent, keep := rec.PreventDestroy, rec.KeepOnDestroy
	if in, ok := d.expanded.Lookup(a); ok { // destroying what the spec still has
		l := in.Block.Lifecycle
		prevent, keep = l.PreventDestroy, l.Destroy != nil && !*l.Destroy
	}
	letGo := d.letGo[a.Host]
	switch {
	case t.IsAct:
		c.Before, c.Reason = c.Recorded, "what it did stays"
	case claimed:
		c.Reason = fmt.Sprintf("%s manages it now", seenFrom(d.addr(heir), a.Host))
	case letGo:
		c.Reason = letGoOnly
		if t.CanRelease() && c.Before.Exists() && rec.Origin == string(plans.Created) && !keep && !d.leftAlone(i) {
			c.Action, c.Reason = plans.Delete, letGoElsewhere
		}
	case !c.Before.Exists():
		c.Before, c.Reason = c.Recorded, goneAlready
	case rec.Origin == string(plans.Adopted):
		c.Reason = "it was there before kplan came"
	case keep:
		c.Reason = "its lifecycle says destroy = false"
	case d.leftAlone(i):
		c.Reason = "a removed block says destroy = false"
	case !t.CanDelete():
		c.Reason = "objects of this type are left as they are"
	case r.kept != "":
		c.Reason = r.kept
	default:
		c.Action = plans.Delete
	}
	if c.Action == plans.Delete && prevent && !letGo {
		d.diags = append(d.diags, problem{summary: "Object must not be destroyed", detail: fmt.Sprintf(
			"The plan would delete %s, whose lifecycle says, or said when it was recorded, prevent_destroy = true. Set it to false and apply, and then destroy or remove it.", a)}.diag())
		return
	}
	if c.Action == plans.Delete && r.unseen != "" {
		d.undeletable(i, r.unseen)
		return
	}
	if c.Action == plans.Delete && !d.route(i, c) {
		return
	}
	d.nodes[i].change = c
	if letGo && c.Action == plans.Delete && d.at(i) == "" { // nobody is left to whom it was something
		c.Action, c.Reason, d.nodes[i].via = plans.Forget, letGoTogether, resource.Via{}
	}
}
