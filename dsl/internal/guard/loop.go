package guard

import (
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// loop is a for or splat. hcl goes on with the next element whatever one gave,
// so that the only way out of a loop is a panic; it goes from each to the loop
// directly around it and no further.
type loop struct {
	*wrap
	cost int      // of measuring the result, 0 for not measuring it
	keys sync.Map // *hcl.EvalContext of an evaluation to map[string]bool; for objects only
}

// stop is what each panics with once the budget is used up.
type stop struct{}

func (b *Budget) loop(e hclsyntax.Expression, cost int) *loop {
	return &loop{wrap: b.wrap(e), cost: cost}
}

// Value evaluates the loop. When the budget is used up, one diagnostic stands
// for those of all the iterations left.
func (l *loop) Value(ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	if err := l.budget.Failed(); err != nil {
		return l.refuse(err)
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stop); !ok {
				panic(r)
			}
			v, diags = l.refuse(l.budget.Failed())
		}
	}()
	if e, ok := l.Expression.(*hclsyntax.ForExpr); ok && e.KeyExpr != nil && !e.Group {
		ctx = ctx.NewChild()
		l.keys.Store(ctx, map[string]bool{})
		defer l.keys.Delete(ctx)
	}
	v, diags = l.Expression.Value(ctx)
	if l.cost > 0 {
		if _, err := l.budget.measure(v, l.cost); err != nil {
			return l.refuse(err)
		}
	}
	return v, diags
}

// key charges for keys that are there already: hcl gives an error for each.
func (l *loop) key(ctx *hcl.EvalContext, v cty.Value) error {
	if v, _ = v.Unmark(); v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return nil
	}
	if seen, ok := l.keys.Load(ctx.Parent()); ok {
		keys := seen.(map[string]bool)
		if k := v.AsString(); keys[k] {
			return l.budget.errs(10)
		} else {
			keys[k] = true
		}
	}
	return nil
}

// each is an expression that is evaluated once for every element of a loop.
type each struct {
	*wrap
	loop     *loop
	cost     cost
	elements int64
	key      bool // the key of an object
	joined   bool // the value becomes text
}

func (l *loop) each(e hclsyntax.Expression, elements int64) *each {
	return &each{wrap: l.budget.wrap(e), loop: l, cost: static(e), elements: elements}
}

// Value evaluates the expression, or leaves the loop.
func (e *each) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	e.check(e.budget.spend(e.cost, e.elements))
	v, diags := e.Expression.Value(ctx)
	if diags.HasErrors() {
		e.check(e.budget.errs(1))
		return v, diags
	}
	if e.key {
		e.check(e.loop.key(ctx, v))
	}
	if e.joined {
		e.check(e.budget.text(v))
	}
	e.check(e.budget.Failed())
	return v, diags
}

// check leaves the loop if the budget is used up. Other errors are those of one
// value and stay for where the value is used.
func (e *each) check(err error) {
	if err != nil && e.budget.Failed() != nil {
		e.budget.at(err, e.Range())
		panic(stop{})
	}
}

// spend charges for one evaluation of an expression of that static cost.
func (b *Budget) spend(c cost, elements int64) error {
	if err := b.Elements(elements); err != nil {
		return err
	}
	if err := b.Bytes(c.bytes); err != nil {
		return err
	}
	return b.Steps(c.nodes)
}

// errs charges for n errors inside loops.
func (b *Budget) errs(n int64) error {
	return b.charge(&b.errors, n, maxErrors, 0, "gives more than 10,000 errors")
}
