package dsl

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Files are the sources read so far, by the file name of ranges, to be shown
// beside errors: what may be sensitive in them is blanked, at equal length. It
// is so also where loading failed before it was known what is.
func (s *Spec) Files() map[string]*hcl.File {
	secret := map[hcl.Range]bool{}
	for _, m := range s.modules {
		m.expressions(func(e *expr) {
			if e.secret {
				secret[e.Range()] = true
			}
			for _, m := range e.secrets {
				secret[m.expr.Range()] = true
			}
		})
	}
	b := &blanker{spec: s, src: map[string][]byte{}, secret: secret, locals: map[[2]string][]hclsyntax.Expression{}}
	out := map[string]*hcl.File{}
	for name, f := range s.files {
		if body, ok := f.Body.(*hclsyntax.Body); !ok || body.SrcRange == (hcl.Range{}) {
			continue // guard did not let it be parsed, and so nothing of it can be shown
		}
		b.src[name] = bytes.Clone(f.Bytes)
	}
	b.all()
	for name, src := range b.src {
		out[name] = &hcl.File{Body: s.files[name].Body, Bytes: src}
	}
	return out
}

// blanker blanks what may be sensitive in the files of a spec. It goes by the
// syntax alone and takes for sensitive what it does not know, such as a
// misspelled argument.
type blanker struct {
	spec   *Spec
	src    map[string][]byte // by file
	secret map[hcl.Range]bool
	locals map[[2]string][]hclsyntax.Expression // by directory and name, those not blanked yet; none where they are in secret
}

func (b *blanker) all() {
	bodies := map[string]*hclsyntax.Body{}
	for name, src := range b.src {
		if b.spec.broken[name] {
			b.src[name] = blankLines(src, b.openNames())
			continue
		}
		bodies[name] = b.spec.files[name].Body.(*hclsyntax.Body)
		for _, block := range bodies[name].Blocks {
			if block.Type == "locals" && !b.spec.spread {
				for _, a := range block.Body.Attributes {
					at := [2]string{path.Dir(name), a.Name}
					b.locals[at] = append(b.locals[at], a.Expr)
				}
			}
		}
	}
	for name, body := range bodies {
		if !strings.HasSuffix(name, suffix) {
			b.values(body)
			continue
		}
		b.body(body, nil, nil)
		for _, block := range body.Blocks {
			b.block(block)
		}
	}
}

// block blanks what stands in a block of a spec.
func (b *blanker) block(block *hclsyntax.Block) {
	body := block.Body
	switch block.Type {
	case "variable":
		shown := []string{"type", "description", "sensitive", "nullable", "default"}
		for name := range body.Attributes {
			if !slices.Contains(shown, name) {
				shown = shown[:4]
			}
		}
		if sensitiveBlock(body) {
			shown = shown[:4]
		}
		b.body(body, shown, []string{"validation"})
	case "output":
		shown := []string{"description", "sensitive", "depends_on", "value"}
		if sensitiveBlock(body) {
			shown = shown[:3]
		}
		b.body(body, shown, []string{"precondition"})
	case "connection", "bootstrap":
		shown := slices.DeleteFunc(slices.Clone(connectionArgs), func(n string) bool { return secretArgs[n] })
		b.body(body, misspelled(body, shown, connectionArgs), []string{"bootstrap"})
	case "host":
		shown := append([]string{"for_each"}, hostArgs...)
		b.body(body, misspelled(body, shown, slices.Concat(shown, connectionArgs)), []string{"connection"})
	case "resource":
		b.resource(block)
	case "module":
		b.body(body, b.arguments(body), nil)
	default:
		b.visit(body)
		if _, known := blockLabels[block.Type]; !known {
			b.node(body)
		}
	}
}

func sensitiveBlock(body *hclsyntax.Body) bool {
	a := body.Attributes["sensitive"]
	if a == nil {
		return false
	}
	v, diags := a.Expr.Value(nil)
	return diags.HasErrors() || !v.RawEquals(cty.False)
}

func (b *blanker) resource(block *hclsyntax.Block) {
	shown, all := slices.Clone(metaArgs), slices.Clone(metaArgs)
	if len(block.Labels) > 0 {
		if sch, ok := b.spec.options.Types.Schema(block.Labels[0]); ok {
			for _, a := range sch.Attributes {
				all = append(all, a.Name)
				if !a.Sensitive {
					shown = append(shown, a.Name)
				}
			}
		}
	}
	b.body(block.Body, misspelled(block.Body, shown, all), []string{"lifecycle", "retry", "precondition", "postcondition"})
}

// misspelled adds to the shown names what is written in the body for one of
// them, as far as names that are alike tell.
func misspelled(body *hclsyntax.Body, shown, all []string) []string {
	for name := range body.Attributes {
		if !slices.Contains(all, name) && slices.Contains(shown, nearest(name, all)) {
			shown = append(shown, name)
		}
	}
	return shown
}

// arguments are those of a call that its module does not take for sensitive.
func (b *blanker) arguments(body *hclsyntax.Body) []string {
	shown := []string{"source", "depends_on", "for_each", "count"}
	a := body.Attributes["source"]
	if a == nil {
		return shown
	}
	source, diags := a.Expr.Value(nil)
	if diags.HasErrors() || source.Type() != cty.String || source.IsNull() {
		return shown
	}
	file := a.SrcRange.Filename
	dir, _ := directory(file)
	loc, err := location{path: dir, embedded: strings.HasPrefix(file, "kplan/")}.join(source.AsString())
	m := b.spec.modules[loc]
	if err != nil || m == nil {
		return shown
	}
	return misspelled(body, append(shown, open(m)...), append(slices.Collect(maps.Keys(m.variables)), shown...))
}

// open is the names of a module's variables that are not sensitive.
func open(m *module) []string {
	var names []string
	if m != nil {
		for name, v := range m.variables {
			if !v.sensitive {
				names = append(names, name)
			}
		}
	}
	return names
}

// values blanks the values of sensitive variables in a file of values.
func (b *blanker) values(body *hclsyntax.Body) {
	b.body(body, open(b.spec.modules[location{path: "."}]), nil)
	for _, block := range body.Blocks {
		b.node(block.Body)
	}
}

// body blanks the arguments of a body that are not among the shown, and the
// blocks in it that are not of the known types.
func (b *blanker) body(body *hclsyntax.Body, shown, known []string) {
	for _, a := range body.Attributes {
		if slices.Contains(shown, a.Name) {
			b.visit(a.Expr)
		} else {
			b.node(a.Expr)
		}
	}
	for _, inner := range body.Blocks {
		switch {
		case inner.Type == "connection" || inner.Type == "bootstrap":
			b.block(inner)
		case slices.Contains(known, inner.Type):
			b.visit(inner.Body)
		case known != nil || shown != nil:
			b.node(inner.Body)
		}
	}
}

// visit blanks what is sensitive within something that is not.
func (b *blanker) visit(n hclsyntax.Node) {
	hclsyntax.VisitAll(n, func(n hclsyntax.Node) hcl.Diagnostics { //nolint:errcheck // it reports nothing
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if ok && call.Name == "sensitive" || b.secret[n.Range()] {
			b.node(n)
		}
		return nil
	})
}

// node blanks the literals in a node, and in the local values that it uses.
func (b *blanker) node(n hclsyntax.Node) {
	hclsyntax.VisitAll(n, func(n hclsyntax.Node) hcl.Diagnostics { //nolint:errcheck // it reports nothing
		switch n := n.(type) {
		case *hclsyntax.LiteralValueExpr:
			if n.Val.Type() == cty.String || n.Val.Type() == cty.Number {
				b.blank(n.SrcRange)
			}
		case *hclsyntax.ScopeTraversalExpr:
			if n.Traversal.RootName() == "local" {
				at := [2]string{path.Dir(n.SrcRange.Filename), step(n.Traversal, 1)}
				used := b.locals[at]
				delete(b.locals, at)
				for _, e := range used {
					b.node(e)
				}
			}
		}
		return nil
	})
}

func (b *blanker) blank(r hcl.Range) {
	src := b.src[r.Filename]
	for i := max(r.Start.Byte, 0); i < min(r.End.Byte, len(src)); i++ {
		if src[i] != '\n' && src[i] != '\r' {
			src[i] = '*'
		}
	}
}
