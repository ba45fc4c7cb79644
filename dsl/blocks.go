package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

var (
	ctyString = cty.String
	ctyBool   = cty.Bool
)

// settingsBlock is the kplan block.
type settingsBlock struct {
	rng     hcl.Range
	version *hclsyntax.Attribute
	backend Backend
	roles   []string // declared, and may be empty
}

// settings collects a kplan block. There may be several, each argument once.
func (c *collector) settings(b *hclsyntax.Block) {
	c.body(b, []string{"required_version", "roles"}, []string{"backend"})
	s := c.mod.settings
	if s == nil {
		s = &settingsBlock{rng: b.DefRange()}
		c.mod.settings = s
	}
	if a := b.Body.Attributes["required_version"]; a != nil {
		if s.version != nil {
			c.duplicate(a.NameRange, "required_version", s.version.NameRange)
		}
		s.version = a
	}
	if a := b.Body.Attributes["roles"]; a != nil {
		v, diags := a.Expr.Value(nil)
		c.diags = append(c.diags, diags...)
		names, ok := stringList(v)
		if !diags.HasErrors() && !ok {
			c.add(errorAt(a.Expr.Range(), "Invalid value", "The argument \"roles\" is a list of role names."))
		}
		s.roles = append(s.roles, names...)
	}
	for _, n := range blocksOf(b, "backend") {
		if !c.labels(n, []string{"type"}) {
			continue
		}
		c.body(n, []string{"path"}, nil)
		if n.Labels[0] != "local" {
			c.add(errorAt(n.LabelRanges[0], "Unknown backend", "There is no backend named %q. The backend is \"local\": the state lies beside the spec.", n.Labels[0]))
			continue
		}
		if s.backend.Type != "" {
			c.duplicate(n.DefRange(), "The backend", s.backend.Range)
			continue
		}
		s.backend = Backend{Type: "local", Path: ".kplan", Range: n.DefRange()}
		if a := n.Body.Attributes["path"]; a != nil {
			if s.backend.Path = c.text(a); s.backend.Path == "" {
				c.add(errorAt(a.Expr.Range(), "Invalid value", "The path of the backend is a directory, such as \".kplan\"."))
			}
		}
	}
}

func (c *collector) variable(b *hclsyntax.Block) {
	c.body(b, []string{"type", "default", "description", "sensitive", "nullable"}, []string{"validation"})
	name := b.Labels[0]
	v := &variableBlock{name: name, rng: b.DefRange(), nullable: true}
	attrs := b.Body.Attributes
	v.description = c.text(attrs["description"])
	v.sensitive = c.flag(attrs["sensitive"], false)
	v.nullable = c.flag(attrs["nullable"], true)
	v.typ = c.typeOf(attrs["type"])
	if a := attrs["default"]; a != nil {
		v.def = newExpr(a, "var."+name)
	}
	for _, n := range blocksOf(b, "validation") {
		if cond := c.condition(n); cond != nil {
			v.validations = append(v.validations, cond)
		}
	}
	if !c.identifier(name, b.LabelRanges[0]) || !c.named("variable", name, v.rng) {
		return
	}
	if name == "source" || name == "for_each" || name == "count" || name == "depends_on" {
		c.add(errorAt(b.LabelRanges[0], "Reserved name", "A variable cannot be named %q, which is an argument of every module call.", name))
		return
	}
	c.mod.variables[name] = v
}

// condition collects a block with condition and error_message.
func (c *collector) condition(b *hclsyntax.Block) *condition {
	c.body(b, []string{"condition", "error_message"}, nil)
	cond, msg := c.required(b, "condition"), c.required(b, "error_message")
	if cond == nil || msg == nil {
		return nil
	}
	return &condition{what: b.Type, cond: newExpr(cond, b.Type), message: newExpr(msg, "error_message"), rng: b.DefRange()}
}

func (c *collector) localValues(b *hclsyntax.Block) {
	for _, n := range b.Body.Blocks {
		c.add(errorAt(n.TypeRange, "Unexpected block", "A locals block holds arguments only: write %s = { … }, with an equals sign.", n.Type))
	}
	for _, a := range inSource(b.Body.Attributes) {
		if c.named("local value", a.Name, a.NameRange) {
			c.mod.locals[a.Name] = &localBlock{name: a.Name, rng: a.NameRange, expr: newExpr(a, "local."+a.Name)}
		}
	}
}

func (c *collector) output(b *hclsyntax.Block) {
	c.body(b, []string{"value", "description", "sensitive", "depends_on"}, nil)
	name := b.Labels[0]
	o := &outputBlock{name: name, rng: b.DefRange()}
	o.description = c.text(b.Body.Attributes["description"])
	o.sensitive = c.flag(b.Body.Attributes["sensitive"], false)
	if a := b.Body.Attributes["depends_on"]; a != nil {
		o.dependsOn = c.addresses(a, false)
	}
	a := c.required(b, "value")
	if a == nil || !c.identifier(name, b.LabelRanges[0]) || !c.named("output", name, o.rng) {
		return
	}
	o.value = newExpr(a, "output."+name)
	c.mod.outputs[name] = o
}

func (c *collector) check(b *hclsyntax.Block) {
	c.body(b, nil, []string{"assert"})
	k := &checkBlock{name: b.Labels[0], rng: b.DefRange()}
	for _, n := range blocksOf(b, "assert") {
		if cond := c.condition(n); cond != nil {
			k.asserts = append(k.asserts, cond)
		}
	}
	if len(blocksOf(b, "assert")) == 0 {
		c.add(errorAt(k.rng, "Missing block", "A check block needs at least one assert block."))
	}
	if c.identifier(k.name, b.LabelRanges[0]) && c.named("check", k.name, k.rng) {
		c.mod.checks[k.name] = k
	}
}

func (c *collector) call(b *hclsyntax.Block) {
	for _, n := range b.Body.Blocks {
		c.add(errorAt(n.TypeRange, "Unexpected block", "A module block holds arguments only: write %s = { … }, with an equals sign.", n.Type))
	}
	m := &callBlock{name: b.Labels[0], rng: b.DefRange(), args: map[string]*expr{}}
	for _, a := range inSource(b.Body.Attributes) {
		switch a.Name {
		case "source":
			m.source, m.sourceRng = c.text(a), a.Expr.Range()
		case "depends_on":
			m.dependsOn = c.addresses(a, true)
		case "for_each", "count":
		default:
			m.args[a.Name] = newExpr(a, a.Name)
		}
	}
	m.each = c.each(b)
	if c.required(b, "source") == nil || !c.identifier(m.name, b.LabelRanges[0]) || !c.named("module", m.name, m.rng) {
		return
	}
	c.mod.calls[m.name] = m
	c.mod.ordered = append(c.mod.ordered, ordered{call: m})
}

// each collects for_each and count.
func (c *collector) each(b *hclsyntax.Block) each {
	var e each
	if a := b.Body.Attributes["for_each"]; a != nil {
		e.forEach = newExpr(a, "for_each")
	}
	if a := b.Body.Attributes["count"]; a != nil {
		if e.forEach != nil {
			c.add(errorAt(a.NameRange, "Both for_each and count", "A block has for_each or count, not both. for_each is better where the things differ in more than their number."))
			return e
		}
		e.count = newExpr(a, "count")
	}
	return e
}
