package view

import (
	"strings"
)

// TypeDoc is the documentation of a resource type.
type TypeDoc struct {
	Name       string
	Summary    string
	Text       string
	Example    string
	Attributes []AttributeDoc
}

// AttributeDoc is the documentation of one attribute.
type AttributeDoc struct {
	Name, Type string
	Mode       string // id, required, optional, default or computed
	Default    string // as HCL; "" where there is none
	Sensitive  bool
	Doc        string
}

// ExplainType writes the documentation of a resource type to standard output.
func (v *View) ExplainType(d TypeDoc) {
	p := newPage(v.out)
	p.put(bold, d.Name)
	if d.Summary != "" {
		p.put(plain, ": "+d.Summary)
	}
	p.end()
	if d.Text != "" {
		p.end()
		p.prose("", d.Text)
	}
	if d.Example != "" {
		p.end()
		p.say(bold, "Example")
		p.end()
		p.block(plain, "  ", d.Example)
	}
	p.end()
	p.say(bold, "Attributes")
	p.end()
	for i, a := range d.Attributes {
		if i > 0 && a.Doc != "" {
			p.end()
		}
		attributeDoc(p, a)
	}
	v.print(p)
}

// ExplainAttribute writes the documentation of one attribute.
func (v *View) ExplainAttribute(a AttributeDoc) {
	p := newPage(v.out)
	attributeDoc(p, a)
	v.print(p)
}

func attributeDoc(p *page, a AttributeDoc) {
	p.put(plain, "  ")
	p.put(bold, a.Name)
	p.put(plain, " ("+strings.Join(traits(a), ", ")+")")
	p.end()
	if a.Doc != "" {
		p.prose("      ", a.Doc)
	}
}

// traits are what can be said of an attribute in a word or two.
func traits(a AttributeDoc) []string {
	words := []string{a.Type}
	switch a.Mode {
	case "id":
		words = append(words, "identity: a change replaces the object")
	case "required":
		words = append(words, "required")
	case "computed":
		words = append(words, "computed: known after apply")
	default:
		if a.Default == "" {
			words = append(words, "optional: not managed where it is not set")
		}
	}
	if a.Default != "" {
		words = append(words, "default "+a.Default)
	}
	if a.Sensitive {
		words = append(words, "sensitive")
	}
	return words
}

// ExplainList writes the resource types, each with its summary.
func (v *View) ExplainList(all []TypeDoc) {
	p := newPage(v.out)
	pad := 0
	for _, d := range all {
		pad = max(pad, width0(d.Name))
	}
	for _, d := range all {
		p.put(bold, d.Name)
		p.say(plain, strings.Repeat(" ", pad-width0(d.Name)+2)+d.Summary)
	}
	v.print(p)
}
