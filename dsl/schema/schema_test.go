package schema_test

import (
	"reflect"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
)

type thing struct {
	Path    string              `cty:"path" kplan:"id,default=/etc/hosts"`
	Value   string              `cty:"value" kplan:"required"`
	Text    *string             `cty:"text"`
	Secret  *string             `cty:"secret" kplan:"sensitive,for=text"`
	Keep    bool                `cty:"keep" kplan:"default=true"`
	Names   []string            `cty:"names"`
	Entries map[string][]string `cty:"entries"`
	Command []string            `cty:"command" kplan:"shell"`
	Seen    *string             `cty:"seen" kplan:"computed"`
	Around  []string            `cty:"around" kplan:"computed,passing"`
}

func TestOf(t *testing.T) {
	s := schema.Of(reflect.TypeFor[thing]())
	modes := map[string]schema.Mode{
		"path": schema.ID, "value": schema.Required, "text": schema.Optional, "secret": schema.Optional, "keep": schema.Default,
		"names": schema.Optional, "entries": schema.Optional, "command": schema.Optional, "seen": schema.Computed, "around": schema.Computed,
	}
	if len(s.Attributes) != len(modes) {
		t.Errorf("%d attributes", len(s.Attributes))
	}
	for name, mode := range modes {
		a, ok := s.Lookup(name)
		if !ok || a.Mode != mode || a.Sensitive != (name == "secret") || a.Shell != (name == "command") {
			t.Errorf("%s is %+v", name, a)
		}
	}
	if a, _ := s.Lookup("path"); !a.Default.RawEquals(cty.StringVal("/etc/hosts")) {
		t.Errorf("the default of path is %#v", a.Default)
	}
	if a, _ := s.Lookup("keep"); !a.Default.RawEquals(cty.True) {
		t.Errorf("the default of keep is %#v", a.Default)
	}
	if a, _ := s.Lookup("entries"); !a.Type.Equals(cty.Map(cty.List(cty.String))) {
		t.Errorf("the type of entries is %#v", a.Type)
	}
	if a, _ := s.Lookup("secret"); a.For != "text" {
		t.Errorf("secret is for %q", a.For)
	}
	if _, ok := s.Lookup("nope"); ok || s.GoName() != "thing" {
		t.Errorf("lookup of nope, or the name %q", s.GoName())
	}
}

func TestOfRefusesBugs(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"no tag": reflect.TypeFor[struct{ A string }](),
		"optional, not null": reflect.TypeFor[struct {
			A string `cty:"a"`
		}](),
		"unknown word": reflect.TypeFor[struct {
			A string `cty:"a" kplan:"requird"`
		}](),
		"default of another type": reflect.TypeFor[struct {
			A bool `cty:"a" kplan:"default=maybe"`
		}](),
		"passing, not computed": reflect.TypeFor[struct {
			A []string `cty:"a" kplan:"passing"`
		}](),
		"stable, not computed": reflect.TypeFor[struct {
			A []string `cty:"a" kplan:"stable"`
		}](),
		"shell of a string": reflect.TypeFor[struct {
			A string `cty:"a" kplan:"required,shell"`
		}](),
		"for nothing": reflect.TypeFor[struct {
			A *string `cty:"a" kplan:"sensitive,for=b"`
		}](),
		"for another type": reflect.TypeFor[struct {
			A *string `cty:"a" kplan:"sensitive,for=b"`
			B *bool   `cty:"b"`
		}](),
		"for, not sensitive": reflect.TypeFor[struct {
			A *string `cty:"a" kplan:"for=b"`
			B *string `cty:"b"`
		}](),
		"type without cty": reflect.TypeFor[struct {
			A chan int `cty:"a" kplan:"required"`
		}](),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it is taken")
				}
			}()
			schema.Of(typ)
		})
	}
}

func TestRoundTrip(t *testing.T) {
	s := schema.Of(reflect.TypeFor[thing]())
	secret := "hunter2"
	in := thing{Path: "/x", Value: "v", Secret: &secret, Names: []string{}, Entries: map[string][]string{"a": {"b", "c"}}}
	v, err := s.FromGo(in)
	if err != nil || !v.Type().Equals(s.Object()) {
		t.Fatalf("%#v, error %v", v, err)
	}
	for _, name := range []string{"seen", "command"} {
		if !v.GetAttr(name).IsNull() {
			t.Errorf("%s is %#v", name, v.GetAttr(name))
		}
	}
	if v.GetAttr("names").IsNull() {
		t.Error("an empty list became null")
	}
	var out thing
	if err := s.ToGo(v, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%+v became %+v, error %v", in, out, err)
	}
}

func TestRecorded(t *testing.T) {
	s := schema.Of(reflect.TypeFor[thing]())
	seen := "s"
	v, err := s.FromGo(thing{Path: "/x", Seen: &seen, Around: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Recorded(v)
	if !got.GetAttr("around").IsNull() || !got.GetAttr("seen").RawEquals(cty.StringVal("s")) || !got.Type().Equals(s.Object()) {
		t.Errorf("%#v", got)
	}
	null := cty.NullVal(s.Object())
	if !s.Recorded(null).RawEquals(null) {
		t.Error("null")
	}
}

func TestToGoLeavesUnknownZero(t *testing.T) {
	s := schema.Of(reflect.TypeFor[thing]())
	attrs := map[string]cty.Value{}
	for _, a := range s.Attributes {
		attrs[a.Name] = cty.UnknownVal(a.Type)
	}
	attrs["entries"] = cty.MapVal(map[string]cty.Value{"a": cty.UnknownVal(cty.List(cty.String))})
	var out thing
	if err := s.ToGo(cty.ObjectVal(attrs), &out); err != nil || !reflect.DeepEqual(out, thing{}) {
		t.Errorf("%+v, error %v", out, err)
	}
}

// What a resource is on each of its hosts has known keys and unknown values.
func TestToGoFillsWhatIsKnownOfAMapOfObjects(t *testing.T) {
	type member struct {
		Name *string `cty:"name"`
		Hash *string `cty:"hash"`
	}
	type joined struct {
		Cluster map[string]member `cty:"cluster" kplan:"required"`
	}
	s := schema.Of(reflect.TypeFor[joined]())
	element := cty.Object(map[string]cty.Type{"name": cty.String, "hash": cty.String})
	name := "n"
	for what, c := range map[string]struct {
		in   cty.Value
		want map[string]member
	}{
		"unknown": {cty.UnknownVal(cty.Map(element)), nil},
		"in part": {
			cty.MapVal(map[string]cty.Value{
				"a": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "hash": cty.UnknownVal(cty.String)}),
				"b": cty.UnknownVal(element),
			}),
			map[string]member{"a": {Name: &name}, "b": {}},
		},
	} {
		var out joined
		if err := s.ToGo(cty.ObjectVal(map[string]cty.Value{"cluster": c.in}), &out); err != nil || !reflect.DeepEqual(out.Cluster, c.want) {
			t.Errorf("%s: %+v, error %v", what, out, err)
		}
	}
}

func TestConvert(t *testing.T) {
	s := schema.Of(reflect.TypeFor[thing]())
	command, _ := s.Lookup("command")
	value, _ := s.Lookup("value")
	list := func(words ...string) cty.Value {
		vals := make([]cty.Value, len(words))
		for i, w := range words {
			vals[i] = cty.StringVal(w)
		}
		return cty.ListVal(vals)
	}
	lists := cty.List(cty.String)
	for name, c := range map[string]struct {
		a        schema.Attribute
		in, want cty.Value
	}{
		"string":         {command, cty.StringVal("a | b"), list("/bin/sh", "-c", "a | b")},
		"marked string":  {command, cty.StringVal("a").Mark("secret"), list("/bin/sh", "-c", "a").Mark("secret")},
		"unknown string": {command, cty.UnknownVal(cty.String), cty.UnknownVal(lists)},
		"null string":    {command, cty.NullVal(cty.String), cty.NullVal(lists)},
		"null":           {command, cty.NullVal(cty.DynamicPseudoType), cty.NullVal(lists)},
		"unknown":        {command, cty.DynamicVal, cty.UnknownVal(lists)},
		"tuple":          {command, cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.NumberIntVal(1)}), list("a", "1")},
		"list":           {command, list("a", "b"), list("a", "b")},
		"number":         {value, cty.NumberIntVal(1), cty.StringVal("1")},
	} {
		if got, err := c.a.Convert(c.in); err != nil || !got.RawEquals(c.want) {
			t.Errorf("%s became %#v, error %v", name, got, err)
		}
	}
	if _, err := command.Convert(cty.True); err == nil {
		t.Error("a bool is taken for a command")
	}
	if command.Accepts() != cty.DynamicPseudoType || value.Accepts() != cty.String {
		t.Error("Accepts")
	}
}
