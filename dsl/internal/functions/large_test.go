package functions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/dsl/internal/guard"
	"github.com/kplan/kplan/test/usage"
)

// What is small to write and large to make is refused soon.
func TestLarge(t *testing.T) {
	digits := strings.Repeat("1", 4000)
	laughs := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ","))
	}
	files := RecordedFiles(map[string][]byte{
		"big":    []byte(strings.Repeat("x", 1<<20)),
		"json":   []byte("[" + strings.Repeat("1,", 500_000) + "1]"),
		"deep":   []byte(strings.Repeat("[", 1<<20)),
		"nested": []byte(strings.Repeat("- ", 500_000)),
		"laughs": []byte(laughs),
		"digits": []byte(strings.Repeat("1", 1<<20)),
		"exp":    []byte("[1e999999999]"),
		"keys":   []byte(strings.Repeat("? ", 500_000)),
		"lines":  []byte(strings.Repeat("a\n", 500_000)),
		"tpl":    []byte("%{ for a in x }%{ for b in x }%{ for c in x }%{ for d in x }y%{ endfor }%{ endfor }%{ endfor }%{ endfor }"),
	}, nil)
	for _, src := range usage.Sample([]string{
		`range(1e12)`,
		`range(0, 1, 1e-300)`,
		`setproduct(range(1000), range(1000), range(1000))`,
		`setproduct(range(1000), range(1000))`,
		`format("%999999999d", 1)`,
		`format("%.999999999f", 1)`,
		`formatlist("%9999s", [for a in range(1000) : range(20)]...)`,
		`formatlist("%9999s", flatten([for a in range(100) : range(1000)]))`,
		`join(file("big"), range(100))`,
		`replace(file("big"), "x", file("big"))`,
		`replace(file("big"), "", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")`,
		`replace(file("big"), "/.*/", "` + strings.Repeat("$0", 100) + `")`,
		`[for a in range(1000) : file("big")][0] == "" ? 1 : [for a in range(1000) : upper(file("big"))]`,
		`[for a in range(1000) : sha256(file("big"))]`,
		`split("", join("", [for a in range(3) : file("big")]))`,
		`regexall("", join("", [for a in range(3) : file("big")]))`,
		`regex("` + strings.Repeat("(a|b)*", 700) + `", file("big"))`,
		`regex("` + strings.Repeat("a?", 3000) + `", "a")`,
		`indent(1e9, "a\nb")`,
		`indent(9999, file("lines"))`,
		`pow(10, 1e9)`,
		`pow(1e300, 1e300)`,
		`parseint(file("digits"), 10)`,
		`tonumber(file("digits"))`,
		`tonumber("1e999999999")`,
		`"${tonumber("1e9999")}"`,
		`sum([file("digits"), 1])`,
		`jsondecode(file("exp"))`,
		`[for a in range(100) : jsondecode(file("json"))]`,
		`jsondecode(file("deep"))`,
		`yamldecode(file("deep"))`,
		`yamldecode(file("nested"))`,
		`yamldecode(file("keys"))`,
		`yamldecode(file("laughs"))`,
		`yamldecode(file("exp"))`,
		`templatefile("tpl", {x = range(50)})`,
		`flatten([for a in range(1000) : [for b in range(1000) : [a, b]]])`,
		`concat([for a in range(1000) : range(1000)]...)`,
		`max([for a in range(1000) : [for b in range(1000): b]]...)`,
		`[for a in range(1000) : distinct([for b in range(1000) : "${a}-${b}"])]`,
		`[for a in range(1000) : contains(range(1000), a)][0] ? 1 : [for a in range(1000) : [for b in range(1000) : contains(range(1000), b)]]`,
		`chunklist([for a in range(1000) : "${a}"], 1)[0] == [] ? 1 : [for a in range(1000) : chunklist(range(1000), 1)]`,
		`merge([for a in range(1000) : {for b in range(1000) : "${a}-${b}" => b}]...)`,
		`tolist([for a in range(1000) : {"k${a}" = a}])[0] == {} ? 1 : [for a in range(100) : tolist([for a in range(1000) : {"k${a}" = a}])]`,
		`try([for a in range(1000) : [for b in range(1000) : b]], "swallowed")`,
		`can([for a in range(1000) : [for b in range(1001) : b]])`,
		`cidrhost("fd00::/8", 1e300)`,
		`cidrsubnet("fd00::/8", 1e300, 1)`,
		`cidrsubnets("10.0.0.0/8", [for a in range(1000) : 24 / 4]...)`,
		`base64encode(join("", [for a in range(60) : file("big")]))`,
		`jsonencode([for a in range(1000) : file("big")])`,
		`format("` + strings.Repeat("%[1]s", 1000) + `", file("big"))`,
		`tonumber("` + digits + `")`,
	}) {
		t.Run(src[:min(len(src), 60)], func(t *testing.T) {
			ctx, b := scope(files)
			if b.Steps(guard.MaxSteps*8/10) != nil || b.Elements(guard.MaxElements*8/10) != nil {
				t.Fatal("the rest of the budget shows as much, sooner")
			}
			e, diags := guard.ParseExpression("x", []byte(src), b)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			usage.Within(t, 10*time.Second, 400<<20, func() { _, diags = e.Value(ctx) })
			if !diags.HasErrors() && b.Err() == nil {
				t.Error("not refused")
			}
		})
	}
}
