package guard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/kplan/kplan/test/usage"
)

func list(n int) cty.Value {
	vals := make([]cty.Value, n)
	for i := range vals {
		vals[i] = cty.Zero
	}
	return cty.TupleVal(vals)
}

// context is what the expressions of all the tests are evaluated in.
var context = sync.OnceValue(func() *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"fifty":    list(50),
			"range200": list(200),
			"many":     list(900_000),
			"half":     list(500_000),
			"k":        list(1000),
			"big":      cty.StringVal(strings.Repeat("x", 1<<20)),
			"digits":   cty.StringVal(strings.Repeat("1", 1<<20)),
			"unknown":  cty.UnknownVal(cty.Bool),
			"large":    cty.MustParseNumberVal("1e900"),
		},
		Functions: map[string]function.Function{"length": stdlib.LengthFunc, "max": stdlib.MaxFunc},
	}
})

func TestBudget(t *testing.T) {
	const elements, memory, steps = "makes more than 1,000,000 elements", "needs more than 64 MiB", "takes more than 10,000,000 steps"
	x10 := func(s string) string { return "[" + strings.TrimSuffix(strings.Repeat(s+", ", 10), ", ") + "]" }
	nested := "big"
	for range 12 {
		nested = "[for x in [" + nested + "] : " + x10("x") + "][0]"
	}
	tests := map[string]struct{ src, msg string }{
		"four nested for":     {"[for a in fifty : [for b in fifty : [for c in fifty : [for d in fifty : a]]]]", elements},
		"none taken":          {"[for a in fifty : [for b in fifty : [for c in fifty : [for d in fifty : a if false]]]]", elements},
		"objects":             {"{for a in fifty : \"${a}\" => {for b in fifty : \"${b}\" => {for c in fifty : \"${c}\" => {for d in fifty : \"${d}\" => a}}}}", elements},
		"duplicate keys":      {"{for a in many : \"x\" => a}", "gives more than 10,000 errors"},
		"grouped":             {"[for b in fifty: {for a in many : \"x\" => a...}]", elements},
		"splat of splats":     {"[for a in many : fifty[*]]", elements},
		"text":                {"[for a in fifty : \"${big}${big}\"]", memory},
		"text in directives":  {"\"%{for a in fifty}${big}%{for b in fifty}${big}%{endfor}%{endfor}\"", memory},
		"text of one part":    {"\"%{for a in many}${big}%{endfor}\"", memory},
		"literal text":        {"[for a in k : [for b in k : \"" + strings.Repeat("x", 1000) + "\"]]", memory},
		"literal in template": {"\"%{for a in half}" + strings.Repeat("x", 1000) + "%{endfor}\"", memory},
		"long expression":     {"[for a in k : [for b in k : 1" + strings.Repeat(" + a", 300) + "]]", steps},
		"errors":              {"[for a in many : a.b]", "gives more than 10,000 errors"},
		"errors of splat":     {"many[*].b", "gives more than 10,000 errors"},
		"shared":              {nested, elements},
		"shared text":         {"[" + strings.Repeat("big, ", 100) + "]", memory},
		"shared in object":    {"{a = many, b = many}", elements},
		"compared":            {"[for a in fifty : many == many]", steps},
		"conditional":         {"[for a in fifty : true ? half : [a]]", steps},
		"in the other branch": {"[for a in fifty : true ? a : [for b in k : [for c in fifty : c]]]", elements},
		"expanded":            {"[for a in fifty : max(half...)]", elements},
		"squares":             {"large * large * large * large", "a number that is out of range"},
		"divided":             {"1 / (large * large)", "a number that is out of range"},
		"digits":              {"digits + 1", "a number that is out of range"},
		"negated digits":      {"-digits", "a number that is out of range"},
	}
	for _, name := range usage.Sample(slices.Sorted(maps.Keys(tests))) {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			ctx := context()
			bounded(t, func() {
				b := NewBudget()
				if test.msg == steps {
					// the rest of the budget shows as much, sooner
					if err := b.Steps(MaxSteps * 8 / 10); err != nil {
						t.Fatal(err)
					}
				}
				f, diags := Parse("a.kplan.hcl", []byte("a = "+test.src+"\n"), b)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				v, diags := f.Body.(*hclsyntax.Body).Attributes["a"].Expr.Value(ctx)
				if !diags.HasErrors() {
					if b.Err() == nil {
						t.Fatalf("not refused")
					}
					diags = hcl.Diagnostics{b.Err()}
				}
				d := diags[0]
				if !strings.Contains(d.Detail, test.msg) || !strings.HasPrefix(d.Detail, "Evaluating ") {
					t.Errorf("%s: %s", d.Summary, d.Detail)
				}
				if d.Subject == nil || d.Subject.Filename != "a.kplan.hcl" {
					t.Errorf("subject %v", d.Subject)
				}
				if len(diags) > 100 && !strings.Contains(test.msg, "errors") {
					t.Errorf("%d diagnostics", len(diags))
				}
				_ = v
			})
		})
	}
}

// What a budget that is used up stops, it stops everywhere.
func TestUsedUp(t *testing.T) {
	b := NewBudget()
	f, _ := Parse("a", []byte("a = [for a in k : [for b in k : [for c in k : c]]]\nb = [for a in fifty : a]\n"), b)
	attrs := f.Body.(*hclsyntax.Body).Attributes
	ctx := context()
	if _, diags := attrs["a"].Expr.Value(ctx); len(diags) != 1 || diags[0] != b.Err() {
		t.Errorf("%v", diags)
	}
	if _, diags := attrs["b"].Expr.Value(ctx); len(diags) != 1 || diags[0] != b.Err() {
		t.Errorf("%v", diags)
	}
	if b.Failed() == nil || b.Value("local.a", cty.True, hcl.Range{}) == nil || b.Elements(1) == nil {
		t.Error("still goes on")
	}
}

func TestGrant(t *testing.T) {
	b := NewBudget()
	b.Grant(100)
	if err := b.Elements(MaxElements + 50_000); err != nil {
		t.Error(err)
	}
	if err := b.Bytes(MaxBytes + 1<<20); err != nil {
		t.Error(err)
	}
	if err := b.Elements(100_000); err == nil {
		t.Error("no end")
	}
}

// A few lines in which every local holds the one before it ten times.
func TestLaughs(t *testing.T) {
	for _, kind := range []string{"tuple", "object", "list", "text", "unknown"} {
		t.Run(kind, func(t *testing.T) {
			bounded(t, func() {
				b := NewBudget()
				v := cty.StringVal("ha")
				if kind == "text" {
					v = cty.StringVal(strings.Repeat("ha", 1<<18))
				}
				if kind == "unknown" {
					v = cty.UnknownVal(cty.Tuple([]cty.Type{cty.String, cty.String, cty.Number}))
				}
				for i := range 12 {
					name := fmt.Sprintf("local.%c", 'a'+i)
					if diags := b.Value(name, v, hcl.Range{Filename: "a"}); diags.HasErrors() {
						if !strings.HasPrefix(diags[0].Detail, "Evaluating "+name) || diags[0].Subject == nil {
							t.Error(diags[0].Detail)
						}
						t.Log(diags[0].Detail)
						return
					}
					vs := make([]cty.Value, 10)
					for i := range vs {
						vs[i] = v
					}
					switch kind {
					case "object":
						v = cty.ObjectVal(map[string]cty.Value{"a": v, "b": v, "c": v, "d": v, "e": v, "f": v})
					case "list":
						v = cty.ListVal(vs)
					case "unknown":
						types := make([]cty.Type, 10)
						for i := range types {
							types[i] = v.Type()
						}
						v = cty.UnknownVal(cty.Tuple(types))
					default:
						v = cty.TupleVal(vs)
					}
				}
				t.Error("not refused")
			})
		})
	}
}

func TestValueDepth(t *testing.T) {
	v := cty.True
	for range 100_000 {
		v = cty.TupleVal([]cty.Value{v})
	}
	b := NewBudget()
	if diags := b.Value("local.a", v, hcl.Range{}); !diags.HasErrors() || !strings.Contains(diags[0].Detail, "nested too deep") {
		t.Error(diags)
	}
	if diags := b.Value("local.a", cty.UnknownVal(v.Type()), hcl.Range{}); !diags.HasErrors() {
		t.Error("unknown not refused")
	}
	if b.Err() != nil {
		t.Error("one large value must not use up the budget")
	}
}

func TestNumbers(t *testing.T) {
	for _, s := range []string{"0", "-1", "1e300", "1e-300", "123456789012345678901234567890"} {
		if err := CheckNumber(cty.MustParseNumberVal(s)); err != nil {
			t.Error(s, err)
		}
	}
	for _, v := range []cty.Value{cty.PositiveInfinity, cty.NegativeInfinity, cty.MustParseNumberVal("1e9999"), cty.MustParseNumberVal("1e-9999")} {
		if CheckNumber(v) == nil {
			t.Errorf("%#v", v.AsBigFloat().MantExp(nil))
		}
	}
	for s, want := range map[string]bool{"12": true, "1e10": true, "1E-10": true, "1e9999": false, "1e99999999999999999999": false, strings.Repeat("1", 2000): false, "x": true} {
		if ShortNumber(s) != want {
			t.Error(s)
		}
	}
}
