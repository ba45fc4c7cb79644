package dsl

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/functions"
)

// member is a part of an expression that a reference can name: what stands in
// an object or a tuple, at any depth. Where the expression is neither, or has a
// key that is computed, it is the whole, with an empty path.
type member struct {
	path []string
	expr hclsyntax.Expression
	set  func(hclsyntax.Expression) // puts another expression in its place
}

// name is the member as the text of a reference goes on.
func (m member) name() string {
	var b strings.Builder
	for _, key := range m.path {
		b.WriteString("[" + strconv.Quote(key) + "]")
	}
	return b.String()
}

// holds reports whether a range is in the member.
func (m member) holds(rng hcl.Range) bool {
	own := m.expr.Range()
	return own.Start.Byte <= rng.Start.Byte && rng.End.Byte <= own.End.Byte
}

// touches reports whether a reference to path is to the member, or to something
// in it or around it.
func (m member) touches(path []string) bool {
	n := min(len(path), len(m.path))
	return slices.Equal(path[:n], m.path[:n])
}

// membersOf is all members of an expression, in source order.
func membersOf(e hcl.Expression) []member {
	node, ok := e.(hclsyntax.Expression)
	if !ok {
		return nil
	}
	return membersAt(member{expr: node})
}

func membersAt(m member) []member {
	var inner []member
	add := func(key string, e hclsyntax.Expression, set func(hclsyntax.Expression)) {
		inner = append(inner, membersAt(member{append(slices.Clone(m.path), key), e, set})...)
	}
	switch e := constructor(m.expr).(type) {
	case *hclsyntax.TupleConsExpr:
		for i, item := range e.Exprs {
			add(strconv.Itoa(i), item, func(n hclsyntax.Expression) { e.Exprs[i] = n })
		}
	case *hclsyntax.ObjectConsExpr:
		seen := map[string]bool{}
		for i, item := range e.Items {
			key, ok := constantKey(item.KeyExpr)
			if !ok || seen[key] {
				return []member{m}
			}
			seen[key] = true
			add(key, item.ValueExpr, func(n hclsyntax.Expression) { e.Items[i].ValueExpr = n })
		}
	}
	if len(inner) == 0 {
		return []member{m}
	}
	return inner
}

// constructor is e without parentheses and what was put around it.
func constructor(e hclsyntax.Expression) hcl.Expression {
	for {
		switch inner := hcl.UnwrapExpression(e).(type) {
		case *hclsyntax.ParenthesesExpr:
			e = inner.Expression
		default:
			return inner
		}
	}
}

// constantKey is a key that is written as a name, a text or a number.
func constantKey(e hcl.Expression) (string, bool) {
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		return "", false
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() || !v.IsKnown() {
		return "", false
	}
	return v.AsString(), true
}

// steps is the members that a traversal names from its i-th step on, as far as
// they are literal.
func steps(t hcl.Traversal, i int) []string {
	var path []string
	for ; i < len(t); i++ {
		name, key := step(t, i), literalKey(t, i)
		switch {
		case name != "":
		case key == nil:
			return path
		default:
			n, isNumber := key.Int()
			if name, _ = key.Str(); isNumber {
				name = strconv.Itoa(n)
			}
		}
		path = append(path, name)
	}
	return path
}

// parts reports whether an expression can give a value that has parts, which
// other expressions tell apart: not where it is text or a number.
func parts(e hclsyntax.Expression) bool {
	switch e := constructor(e).(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr, *hclsyntax.BinaryOpExpr, *hclsyntax.UnaryOpExpr:
		return false
	case *hclsyntax.ConditionalExpr:
		return parts(e.TrueResult) || parts(e.FalseResult)
	case *hclsyntax.TemplateWrapExpr:
		return parts(e.Wrapped)
	case *hclsyntax.FunctionCallExpr:
		return !functions.Whole(e.Name)
	}
	return true
}

// tabled is a member that is evaluated with functions of its own. It embeds the
// parentheses of hcl, which show walkers the expression inside.
type tabled struct {
	*hclsyntax.ParenthesesExpr
	table map[string]function.Function
}

// withTable makes the member one that is evaluated with the functions of table.
func (m member) withTable(table map[string]function.Function) {
	inner := &hclsyntax.ParenthesesExpr{Expression: m.expr, SrcRange: m.expr.Range()}
	m.set(&tabled{inner, table})
}

// Value evaluates the member.
func (t *tabled) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	ctx = ctx.NewChild()
	ctx.Functions = t.table
	return t.Expression.Value(ctx)
}

// UnwrapExpression is the member as it was written.
func (t *tabled) UnwrapExpression() hcl.Expression { return t.Expression }
