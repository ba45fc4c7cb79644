package functions

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/internal/guard"
)

var testFiles = map[string][]byte{
	"a.txt":         []byte("text of a\n"),
	"dir/b.txt":     []byte("b"),
	"dir/sub/c.yml": []byte("c: 1"),
	"bin":           {0xff, 0x00},
	"t.tpl":         []byte("Hello ${name}%{ for x in list } ${upper(x)}%{ endfor }"),
	"loop.tpl":      []byte(`${templatefile("loop.tpl", {})}`),
	"value.tpl":     []byte("${list}"),
	"bad.tpl":       []byte("${"),
	"fails.tpl":     []byte("${tonumber(name)}"),
	"reads.tpl":     []byte(`${file("dir/b.txt")}`),
}

// scope is an evaluation with secrets and unknowns in it.
func scope(files *Files) (*hcl.EvalContext, *guard.Budget) {
	b := guard.NewBudget()
	s := func(v cty.Value) cty.Value { return v.Mark(Sensitive) }
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"pw":       s(cty.StringVal("hunter2")),
			"digit":    s(cty.StringVal("7")),
			"u":        cty.UnknownVal(cty.String),
			"ul":       cty.UnknownVal(cty.List(cty.String)),
			"un":       cty.UnknownVal(cty.Number),
			"d":        cty.DynamicVal,
			"nul":      cty.NullVal(cty.String),
			"list":     cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
			"set":      cty.SetVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
			"map":      cty.MapVal(map[string]cty.Value{"k": cty.StringVal("v")}),
			"secrets":  s(cty.ListVal([]cty.Value{cty.StringVal("hunter2")})),
			"user":     cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("root"), "pw": s(cty.StringVal("hunter2"))}),
			"partly":   cty.ListVal([]cty.Value{cty.StringVal("a"), cty.UnknownVal(cty.String)}),
			"prefixed": cty.UnknownVal(cty.String).Refine().NotNull().StringPrefix("hunter2-").NewValue(),
		},
		Functions: Table(files, b),
	}, b
}

func eval(t *testing.T, src string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	ctx, b := scope(RecordedFiles(testFiles, slices.Collect(maps.Keys(testFiles))))
	e, diags := guard.ParseExpression("x", []byte(src), b)
	if diags.HasErrors() {
		t.Fatal(src, diags)
	}
	return e.Value(ctx)
}

func TestWhole(t *testing.T) {
	for _, name := range []string{"file", "trimspace", "jsonencode", "sha256", "format", "tostring", "can"} {
		if !Whole(name) {
			t.Errorf("%s gives parts", name)
		}
	}
	for _, name := range []string{"yamldecode", "jsondecode", "csvdecode", "merge", "lookup", "split", "try", "sensitive", "nonsensitive", "fileset", "nosuch"} {
		if Whole(name) {
			t.Errorf("%s gives no parts", name)
		}
	}
}

// Each line is a call and, as an expression, what it gives.
func TestValues(t *testing.T) {
	tests := strings.Split(strings.TrimSpace(`
abs(-1) = 1
ceil(1.2) = 2
floor(1.8) = 1
max(1, 3, 2) = 3
min(1, 3, 2) = 1
max([1, 2]...) = 2
parseint("ff", 16) = 255
pow(2, 10) = 1024
signum(-3) = -1
sum([1, 2, "3"]) = 6
chomp("a\n") = "a"
startswith("hello", "he") = true
endswith("hello", "lo") = true
strcontains("hello", "ll") = true
format("%03d %s %q", 7, "a", "b") = "007 a \"b\""
formatlist("%s-%d", ["a", "b"], 1) = tolist(["a-1", "b-1"])
indent(2, "a\nb") = "a\n  b"
join(", ", ["a", "b"], ["c"]) = "a, b, c"
join("-", [1, 2]) = "1-2"
lower("ABC") = "abc"
upper("abc") = "ABC"
title("abc def") = "Abc Def"
regex("(\\d)(\\d)", "a12") = ["1", "2"]
regexall("[a-z]", "a1b") = tolist(["a", "b"])
replace("a.b.c", ".", "-") = "a-b-c"
replace("a1b22", "/[0-9]+/", "<$0>") = "a<1>b<22>"
split(",", "a,b") = tolist(["a", "b"])
strrev("abc") = "cba"
substr("hello", 1, 3) = "ell"
trim("xax", "x") = "a"
trimprefix("v1", "v") = "1"
trimsuffix("a.b", ".b") = "a"
trimspace(" a ") = "a"
alltrue([true, "true"]) = true
alltrue([]) = true
alltrue([true, null]) = false
anytrue([false, true]) = true
anytrue([]) = false
chunklist(["a", "b", "c"], 2) = tolist([tolist(["a", "b"]), tolist(["c"])])
coalesce(null, "", "a") = "a"
coalesce(null, 0) = 0
coalescelist([], ["a"]) = ["a"]
compact(["a", "", null]) = tolist(["a"])
concat(["a"], ["b"]) = ["a", "b"]
contains(["a"], "a") = true
distinct(["a", "b", "a"]) = tolist(["a", "b"])
distinct([]) = tolist([])
element(["a", "b"], 3) = "b"
flatten([["a"], [["b"]]]) = ["a", "b"]
index(["a", "b"], "b") = 1
keys({b = 1, a = 2}) = ["a", "b"]
length(["a"]) = 1
length("héllo") = 5
length({a = 1}) = 1
length(ul) = length(ul)
lookup({a = 1}, "a") = 1
lookup({a = 1}, "b", 2) = 2
lookup(map, "x", null) = nul
lookup(map, "k", "x") = "v"
matchkeys(["a", "b"], ["x", "y"], ["y"]) = tolist(["b"])
merge({a = 1}, {b = 2}) = {a = 1, b = 2}
one(["a"]) = "a"
one([]) = null
one(toset(["a"])) = "a"
range(3) = tolist([0, 1, 2])
reverse([1, 2]) = [2, 1]
setintersection(["a", "b"], ["b"]) = toset(["b"])
setproduct(["a"], ["b", "c"]) = tolist([["a", "b"], ["a", "c"]])
setsubtract(["a", "b"], ["b"]) = toset(["a"])
setunion(["a"], ["b"]) = toset(["a", "b"])
slice(["a", "b", "c"], 1, 2) = ["b"]
sort(["b", "a"]) = tolist(["a", "b"])
transpose({a = ["1", "2"], b = ["2"]}) = tomap({"1" = tolist(["a"]), "2" = tolist(["a", "b"])})
values({b = 1, a = 2}) = [2, 1]
zipmap(["a"], [1]) = {a = 1}
tobool("true") = true
tonumber("1.5") = 1.5
tostring(1) = "1"
tolist(toset(["a"])) = tolist(["a"])
tolist([1, "a"]) = tolist(["1", "a"])
tolist(null) = tolist(null)
toset(["a", "a"]) = toset(["a"])
tomap({a = 1, b = "x"}) = tomap({a = "1", b = "x"})
base64encode("hi") = "aGk="
base64decode("aGk=") = "hi"
sha256("") = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
base64sha256("") = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
csvdecode("a,b\n1,2\n") = tolist([{a = "1", b = "2"}])
jsondecode("{\"a\":[1,true,null]}") = {a = [1, true, null]}
jsonencode({a = [1, true, null]}) = "{\"a\":[1,true,null]}"
urlencode("a b&c") = "a+b%26c"
yamldecode("a: [1, x]") = {a = [1, "x"]}
yamlencode({a = ["x"]}) = "\"a\":\n- \"x\"\n"
cidrhost("10.0.0.7/24", 1) = "10.0.0.1"
cidrhost("10.0.0.0/24", -1) = "10.0.0.255"
cidrhost("fd00::/64", 16) = "fd00::10"
cidrnetmask("10.0.0.0/12") = "255.240.0.0"
cidrsubnet("10.0.0.0/8", 8, 3) = "10.3.0.0/16"
cidrsubnet("fd00::/48", 16, 162) = "fd00:0:0:a2::/64"
cidrsubnets("10.1.0.0/16", 4, 4, 8, 4) = tolist(["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24", "10.1.48.0/20"])
cidrcontains("10.0.0.0/8", "10.1.2.3") = true
cidrcontains("10.0.0.0/8", "10.1.0.0/16") = true
cidrcontains("10.1.0.0/16", "10.0.0.0/8") = false
cidrcontains("10.0.0.0/8", "fd00::1") = false
basename("/a/b") = "b"
dirname("/a/b") = "/a"
formatdate("YYYY", "2020-01-02T03:04:05Z") = "2020"
timeadd("2020-01-02T03:04:05Z", "1h") = "2020-01-02T04:04:05Z"
file("a.txt") = "text of a\n"
file("dir/../a.txt") = "text of a\n"
filebase64("bin") = "/wA="
filesha256("dir/b.txt") = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
fileset(".", "**/*.txt") = toset(["a.txt", "dir/b.txt"])
fileset("dir", "*") = toset(["b.txt"])
fileset("dir", "**") = toset(["b.txt", "sub/c.yml"])
templatefile("t.tpl", {name = "x", list = ["a", "b"]}) = "Hello x A B"
templatefile("value.tpl", {list = [1]}) = [1]
try(map.k, "x") = "v"
try(map.nosuch.x, "x") = "x"
try(user.nosuch, user.name) = "root"
can(map.k) = true
can(user.nosuch) = false
can(regex("^1\\.[0-9]+$", "1.34")) = true
can(u) = can(u)
issensitive(pw) = true
issensitive("a") = false
nonsensitive(pw) = "hunter2"
nonsensitive(sensitive("a")) = "a"
sensitive("a") = sensitive("a")
`), "\n")
	called := map[string]bool{}
	for _, line := range tests {
		src, want, _ := strings.Cut(line, " = ")
		// the call ends at the last ") = "
		if i := strings.LastIndex(line, ") = "); i >= 0 {
			src, want = line[:i+1], line[i+4:]
		}
		if n := strings.Count(src, "(") - strings.Count(src, ")"); n != 0 && !strings.Contains(line, "regex") {
			t.Fatalf("%s", line)
		}
		called[src[:strings.IndexByte(src, '(')]] = true
		got, diags := eval(t, src)
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
			continue
		}
		w, diags := eval(t, want)
		if diags.HasErrors() {
			t.Fatal(want, diags)
		}
		if !same(got, w) {
			t.Errorf("%s = %#v, want %#v", src, got, w)
		}
	}
	for _, name := range Names() {
		if !called[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

// same allows a list for a tuple of the same elements.
func same(a, b cty.Value) bool {
	if a.RawEquals(b) {
		return true
	}
	if a.IsMarked() || b.IsMarked() || a.IsNull() || b.IsNull() || !a.IsKnown() || !b.IsKnown() || !a.CanIterateElements() || !b.CanIterateElements() || a.LengthInt() != b.LengthInt() {
		return a.IsNull() && b.IsNull()
	}
	for i, j := a.ElementIterator(), b.ElementIterator(); i.Next() && j.Next(); {
		_, x := i.Element()
		_, y := j.Element()
		if !same(x, y) {
			return false
		}
	}
	return true
}

func TestErrors(t *testing.T) {
	for src, want := range map[string]string{
		`file("../x")`:                        "outside the spec's directory",
		`file("/etc/hostname")`:               "the path is absolute",
		`file("nosuch")`:                      "no such file",
		`file("bin")`:                         "no text in UTF-8",
		`fileset("..", "*")`:                  "outside the spec's directory",
		`fileset(".", "[")`:                   "no pattern",
		`templatefile("loop.tpl", {})`:        `no function named "templatefile"`,
		`templatefile("t.tpl", {})`:           `the template uses "name"`,
		`templatefile("bad.tpl", {})`:         "bad.tpl:1",
		`templatefile("t.tpl", [])`:           "an object with",
		`templatefile("t.tpl", {"a b" = 1})`:  "no name that a template can use",
		`one(["a", "b"])`:                     "more than one",
		`sum([])`:                             "no number",
		`sum(["a"])`:                          "must be a number",
		`lookup({}, "a")`:                     "no element",
		`lookup("a", "b")`:                    "a map or object is required",
		`index(["a"], "b")`:                   "no element",
		`coalesce("", null)`:                  "neither null nor",
		`tonumber("x")`:                       `cannot convert "x"`,
		`upper(null)`:                         "must not be null",
		`cidrhost("10.0.0.0", 1)`:             "no network",
		`cidrhost("10.0.0.0/30", 4)`:          "no such address",
		`cidrhost("10.0.0.0/24", 1.5)`:        "whole number",
		`cidrsubnet("10.0.0.0/24", 9, 0)`:     "from 0 to 8",
		`cidrsubnet("10.0.0.0/24", 1, 2)`:     "no such part",
		`cidrsubnets("10.0.0.0/24", 1, 1, 1)`: "no room",
		`cidrnetmask("fd00::/8")`:             "no mask",
		`cidrcontains("10.0.0.0/8", "x")`:     "no address and no network",
		`replace("a", "/(/", "")`:             "no regular expression",
		`base64decode("/wA=")`:                "no text",
		`matchkeys(["a"], [], [])`:            "as many keys",
		`try()`:                               "at least one",
		`try(map.a.b, 1 + {})`:                "no expression succeeded",
		`length(1)`:                           "a collection or a text",
		`transpose({a = [null]})`:             "not be null",
		`yamldecode("a: [")`:                  "",
		`jsondecode("{")`:                     "",
		`format("%d", "x")`:                   "",
		`chunklist(["a"], -1)`:                "",
	} {
		_, diags := eval(t, src)
		if !diags.HasErrors() || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: %v", src, diags)
		}
		for _, d := range diags {
			if strings.Contains(d.Detail, "goroutine") {
				t.Errorf("%s: %s", src, d.Detail)
			}
		}
	}
}

// Every function takes unknown, null and dynamic arguments without a panic, and
// none shows or forgets a secret.
func TestOddArguments(t *testing.T) {
	odd := []string{"u", "ul", "un", "d", "null", "nul", "partly", "[u]", "{a = u}", `""`, "[]", "{}", "-1", "0.5", "true", "set", "map", "prefixed"}
	marked := []string{"pw", "digit", "secrets", "user", "[pw]", "{a = pw}", "sensitive(prefixed)", `"${pw}-${u}"`}
	for _, name := range Names() {
		for n := 1; n <= 3; n++ {
			for i, first := range slices.Concat(odd, marked) {
				args := make([]string, n)
				for j := range args {
					args[j] = slices.Concat(odd, marked)[(i+7*j)%(len(odd)+len(marked))]
				}
				args[0] = first
				src := fmt.Sprintf("%s(%s)", name, strings.Join(args, ", "))
				v, diags := eval(t, src)
				secret := slices.ContainsFunc(args, func(a string) bool { return slices.Contains(marked, a) })
				for _, d := range diags {
					if strings.Contains(d.Detail, "panic") || strings.Contains(d.Detail, "cannot do this") {
						t.Errorf("%s: %s", src, d.Detail)
					}
					if strings.Contains(d.Detail, "hunter2") || secret && strings.Contains(d.Detail, `"7"`) {
						t.Errorf("%s shows a secret: %s", src, d.Detail)
					}
				}
				if diags.HasErrors() || !secret {
					continue
				}
				plain, marks := v.UnmarkDeep()
				if len(marks) == 0 && strings.Contains(fmt.Sprintf("%#v", plain), "hunter2") && name != "nonsensitive" {
					t.Errorf("%s = %#v", src, v)
				}
				if len(marks) > 0 && !plain.IsKnown() && plain.Type() == cty.String && plain.Range().StringPrefix() != "" {
					t.Errorf("%s keeps a prefix: %#v", src, v)
				}
			}
		}
	}
}

func TestSensitive(t *testing.T) {
	for src, marked := range map[string]bool{
		`upper(pw)`:                                     true,
		`tonumber(digit)`:                               true,
		`file("a.txt")`:                                 false,
		`sensitive(file("a.txt"))`:                      true,
		`file("${nonsensitive("a.txt")}")`:              false,
		`file(sensitive("a.txt"))`:                      true,
		`length(secrets)`:                               true,
		`length([pw])`:                                  false,
		`length(pw)`:                                    true,
		`keys(user)`:                                    false,
		`lookup(user, "name", "")`:                      false,
		`lookup(user, "pw", "")`:                        true,
		`lookup(map, pw, "")`:                           true,
		`try(user.name, "x")`:                           false,
		`try(user.pw, "x")`:                             true,
		`try(tonumber(pw), 0)`:                          true,
		`try(1, pw)`:                                    true,
		`try(user.nosuch, 0)`:                           false,
		`try(tonumber(sensitive("x")), 0)`:              true,
		`try([for x in secrets : tonumber(x)], 0)`:      true,
		`[for x in [pw] : try(tonumber(x), 0)][0]`:      true,
		`try(u, pw)`:                                    true,
		`can(tonumber(pw))`:                             true,
		`can(tonumber(digit))`:                          true,
		`can(user.nosuch)`:                              false,
		`can(user.name)`:                                false,
		`can(u) || can(pw)`:                             true,
		`templatefile("t.tpl", {name = pw, list = []})`: true,
		`templatefile(sensitive("reads.tpl"), {})`:      true,
		`issensitive(pw)`:                               false,
		`nonsensitive(pw)`:                              false,
		`coalesce(pw, "a")`:                             true,
		`distinct(secrets)`:                             true,
		`sha256(pw)`:                                    true,
		`format("%s", pw)`:                              true,
		`"${"x"}${pw}"`:                                 true,
		`toset([pw])`:                                   true,
		`transpose({a = [pw]})`:                         true,
		`jsonencode(user)`:                              true,
	} {
		v, diags := eval(t, src)
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
			continue
		}
		if v.HasMarkDeep(Sensitive) != marked {
			t.Errorf("%s: marked is %v", src, !marked)
		}
	}
	for _, src := range []string{`tonumber(pw)`, `file(pw)`, `regex("(", pw)`, `jsondecode(pw)`, `index(secrets, "x")`, `cidrhost(pw, 1)`, `merge(secrets)`, `lookup({}, pw)`, `parseint(pw, 10)`, `templatefile("fails.tpl", {name = pw})`, `setproduct(pw)`, `base64decode(pw)`, `try(tonumber(pw), jsondecode(pw))`, `yamldecode("[${pw}")`} {
		_, diags := eval(t, src)
		if !diags.HasErrors() || !strings.Contains(diags[0].Detail, "(the argument is sensitive)") || strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

func TestScrub(t *testing.T) {
	prefixed := cty.UnknownVal(cty.String).Refine().NotNull().StringPrefix("hunter2-").NewValue()
	in := cty.ObjectVal(map[string]cty.Value{
		"a": prefixed.Mark(Sensitive),
		"b": prefixed,
		"c": cty.TupleVal([]cty.Value{prefixed}).Mark(Sensitive),
		"d": cty.ListVal([]cty.Value{prefixed, cty.StringVal("x").Mark(Sensitive)}),
		"e": cty.MapVal(map[string]cty.Value{"k": prefixed}).Mark(Sensitive),
		"f": cty.NullVal(cty.String).Mark(Sensitive),
		"g": cty.SetVal([]cty.Value{prefixed}).Mark(Sensitive),
		"h": cty.UnknownVal(cty.List(cty.String)).Refine().CollectionLengthLowerBound(3).NewValue().Mark(Sensitive),
	})
	u := cty.UnknownVal(cty.String)
	want := cty.ObjectVal(map[string]cty.Value{
		"a": u.Mark(Sensitive),
		"b": prefixed,
		"c": cty.TupleVal([]cty.Value{u}).Mark(Sensitive),
		"d": cty.ListVal([]cty.Value{prefixed, cty.StringVal("x").Mark(Sensitive)}),
		"e": cty.MapVal(map[string]cty.Value{"k": u}).Mark(Sensitive),
		"f": cty.NullVal(cty.String).Mark(Sensitive),
		"g": cty.SetVal([]cty.Value{u}).Mark(Sensitive),
		"h": cty.UnknownVal(cty.List(cty.String)).Mark(Sensitive),
	})
	if got := Scrub(in); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
	if got := Scrub(prefixed); !got.RawEquals(prefixed) {
		t.Error("without marks")
	}
}

func TestUnavailable(t *testing.T) {
	names := Names()
	for _, name := range []string{"timestamp", "uuid", "env", "bcrypt", "exec", "abspath", "md5"} {
		if why, ok := Unavailable(name); !ok || why == "" {
			t.Error(name)
		}
		if slices.Contains(names, name) {
			t.Error(name, "is there")
		}
	}
	for _, name := range names {
		if _, ok := Unavailable(name); ok {
			t.Error(name, "is there and not")
		}
	}
	if !slices.IsSorted(names) {
		t.Error("not sorted")
	}
}

// FuzzTry evaluates what it is given inside try and can: neither panics, nor
// shows a secret, nor loses its mark where the argument refers to it.
func FuzzTry(f *testing.F) {
	for _, s := range []string{"pw", "tonumber(pw)", "user.pw", "[for x in secrets : x]", "u", "map[pw]", "secrets[0] == \"a\" ? 1 : {}", "try(pw, 1)", "d", "{a = pw}.b", "\"${pw}${u}\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ctx, b := scope(RecordedFiles(testFiles, slices.Collect(maps.Keys(testFiles))))
		plain, diags := guard.ParseExpression("x", []byte(s), b)
		if diags.HasErrors() {
			return
		}
		refers := false
		for _, tr := range plain.Variables() {
			refers = refers || tr.RootName() == "pw"
		}
		for _, src := range []string{"try(" + s + "\n, 0)", "can(" + s + "\n)", "try(" + s + "\n)"} {
			e, diags := guard.ParseExpression("x", []byte(src), b)
			if diags.HasErrors() {
				return
			}
			v, diags := e.Value(ctx)
			if strings.Contains(diags.Error(), "hunter2") && !strings.Contains(s, "nonsensitive") && !strings.Contains(s, "hunter2") {
				t.Errorf("%s: %v", src, diags)
			}
			if refers && !diags.HasErrors() && !strings.Contains(s, "sensitive") && !v.HasMarkDeep(Sensitive) && strings.HasPrefix(src, "can") {
				t.Errorf("%s = %#v", src, v)
			}
		}
	})
}
