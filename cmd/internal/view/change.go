package view

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/plans"
)

// signOf is the sign of an action.
func signOf(a plans.Action) string {
	switch a {
	case plans.Create:
		return signCreate
	case plans.Update, plans.Refresh:
		return signUpdate
	case plans.Delete:
		return signDelete
	case plans.Replace:
		return signReplace
	case plans.Forget:
		return signForget
	}
	return signNone
}

// verbOf is what a plan says of an address, in the words that other tools read.
func verbOf(a plans.Action) string {
	switch a {
	case plans.Create:
		return "will be created"
	case plans.Update, plans.Refresh:
		return "will be updated in-place"
	case plans.Delete:
		return "will be destroyed"
	case plans.Replace:
		return "must be replaced"
	case plans.Forget:
		return "will no longer be managed by kplan, but will not be destroyed"
	}
	return "is unchanged"
}

// attribute is one line or more of the body of a change.
type attribute struct {
	name, label string
	changed     bool
	sensitive   bool
}

// show writes the attribute of an object that changes.
func (a attribute) show(p *page, indent, pad int, before, after plans.Object) {
	l := leaf{indent: indent, label: a.label, pad: pad}
	b, w := valueOf(before, a.name), valueOf(after, a.name)
	switch {
	case a.sensitive:
		l.secret(p, a.changed, before, after, a.name)
	case a.changed:
		l.diff(p, b, w)
	case !absent(b):
		l.whole(p, signNone, b, "")
	default:
		l.whole(p, signNone, w, "")
	}
}

// secret writes a sensitive attribute: that it is there and whether it changes.
// It may be sensitive on one side only.
func (l leaf) secret(p *page, changed bool, before, after plans.Object, name string) {
	_, was := before.Secrets[name]
	digest, hidden := after.Secrets[name]
	was, will := was || !absent(valueOf(before, name)), hidden || !absent(valueOf(after, name))
	sign, tail := signUpdate, ""
	switch {
	case !changed:
		sign = signNone
	case !was:
		sign = signCreate
	case !will:
		sign, tail = signDelete, " -> null"
	}
	value := sensitive
	if hidden && digest == "" {
		value = "(sensitive value, known after apply)"
	}
	l.open(p, sign)
	p.say(plain, value+tail)
}

// body shows a change of an object attribute by attribute.
func body(p *page, sign string, res addr.Resource, before, after plans.Object, differs, sensitive []string) {
	p.put(plain, strings.Repeat(" ", 4-min(len(sign), 3)-1))
	p.put(styleOf(sign), sign)
	p.say(plain, " resource "+quote(res.Type)+" "+quote(res.Name)+" {")
	var shown []attribute
	hiding, pad := 0, 0
	for _, name := range names(before, after) {
		a := attribute{name: name, label: name}
		a.sensitive = slices.Contains(sensitive, name) || secret(before, after, name)
		a.changed = sign != signForget && changes(before, after, name, differs)
		if !a.changed && !identifies(name) {
			hiding++
			continue
		}
		shown = append(shown, a)
		pad = max(pad, width0(name))
	}
	for _, a := range shown {
		a.show(p, 6, pad, before, after)
	}
	hidden(p, 6, hiding, "attribute")
	p.say(plain, "    }")
}

// changes reports whether an attribute is shown as changing.
func changes(before, after plans.Object, name string, differs []string) bool {
	if !before.Exists() || !after.Exists() {
		return true
	}
	w := valueOf(after, name)
	return slices.Contains(differs, name) || !absent(w) && !same(valueOf(before, name), w)
}

// names are the attributes that either object has, sorted.
func names(objects ...plans.Object) []string {
	var out []string
	for _, o := range objects {
		if o.Exists() {
			for name := range o.Value.Type().AttributeTypes() {
				if !absent(o.Value.GetAttr(name)) {
					out = append(out, name)
				}
			}
		}
		for name := range o.Secrets {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// secret reports whether an attribute of either object is recorded as a digest.
func secret(before, after plans.Object, name string) bool {
	_, b := before.Secrets[name]
	_, a := after.Secrets[name]
	return a || b
}

// identifies reports whether an attribute is one by which people know a thing:
// it is shown where it does not change, too.
func identifies(name string) bool {
	return slices.Contains([]string{"key", "match", "name", "path", "ref", "user"}, name)
}

func valueOf(o plans.Object, name string) cty.Value {
	if !o.Exists() || !o.Value.Type().HasAttribute(name) {
		return cty.NilVal
	}
	return o.Value.GetAttr(name)
}
