package schema_test

import (
	"reflect"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
)

type member struct {
	Name  string   `cty:"name"`
	Alias *string  `cty:"alias"`
	Parts []string `cty:"parts"`
}

type holder struct {
	Path    string              `cty:"path" kplan:"id"`
	Keep    int                 `cty:"keep" kplan:"default=7"`
	Small   *int8               `cty:"small"`
	Names   []string            `cty:"names"`
	Gaps    []*string           `cty:"gaps"`
	Entries map[string][]string `cty:"entries"`
	Members map[string]member   `cty:"members"`
	Hidden  map[string]string   `cty:"hidden" kplan:"sensitive"`
}

// TestFits holds that a value fits where the struct can hold it, and is told
// from where it cannot with the place in it.
func TestFits(t *testing.T) {
	s := schema.Of(reflect.TypeFor[holder]())
	null, text, open := cty.NullVal(cty.String), cty.StringVal("x"), cty.UnknownVal(cty.String)
	list := func(v ...cty.Value) cty.Value { return cty.ListVal(v) }
	of := func(key string, v cty.Value) cty.Value { return cty.MapVal(map[string]cty.Value{key: v}) }
	one := func(name, alias, parts cty.Value) cty.Value {
		return of("a", cty.ObjectVal(map[string]cty.Value{"name": name, "alias": alias, "parts": parts}))
	}
	texts := cty.List(cty.String)
	key, name, first := cty.IndexStep{Key: cty.StringVal("a")}, cty.GetAttrStep{Name: "name"}, cty.IndexStep{Key: cty.NumberIntVal(0)}
	second, parts := cty.IndexStep{Key: cty.NumberIntVal(1)}, cty.GetAttrStep{Name: "parts"}
	secret := cty.IndexStep{Key: cty.StringVal("a").Mark("sensitive")}
	for _, c := range []struct {
		attr string
		v    cty.Value
		want *schema.UnfitError
	}{
		{"keep", cty.NumberIntVal(-3), nil},
		{"keep", cty.NullVal(cty.Number), nil},
		{"keep", cty.UnknownVal(cty.Number), nil},
		{"keep", cty.NumberFloatVal(1.5), &schema.UnfitError{Why: schema.Fraction}},
		{"keep", cty.NumberFloatVal(1.5).Mark("m"), &schema.UnfitError{Why: schema.Fraction}},
		{"keep", cty.MustParseNumberVal("1e30"), &schema.UnfitError{Why: schema.TooLarge}},
		{"keep", cty.MustParseNumberVal("-1e30"), &schema.UnfitError{Why: schema.TooSmall}},
		{"keep", cty.PositiveInfinity, &schema.UnfitError{Why: schema.TooLarge}},
		{"keep", cty.NegativeInfinity, &schema.UnfitError{Why: schema.TooSmall}},
		{"keep", cty.MustParseNumberVal("9223372036854775807"), nil},
		{"keep", cty.MustParseNumberVal("9223372036854775808"), &schema.UnfitError{Why: schema.TooLarge}},
		{"small", cty.NumberIntVal(-128), nil},
		{"small", cty.NumberIntVal(128), &schema.UnfitError{Why: schema.TooLarge}},
		{"names", cty.NullVal(texts), nil},
		{"names", cty.ListValEmpty(cty.String), nil},
		{"names", list(text, open), nil},
		{"names", list(open, null), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{second}}},
		{"names", list(text, null.Mark("m")), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{second}}},
		{"gaps", list(text, null), nil},
		{"entries", of("a", list(null)), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{key, first}}},
		{"entries", of("a", cty.NullVal(texts)), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{key}}},
		{"entries", of("a", list(null)).Mark("m"), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{secret, first}}},
		{"members", one(text, null, cty.NullVal(texts)), nil},
		{"members", one(null, null, cty.NullVal(texts)), &schema.UnfitError{Why: schema.NullAttribute, Path: cty.Path{key, name}}},
		{"members", one(text, null, list(null)), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{key, parts, first}}},
		{"members", of("a", cty.NullVal(one(text, null, list(text)).Type().ElementType())), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{key}}},
		{"hidden", of("a", null), &schema.UnfitError{Why: schema.NullElement, Path: cty.Path{secret}}},
	} {
		a, _ := s.Lookup(c.attr)
		err := a.Fits(c.v)
		if c.want == nil && err != nil || c.want != nil && !reflect.DeepEqual(err, c.want) {
			t.Errorf("%s = %#v: %#v, want %#v", c.attr, c.v, err, c.want)
		}
		if bare, _ := c.v.UnmarkDeep(); c.want == nil && bare.IsWhollyKnown() {
			object := cty.ObjectVal(map[string]cty.Value{c.attr: bare})
			if err := s.ToGo(object, new(holder)); err != nil {
				t.Errorf("%s = %#v fits, and does not go in: %v", c.attr, bare, err)
			}
		}
	}
}
