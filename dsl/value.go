package dsl

import (
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/internal/functions"
	"github.com/kplan/kplan/dsl/internal/guard"
)

// repetition is one key of a block with for_each or count.
type repetition struct {
	key   addr.Key
	value cty.Value // each.value; cty.NilVal with count
}

// one is the repetition of a block with neither.
var one = &repetition{}

// evaluation is one look at values that are not static: its memory of those
// that it has evaluated.
type evaluation struct {
	scope Scope
	memo  map[memoID]cty.Value
}

type memoID struct {
	in *instance
	id valueID
}

// frame is where an expression is evaluated.
type frame struct {
	in   *instance
	each *repetition
	host int32 // index of the host of each.host; -1 where there is none
	self cty.Value
	eval *evaluation
}

// root is the frame of what stands in a module and not in a resource.
func (in *instance) frame(ev *evaluation) frame {
	return frame{in: in, each: one, host: -1, eval: ev}
}

// eval evaluates an expression that stands at f.
func (s *Spec) eval(e *expr, f frame) (cty.Value, hcl.Diagnostics) {
	ctx, diags := s.context(nil, e.refs, []*expr{e}, f)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := evalIn(e, ctx)
	return v, append(diags, more...)
}

// evalIn evaluates an expression, and closes what would show of sensitive
// values.
func evalIn(e *expr, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if e.table != nil {
		ctx = ctx.NewChild()
		ctx.Functions = e.table
	}
	v, diags := e.Value(ctx)
	if len(diags) > 0 {
		diags = scrubbed(e, ctx, diags)
	}
	if v.ContainsMarked() {
		v = functions.Scrub(v)
	}
	return v, diags
}

// scrubbed takes from diagnostics what could show a sensitive value: the
// expression with its values, and the text of an error about marked ones.
func scrubbed(e *expr, ctx *hcl.EvalContext, diags hcl.Diagnostics) hcl.Diagnostics {
	marked := sync.OnceValue(func() bool { // walks what the expression uses, which can be large
		return e.secret || len(e.secrets) > 0 || slices.ContainsFunc(e.Variables(), func(t hcl.Traversal) bool {
			v, d := t.TraverseAbs(ctx)
			return d.HasErrors() || v.ContainsMarked()
		})
	})
	out := make(hcl.Diagnostics, len(diags))
	for i, d := range diags {
		c := *d
		c.Expression, c.EvalContext, c.Extra = nil, nil, nil
		if c.Subject == nil {
			c.Subject = &e.rng
		}
		if showsValues[c.Summary] && marked() {
			c.Detail = "(the argument is sensitive)"
		}
		out[i] = &c
	}
	return guard.Plain(out)
}

// showsValues is the summaries of hcl's whose details can hold a part of a
// value.
var showsValues = map[string]bool{
	"Error in function call": true, "Invalid function argument": true, "Duplicate object key": true, "Invalid object key": true,
}

// value is a value of the module instance in: a static one is evaluated once,
// another once for each evaluation.
func (s *Spec) value(in *instance, id valueID, ev *evaluation) (cty.Value, hcl.Diagnostics) {
	if s.dynamic(id) == nil {
		in.mu.Lock()
		c := in.cells[id]
		if c == nil {
			c = &cell{}
			in.cells[id] = c
		}
		in.mu.Unlock()
		c.once.Do(func() { c.value, c.diags = s.compute(in, id, nil) })
		return c.value, c.diags
	}
	if ev == nil {
		ev = &evaluation{scope: NoScope{}}
	}
	if ev.memo == nil {
		ev.memo = map[memoID]cty.Value{}
	}
	k := memoID{in, id}
	if v, ok := ev.memo[k]; ok {
		return v, nil
	}
	v, diags := s.compute(in, id, ev)
	ev.memo[k] = v
	return v, diags
}

// compute evaluates a value.
func (s *Spec) compute(in *instance, id valueID, ev *evaluation) (cty.Value, hcl.Diagnostics) {
	switch id.kind {
	case kindVar:
		return s.variable(in, id, ev)
	case kindLocal:
		l := in.node.mod.locals[id.name]
		v, diags := s.eval(l.expr, in.frame(ev))
		return s.bound(id, v, l.expr.rng, diags)
	case kindOutput:
		o := in.node.mod.outputs[id.name]
		v, diags := s.eval(o.value, in.frame(ev))
		if o.sensitive {
			v = v.Mark(functions.Sensitive)
		}
		return s.bound(id, v, o.value.rng, diags)
	}
	panic("dsl: " + id.String() + " has no value; this is a bug in kplan")
}

// bound charges the budget for a value that gets a name.
func (s *Spec) bound(id valueID, v cty.Value, rng hcl.Range, diags hcl.Diagnostics) (cty.Value, hcl.Diagnostics) {
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, append(diags, s.budget.Value(id.String(), v, rng)...)
}

// keyValue is a key as a value.
func keyValue(k addr.Key) cty.Value {
	if n, ok := k.Int(); ok {
		return cty.NumberIntVal(int64(n))
	}
	s, _ := k.Str()
	return cty.StringVal(s)
}
