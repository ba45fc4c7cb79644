package view

import (
	"encoding/json"
	"io"
	"maps"
	"slices"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
)

// Version is what the program says of itself.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from changed sources
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Version writes the version to standard output.
func (v *View) Version(ver Version, asJSON bool) {
	if asJSON {
		v.JSON(marshal(ver))
		return
	}
	p := newPage(v.out)
	p.sayf("kplan %s", ver.Version)
	p.sayf("on %s, built with %s", ver.Platform, ver.Go)
	if ver.Commit != "" {
		changed := ""
		if ver.Modified {
			changed = ", with changes"
		}
		p.sayf("commit %s%s", ver.Commit, changed)
	}
	v.print(p)
}

// Ask puts a question to the user, without a line break behind it.
func (v *View) Ask(question string) {
	p := newPage(v.err)
	p.block(plain, "", "\n"+question)
	text := p.String()
	_, _ = io.WriteString(v.stderr, text[:len(text)-1])
}

// Diff writes a unified diff of a file to standard output.
func (v *View) Diff(name, before, after string) {
	if before == after {
		return
	}
	p := newPage(v.out)
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 3)
	if err != nil { // its edits are its own
		panic("view: " + err.Error())
	}
	p.say(bold, "--- old/"+name)
	p.say(bold, "+++ new/"+name)
	for _, h := range u.Hunks {
		p.say(cyan, hunkHeader(h))
		diffLines(p, h, "", "")
	}
	v.print(p)
}

// Script writes a script to standard output as it is: it is kplan's own.
func (v *View) Script(text string) { v.write([]byte(text)) }

// Facts writes facts of hosts, each host under its name.
func (v *View) Facts(facts map[string]host.Facts) {
	p := newPage(v.out)
	for i, name := range slices.Sorted(maps.Keys(facts)) {
		if i > 0 {
			p.end()
		}
		p.say(bold, name)
		ms := members(factsValue(facts[name]))
		pad := padOf(ms)
		for _, m := range ms {
			leaf{indent: 2, label: m.label, pad: pad}.whole(p, signNone, m.value, "")
		}
	}
	v.print(p)
}

// FactsJSON writes facts as JSON, by host.
func (v *View) FactsJSON(facts map[string]host.Facts) {
	doc := map[string]json.RawMessage{}
	for name, f := range facts {
		doc[name] = objectValues(plans.Object{Value: factsValue(f)})
	}
	v.JSON(marshal(doc))
}

func factsValue(f host.Facts) cty.Value {
	t, err := gocty.ImpliedType(f)
	if err != nil { // facts are made of what cty has types for
		panic("view: " + err.Error())
	}
	val, err := gocty.ToCtyValue(f, t)
	if err != nil {
		panic("view: " + err.Error())
	}
	return val
}

// objectValues is an object as JSON: null where there is none. What is not
// known is left out.
func objectValues(o plans.Object) json.RawMessage {
	if !o.Exists() {
		return json.RawMessage("null")
	}
	doc := map[string]json.RawMessage{}
	for _, m := range members(o.Value) {
		if b, err := ctyjson.Marshal(m.value, m.value.Type()); err == nil && m.value.IsWhollyKnown() {
			doc[m.key] = b
		}
	}
	return marshal(doc)
}
