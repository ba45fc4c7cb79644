package guard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/kplan/kplan/test/usage"
)

// bounded fails where f allocates more than 200 MiB beyond what is freed on the
// way, or takes more than three seconds of processor time: a second on a
// machine at rest.
func bounded(t *testing.T, f func()) {
	t.Helper()
	usage.Within(t, 3*time.Second, 200<<20, f)
}

func TestParseRefuses(t *testing.T) {
	r := strings.Repeat
	const deep, large, long, encoding = "Source nested too deep", "File too large", "Line too long", "Not UTF-8"
	tests := map[string]struct{ src, summary string }{
		"brackets":            {"a = " + r("[", 200_000), deep},
		"parentheses":         {"a = " + r("(", 100_000), deep},
		"braces":              {"a = " + r("{", 4_000_000), deep},
		"closed":              {"a = " + r("[", 300) + r("]", 300), deep},
		"templates":           {"a = " + r(`"${`, 50_000), deep},
		"controls":            {`a = "` + r(`%{ if true }`, 30_000) + `"`, deep},
		"control mismatched":  {`a = "` + r(`%{ if true }%{ endfor }`, 20_000) + `"`, deep},
		"control for":         {`a = "` + r(`%{ for x in y ~}`, 30_000) + `"`, deep},
		"heredoc controls":    {"a = <<E\n" + r("%{ if true }\n", 30_000) + "E\n", deep},
		"heredocs":            {"a = " + r("<<E\n${", 50_000), deep},
		"not":                 {"a = " + r("!", 200_000) + "b", deep},
		"minus":               {"a = " + r("-", 200_000) + "b", deep},
		"minus on lines":      {"a = (" + r(r("-", 150)+"\n", 500) + "b)", deep},
		"conditionals":        {"a = " + r("a ? b : ", 50_000) + "c", deep},
		"conditionals inside": {"a = " + r("a ? ", 90_000) + "c", deep},
		"operators":           {"a = 1" + r("+1", 90_000), deep},
		"logical":             {"a = b" + r("||b", 60_000), deep},
		"operators in for":    {"a = {for k, v in x : k => 1" + r("\n + 1", 70_000) + "}", deep},
		"operators, comments": {"a = {for k, v in x : k => 1" + r("\n # c\n + 1", 50_000) + "}", deep},
		"operators, trailing": {"a = {for k, v in x : k => 1 " + r("+ \n1", 60_000) + "}", deep},
		"blocks":              {r("a {\n", 900_000), deep},
		"attributes":          {"a = b" + r(".b", 100_000), deep},
		"indexes":             {"a = b" + r("[c]", 70_000), deep},
		"literal indexes":     {"a = b" + r("[0]", 70_000), deep},
		"splats":              {"a = b" + r("[*]", 70_000), deep},
		"attribute splats":    {"a = b" + r(".*", 90_000), deep},
		"calls":               {"a = " + r("f(", 900_000), deep},
		"namespaces":          {"a = f" + r("::f", 60_000), deep},
		"mismatched":          {"a = " + r("(]", 100_000), deep},
		"for":                 {"a = " + r("[for x in ", 300_000), deep},
		"many tokens":         {"a = [" + r("1,", 2_000_000) + "]", large},
		"many attributes":     {r("a=1\n", 1_000_000), large},
		"many lines":          {r("\n", 4<<20), large},
		"many parts":          {`a = "` + r("${b}", 1_000_000) + `"`, large},
		"long heredoc":        {"a = <<E\n" + r("x\n", 200_000) + "E\n", "Text too long"},
		"wide heredoc":        {"a = <<E\n" + r(r("x", 400)+"\n", 10_000) + "E\n", "Text too long"},
		"heredoc of newlines": {"a = <<-E\n" + r("\n", 200_000) + "E\n", "Text too long"},
		"escapes":             {`a = "` + r(`\n`, 500_000) + `"`, ""},
		"escaped sequences":   {`a = "` + r(`$${`, 100_000) + `"`, ""},
		"dollars":             {`a = "` + r(`$ `, 1_500_000) + `"`, large},
		"large":               {r("#", 4<<20) + "\n", large},
		"open comments":       {"a = 1 " + r("/* ", 1_300_000), "Comment without an end"},
		"long line":           {`a = "` + r("x", 2<<20) + `"` + "\n", long},
		"long line, unended":  {"b = 1\na = \"" + r("x", 2<<20), long},
		"long name":           {r("x", 2<<20), long},
		"long comment":        {"# " + r("x", 2<<20) + "\n", long},
		"long number":         {"a = " + r("1", 1_000_000), "Number out of range"},
		"large number":        {"a = 1e999999999", "Number out of range"},
		"huge exponent":       {"a = 1e99999999999999999999", "Number out of range"},
		"UTF-8":               {"a = \"\xff\"", encoding},
		"UTF-16":              {"\xff\xfea\x00", encoding},
		"UTF-16 big":          {"\xfe\xff\x00a", encoding},
		"NUL":                 {"a = \"\x00\"", "Not a text file"},
	}
	for _, name := range usage.Sample(slices.Sorted(maps.Keys(tests))) {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			bounded(t, func() {
				f, diags := Parse("a.kplan.hcl", []byte(test.src), NewBudget())
				if f == nil || f.Body == nil || !diags.HasErrors() && test.summary != "" {
					t.Fatal("not refused")
				}
				if test.summary == "" {
					return
				}
				d := diags[0]
				switch {
				case test.summary != "" && d.Summary != test.summary:
					t.Errorf("%s: %s", d.Summary, d.Detail)
				case d.Summary == deep && !strings.Contains(d.Detail, "nested too deep"):
					t.Errorf("%s", d.Detail)
				case d.Subject == nil || d.Subject.Filename != "a.kplan.hcl":
					t.Errorf("subject %v", d.Subject)
				}
			})
		})
	}
}

// What is large but not deep is read.
func TestParseAccepts(t *testing.T) {
	r := strings.Repeat
	tests := map[string]string{
		"empty":            "",
		"byte order mark":  "\ufeffa = 1\n",
		"CRLF":             "a = 1\r\nb {\r\n  c = 2\r\n}\r\n",
		"long line":        `a = "` + r("x", 1<<20-6) + `"` + "\n",
		"long comment":     "# " + r("x", 1<<20-2) + "\n",
		"long heredoc":     "a = <<E\n" + r("some text of a manifest [ ( {, made a bit longer\n", 5_000) + "E\n",
		"globs in heredoc": "a = <<E\n" + r("rm /tmp/*\n", 9_000) + "E\n",
		"many attributes":  manyAttributes(50_000),
		"many blocks":      r("a \"b\" {\n  c = [1, 2]\n}\n", 10_000),
		"many operators":   "a = 1" + r(" + 1", 900) + "\n",
		"operators apart":  "a = [" + r("1 + 1 + 1, ", 10_000) + "]\n",
		"unary apart":      "a = !b" + r(" && !b", 500) + "\n",
		"conditions apart": r("a {\n b = c ? d : e\n}\n", 5_000),
		"parts":            `a = "` + r("${b}", 40_000) + `"` + "\n",
		"directives apart": "a = <<E\n" + r("%{ if true }x%{ else }y%{ endif }\n", 10_000) + "E\n",
		"nested":           "a = " + r("[", 190) + r("]", 190) + "\n",
		"objects":          "a = {\n" + r("b.c[0] = -1\n", 0) + r("\"k\" = f(1, -2)\n", 10_000) + "}\n",
		"comment":          "/* a */ a = 1 /* b */\n",
		"template quote":   `a = "\"${b["x"]}\" $${ %%{"` + "\n",
	}
	for _, name := range usage.Sample(slices.Sorted(maps.Keys(tests))) {
		src := tests[name]
		t.Run(name, func(t *testing.T) {
			bounded(t, func() {
				if _, diags := Parse("a.kplan.hcl", []byte(src), NewBudget()); diags.HasErrors() {
					t.Error(diags[0].Summary, diags[0].Detail, diags[0].Subject)
				}
			})
		})
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d = 1\n", i)
	}
	return b.String()
}

func TestPositions(t *testing.T) {
	_, diags := Parse("a.kplan.hcl", []byte("a = 1\nb = \"é\xffx\"\n"), NewBudget())
	if got := diags[0].Subject.Start; got != (hcl.Pos{Line: 2, Column: 7, Byte: 13}) {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(diags[0].Detail, "offset 13") {
		t.Error(diags[0].Detail)
	}
	_, diags = Parse("a.kplan.hcl", []byte("a = 1\n# "+strings.Repeat("x", MaxLine)+"\n"), NewBudget())
	if got := diags[0].Subject.Start; got != (hcl.Pos{Line: 2, Column: 1, Byte: 6}) {
		t.Errorf("%+v", got)
	}
}

// Wrapped expressions still answer to hcl's static analysis.
func TestStatic(t *testing.T) {
	f, diags := Parse("a.kplan.hcl", []byte("a = [b.c, d.e[\"x\"]]\nt = list(object({x = string}))\nv = [for x in y : \"${x}${z.w}\" if x != q]\nm = {a = b.c}\n"), NewBudget())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attrs := f.Body.(*hclsyntax.Body).Attributes
	list, diags := hcl.ExprList(attrs["a"].Expr)
	if len(list) != 2 || diags.HasErrors() {
		t.Error(list, diags)
	}
	if tr, diags := hcl.AbsTraversalForExpr(list[1]); len(tr) != 3 || diags.HasErrors() {
		t.Error(tr, diags)
	}
	if call, diags := hcl.ExprCall(attrs["t"].Expr); diags.HasErrors() || call.Name != "list" {
		t.Error(diags)
	}
	if pairs, diags := hcl.ExprMap(attrs["m"].Expr); len(pairs) != 1 || diags.HasErrors() {
		t.Error(diags)
	}
	var names []string
	for _, v := range attrs["v"].Expr.Variables() {
		names = append(names, v.RootName())
	}
	if got := strings.Join(names, " "); got != "y z q" {
		t.Error(got)
	}
}

// FuzzParse finds no input that panics, and none that hcl accepts with another
// body than guard's.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a = 1\n", "a \"b\" {\n c = [for x in y : x]\n}\n", "a = <<E\n${b}\nE\n", "a = \"%{ if b }c%{ endif }\"\n", "a = -b ? !c : d[*].e\n", "a = f(b...)\n/* c */"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b := NewBudget()
		file, diags := Parse("a", src, b)
		if diags.HasErrors() {
			return
		}
		for _, a := range file.Body.(*hclsyntax.Body).Attributes {
			a.Expr.Variables()
			a.Expr.Value(nil)
		}
	})
}
