package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/engine/internal/graph"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

// derivation is the way from instances to steps. It does no I/O: what was read
// is put into readings and facts before compile, so that the same inputs give
// the same plan, from machines as from a saved plan.
type derivation struct {
	engine   *Engine
	in       PlanInput
	base     plans.Base
	expanded *dsl.Expansion
	insts    []*dsl.Instance
	left     []graph.Leftover
	graph    *graph.Graph
	nodes    []node                // of instances and leftovers, in that order
	index    map[addr.Instance]int // where they are in nodes
	types    map[string]*resource.Type
	letGo    map[string]bool      // hosts whose machines are not contacted any more
	leaves   []target             // what removed blocks leave as it is
	facts    map[string]cty.Value // by host; none where it was not read
	values   []cty.Value          // by node: what other instances see
	diags    hcl.Diagnostics

	byResource map[needKey][]int // instances; filled by match
	hider      *hider
	owners     map[claim]int          // what each instance claims
	created    map[claim]bool         // what leftovers claim that kplan created; filled by inherited
	chosen     []bool                 // by node, where targets or excludes limit the plan
	met        *fleet                 // the machines that were looked at; nil offline and for a saved plan
	reachable  func(host string) bool // when the plan was made; nil offline
}

// node is one instance or leftover, filled phase by phase.
type node struct {
	typ      *resource.Type // nil where this kplan has no such type
	withheld string         // why it cannot be planned; "" where it can

	// preview, and decide where something was still open
	want    cty.Value // with marks; of a leftover what is recorded
	plain   cty.Value // want without marks
	secrets []string  // attributes that must not be shown
	asked   cty.Value // what it is read as

	showed *reading           // readAll, assume, or a saved plan; nil where nothing was read
	found  []resource.Finding // readAll
	change *plans.Change      // decide; nil where withheld
	via    resource.Via       // decide, decideLeftover
}

// reading is what the machine showed; empty where it was not read.
func (n *node) reading() reading {
	if n.showed == nil {
		return reading{}
	}
	return *n.showed
}

// acts reports whether the plan does something on the machine for the node.
func (n *node) acts() bool {
	return n.change != nil && n.change.Action != plans.NoOp && n.change.Action != plans.Forget
}

// needKey is a resource on one host, or with host "" on all.
type needKey struct {
	res  addr.Resource
	host string
}

// claim is a thing on a host that one resource may own.
type claim struct{ host, what string }

// reading is what the machine showed of one node.
type reading struct {
	before  plans.Object // at the wanted identity
	old     plans.Object // at the recorded identity, where that is another
	drift   *plans.Object
	raw     cty.Value // before and old in clear; they stay in memory
	rawOld  cty.Value
	verdict resource.Verdict
	kept    string // of a leftover, in a saved plan: why it is not deleted
	left    string // of an instance, in a saved plan: why its old object is not
	unseen  string // why before is what is recorded; "" where it was read
	err     error
}

// newDerivation expands the spec, finds what is left over in the state and
// orders all of it.
func (e *Engine) newDerivation(in PlanInput) (*derivation, hcl.Diagnostics) {
	d := &derivation{
		engine: e, in: in,
		base:  plans.Base{Lineage: in.State.Lineage, Serial: in.State.Serial},
		index: map[addr.Instance]int{},
		facts: map[string]cty.Value{},
		types: map[string]*resource.Type{},
		hider: &hider{},
	}
	var diags hcl.Diagnostics
	d.expanded, diags = in.Spec.Expand()
	diags = append(append(diags, unsupported(d.expanded)...), d.removed()...)
	if diags.HasErrors() {
		return nil, diags
	}
	if in.Mode != plans.Destroy {
		d.insts = d.expanded.Instances
	}
	for i, inst := range d.insts {
		d.index[inst.Addr] = i
	}
	for _, a := range sortedAddrs(in.State) {
		if _, ok := d.index[a]; ok {
			continue
		}
		d.index[a] = len(d.insts) + len(d.left)
		d.left = append(d.left, graph.Leftover{Addr: a, Needs: in.State.Objects[a].Needs, LetGo: d.letGo[a.Host]})
	}
	var err error
	d.graph, err = graph.Build(d.insts, d.left, func(a addr.Instance) []string { return in.State.Objects[a].Needs }, d.oneByOne)
	if err != nil {
		return nil, append(diags, d.cycle(err))
	}
	for _, secret := range in.Spec.Secrets() {
		d.hider.add(cty.StringVal(secret))
	}
	n := len(d.insts) + len(d.left)
	d.nodes = make([]node, n)
	d.values = make([]cty.Value, n)
	for i := range n {
		d.nodes[i].typ = d.typeOf(d.addr(i).Resource)
	}
	return d, append(append(diags, d.selfRestarts()...), d.stranded()...)
}

// selfRestarts refuses to restart the machine that kplan runs on: the run would
// end with it.
func (d *derivation) selfRestarts() (diags hcl.Diagnostics) {
	here := ""
	for _, h := range d.in.Spec.Hosts() {
		if h.Connection.Local {
			here = h.Name
		}
	}
	for i, in := range d.insts {
		if t := d.nodes[i].typ; in.Addr.Host == here && t != nil && t.Restarts {
			diags = append(diags, problem{
				summary: "Restart of this machine",
				detail:  fmt.Sprintf("%s would restart the machine that kplan runs on, and end the run with it. Take host %s out of on, or run kplan elsewhere.", in.Addr, here),
				at:      blame(in, nil),
			}.diag())
		}
	}
	return diags
}

// typeOf is the type of a resource; nil where this kplan has none of its name.
func (d *derivation) typeOf(r addr.Resource) *resource.Type {
	t, seen := d.types[r.Type]
	if !seen {
		t, _ = d.engine.Types(r.Type)
		d.types[r.Type] = t
	}
	return t
}

// unsupported refuses what this version reads and does not act on.
func unsupported(x *dsl.Expansion) (diags hcl.Diagnostics) {
	blocks := map[*dsl.Resource]bool{}
	for _, in := range x.Instances {
		if in.Block.BecomeUser != "" && !blocks[in.Block] {
			blocks[in.Block] = true
			at := in.Block.DeclRange
			diags = append(diags, problem{
				summary: "Not supported by this version",
				detail:  "This version of kplan does not act on become_user in a resource yet. Say it in the connection block; exec takes the argument user.",
				at:      &at,
			}.diag())
		}
	}
	return diags
}

// addr is the address of node i.
func (d *derivation) addr(i int) addr.Instance {
	if i < len(d.insts) {
		return d.insts[i].Addr
	}
	return d.left[i-len(d.insts)].Addr
}

// inst is the instance of node i; nil for a leftover.
func (d *derivation) inst(i int) *dsl.Instance {
	if i < len(d.insts) {
		return d.insts[i]
	}
	return nil
}

func (d *derivation) recorded(i int) (state.Object, bool) {
	o, ok := d.in.State.Objects[d.addr(i)]
	return o, ok
}

func (d *derivation) cycle(err error) *hcl.Diagnostic {
	var c *graph.CycleError
	if !errors.As(err, &c) {
		return problem{summary: "Cannot order the spec", detail: sentence(err.Error())}.diag()
	}
	var b strings.Builder
	b.WriteString("These wait for each other:\n")
	for _, e := range c.Edges {
		fmt.Fprintf(&b, "\n    %s waits for %s", d.insts[e.From].Addr, d.insts[e.To].Addr)
		if r := e.Need.Range; r.Filename != "" {
			fmt.Fprintf(&b, " (%s)", r)
		} else {
			fmt.Fprintf(&b, " (%s comes one host after the other)", d.insts[e.From].Addr.Resource)
		}
	}
	b.WriteString("\n\nRemove one of these references.")
	at := c.Edges[slices.IndexFunc(c.Edges, func(e graph.Edge) bool { return e.Need.Range.Filename != "" })].Need.Range
	return problem{summary: "Dependency cycle", detail: b.String(), at: &at}.diag()
}

// scope shows the values of nodes to expressions.
type scope struct {
	d      *derivation
	values []cty.Value // by node; made when they are asked for
	keep   bool        // one goroutine alone uses the scope: what was made is kept
}

// Facts implements dsl.Scope.
func (s scope) Facts(host string) cty.Value {
	if v, ok := s.d.facts[host]; ok {
		return v
	}
	return cty.DynamicVal
}

// Object implements dsl.Scope.
func (s scope) Object(a addr.Instance) (cty.Value, bool) {
	i, ok := s.d.index[a]
	if !ok {
		return cty.NilVal, false
	}
	v := s.values[i]
	if v == cty.NilVal {
		if v = s.d.seen(i); s.keep {
			s.values[i] = v
		}
	}
	return v, v != cty.NilVal
}

// preview evaluates every instance before anything of its objects was read,
// which gives their identities; what depends on a reading stays unknown.
func (d *derivation) preview() {
	sc := scope{d, make([]cty.Value, len(d.values)), true}
	for _, i := range d.graph.Order {
		if i >= d.graph.Instances || d.nodes[i].typ == nil {
			continue
		}
		want, diags := d.insts[i].Evaluate(sc)
		d.diags = append(d.diags, diags...)
		if diags.HasErrors() {
			d.nodes[i].withheld = "its arguments are in error"
			continue
		}
		d.want(i, want)
		d.nodes[i].asked = d.ask(i)
	}
	for i := d.graph.Instances; i < d.graph.Leftovers; i++ {
		if rec, ok := d.recorded(i); ok && d.nodes[i].typ != nil {
			d.nodes[i].secrets = union(secretNames(d.nodes[i].typ, cty.NilVal), rec.Secrets)
		}
	}
}

// ask is what node i is read as: what it wants or, while some of that is open,
// what is recorded in its place, so that the reading sees what it is compared
// with. It is the same when the plan is made and when it is applied, although
// more is known then.
func (d *derivation) ask(i int) cty.Value {
	rec, _ := d.recorded(i)
	was := recordedObject(rec)
	if !was.Exists() || known(d.nodes[i].typ, d.nodes[i].plain) {
		return d.nodes[i].plain
	}
	attrs := d.nodes[i].plain.AsValueMap()
	for _, a := range d.nodes[i].typ.Schema.Attributes {
		if attrs[a.Name].IsWhollyKnown() || !was.Value.Type().HasAttribute(a.Name) {
			continue
		}
		if v := was.Value.GetAttr(a.Name); v.Type().Equals(a.Type) {
			attrs[a.Name] = v
		}
	}
	return cty.ObjectVal(attrs)
}

// want keeps what node i wants.
func (d *derivation) want(i int, want cty.Value) {
	d.nodes[i].want = want
	d.nodes[i].plain = unmarked(want)
	d.nodes[i].secrets = secretNames(d.nodes[i].typ, want)
	d.hides(i)
}

// seen is what other instances see of node i: as far as it is decided.
func (d *derivation) seen(i int) cty.Value {
	if d.nodes[i].typ == nil || d.nodes[i].want == cty.NilVal {
		return cty.NilVal
	}
	if c := d.nodes[i].change; c != nil {
		want, before := d.nodes[i].want, c.Before
		switch {
		case c.Moved:
			before = c.Standing
		case c.Action == plans.Replace: // but for what is ignored, what it was is no word on what it will be
			want, before = d.asFound(i, want, before), plans.None
		}
		return inCommon(d.nodes[i].typ, visible(d.nodes[i].typ, d.ignored(i, want, before), before.Value, c.Action), c)
	}
	return visible(d.nodes[i].typ, d.unasked(i, d.nodes[i].want), cty.NilVal, plans.Create)
}

// visible is what other instances see of a node: what is wanted, and where
// nothing is, what was read; unknown where the action may change it, and where
// an earlier version did not record it.
func visible(t *resource.Type, want, before cty.Value, action plans.Action) cty.Value {
	attrs := make(map[string]cty.Value, len(t.Schema.Attributes))
	for _, a := range t.Schema.Attributes {
		w := want.GetAttr(a.Name)
		plain, marks := w.Unmark()
		known := plain.IsWhollyKnown()
		switch {
		case known && !plain.IsNull():
			attrs[a.Name] = w
		case before == cty.NilVal || before.IsNull() || !before.Type().HasAttribute(a.Name) || !known && action != plans.NoOp && action != plans.Refresh && !(a.Stable && action == plans.Update):
			attrs[a.Name] = cty.UnknownVal(a.Type).WithMarks(marks)
		default:
			attrs[a.Name] = before.GetAttr(a.Name).WithMarks(marks)
		}
	}
	return cty.ObjectVal(attrs)
}

// known reports whether nothing of want is open but what the type computes.
func known(t *resource.Type, want cty.Value) bool {
	for _, a := range t.Schema.Attributes {
		if !computed(a) && !want.GetAttr(a.Name).IsWhollyKnown() {
			return false
		}
	}
	return true
}

func sortedAddrs(s *state.Snapshot) []addr.Instance {
	out := make([]addr.Instance, 0, len(s.Objects))
	for a := range s.Objects {
		out = append(out, a)
	}
	slices.SortFunc(out, addr.Compare)
	return out
}

func computed(a schema.Attribute) bool { return a.Mode == schema.Computed }
