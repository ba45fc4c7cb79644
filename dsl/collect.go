package dsl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// collector fills a module from its files.
type collector struct {
	mod   *module
	types Types
	diags hcl.Diagnostics
}

func (c *collector) add(d ...*hcl.Diagnostic) { c.diags = append(c.diags, d...) }

// blockLabels is how many labels each block has.
var blockLabels = map[string][]string{
	"kplan": nil, "variable": {"name"}, "locals": nil, "output": {"name"}, "connection": nil, "host": {"name"},
	"resource": {"type", "name"}, "module": {"name"}, "check": {"name"}, "moved": nil, "removed": nil,
	"rollout": {"name"}, "import": nil,
}

// later are the blocks that this version does not act on. Passing over them in
// silence would delete what they ask to keep.
var later = map[string]bool{"moved": true, "rollout": true, "import": true}

// file collects the blocks of one file.
func (c *collector) file(body *hclsyntax.Body) {
	for _, a := range inSource(body.Attributes) {
		c.add(errorAt(a.NameRange, "Unexpected argument",
			"An argument named %q cannot stand outside a block. Values that the spec gives a name to stand in a locals block.", a.Name))
	}
	for _, b := range body.Blocks {
		want, ok := blockLabels[b.Type]
		if !ok {
			c.add(errorAt(b.TypeRange, "Unknown block", "There is no block of type %q.%s",
				b.Type, suggest(b.Type, slices.Collect(maps.Keys(blockLabels)))))
			continue
		}
		if later[b.Type] {
			c.add(errorAt(b.DefRange(), "Block not supported",
				"The %s block is part of the language and not supported by this version of kplan. Remove it.", b.Type))
			continue
		}
		if !c.labels(b, want) {
			continue
		}
		c.block(b)
	}
}

func (c *collector) block(b *hclsyntax.Block) {
	if !c.mod.root {
		switch b.Type {
		case "host", "connection", "kplan", "removed":
			c.add(errorAt(b.DefRange(), "Block in a module",
				"A %s block stands in the spec itself, not in a module. Hosts are handed to a module as arguments, such as variable \"nodes\" { type = list(host) }.", b.Type))
			return
		}
	}
	switch b.Type {
	case "kplan":
		c.settings(b)
	case "variable":
		c.variable(b)
	case "locals":
		c.localValues(b)
	case "output":
		c.output(b)
	case "connection":
		if first := c.mod.connection; first != nil {
			c.duplicate(b.DefRange(), "The connection for all hosts", first.rng)
			return
		}
		c.mod.connection = c.connection(b)
	case "host":
		c.host(b)
	case "resource":
		c.resource(b)
	case "module":
		c.call(b)
	case "check":
		c.check(b)
	case "removed":
		c.removed(b)
	}
}

// labels checks that a block has the labels that it wants.
func (c *collector) labels(b *hclsyntax.Block, want []string) bool {
	if len(b.Labels) == len(want) {
		return true
	}
	shape := b.Type
	for _, l := range want {
		shape += fmt.Sprintf(" %q", l)
	}
	rng := b.DefRange()
	if len(b.Labels) > len(want) {
		rng = b.LabelRanges[len(want)]
	}
	c.add(errorAt(rng, "Wrong labels of a block", "A %s block is written %s { … }.", b.Type, shape))
	return false
}

// body checks that a block holds only the arguments and blocks that it may.
func (c *collector) body(b *hclsyntax.Block, attrs, blocks []string) {
	for _, a := range inSource(b.Body.Attributes) {
		switch {
		case slices.Contains(attrs, a.Name):
		case slices.Contains(blocks, a.Name):
			c.add(errorAt(a.NameRange, "Unexpected argument", "%q is a block here: write %s { … }, without an equals sign.", a.Name, a.Name))
		default:
			c.add(errorAt(a.NameRange, "Unknown argument", "A %s block has no argument named %q.%s", b.Type, a.Name, suggest(a.Name, attrs)))
		}
	}
	for _, n := range b.Body.Blocks {
		switch {
		case slices.Contains(blocks, n.Type):
		case slices.Contains(attrs, n.Type):
			c.add(errorAt(n.TypeRange, "Unexpected block", "%q is an argument here: write %s = { … }, with an equals sign.", n.Type, n.Type))
		default:
			c.add(errorAt(n.TypeRange, "Unknown block", "A %s block has no block named %q.%s", b.Type, n.Type, suggest(n.Type, append(slices.Clone(blocks), attrs...))))
		}
	}
}

// required is the argument called name, which must be there.
func (c *collector) required(b *hclsyntax.Block, name string) *hclsyntax.Attribute {
	a := b.Body.Attributes[name]
	if a == nil {
		c.add(errorAt(b.DefRange(), "Missing argument", "The argument %q is required in the block %s.", name, b.Type))
	}
	return a
}

// named claims name for a block of its kind in the module.
func (c *collector) named(kind, name string, rng hcl.Range) bool {
	key := kind + " " + name
	if first, ok := c.mod.firstByName[key]; ok {
		c.add(errorAt(rng, "Duplicate name", "The %s %q is defined already at %s. Remove or rename one of the two.", kind, name, at(first)))
		return false
	}
	c.mod.firstByName[key] = rng
	return true
}

// duplicate refuses what has no name and may stand once.
func (c *collector) duplicate(rng hcl.Range, what string, first hcl.Range) {
	c.add(errorAt(rng, "Stands twice", "%s stands at %s already. Make one of the two.", what, at(first)))
}

// at writes where a range begins.
func at(rng hcl.Range) string {
	return fmt.Sprintf("%s:%d,%d", rng.Filename, rng.Start.Line, rng.Start.Column)
}

// identifier checks the name in a label.
func (c *collector) identifier(name string, rng hcl.Range) bool {
	if hclsyntax.ValidIdentifier(name) {
		return true
	}
	c.add(errorAt(rng, "Invalid name",
		"%q is no name: it must begin with a letter, and may hold letters, digits, underscores and dashes only.", name))
	return false
}

// text is the value of an argument that must be a literal string.
func (c *collector) text(a *hclsyntax.Attribute) string {
	if a == nil {
		return ""
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || !v.Type().Equals(ctyString) {
		c.add(errorAt(a.Expr.Range(), "Invalid value", "The argument %q is a literal string, with nothing computed in it.", a.Name))
		return ""
	}
	return v.AsString()
}

// flag is the value of an argument that must be true or false.
func (c *collector) flag(a *hclsyntax.Attribute, otherwise bool) bool {
	if a == nil {
		return otherwise
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || !v.Type().Equals(ctyBool) {
		c.add(errorAt(a.Expr.Range(), "Invalid value", "The argument %q is true or false, with nothing computed in it.", a.Name))
		return otherwise
	}
	return v.True()
}

// inSource is the arguments in source order.
func inSource(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	return slices.SortedFunc(maps.Values(attrs), func(a, b *hclsyntax.Attribute) int {
		return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte
	})
}

// inSourceBlocks is the blocks called name.
func blocksOf(b *hclsyntax.Block, name string) []*hclsyntax.Block {
	var found []*hclsyntax.Block
	for _, n := range b.Body.Blocks {
		if n.Type == name {
			found = append(found, n)
		}
	}
	return found
}
