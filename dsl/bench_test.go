package dsl

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

// scale is a spec of n hosts with 20 resources each: some the same everywhere,
// some of the host's own name, facts and results.
func scale(n int) string {
	var b strings.Builder
	b.WriteString("-- main.kplan.hcl --\nlocals {\n  hosts = {\n")
	for i := range n {
		fmt.Fprintf(&b, "    h%d = \"10.%d.%d.%d\"\n", i, i>>16, i>>8&255, i&255)
	}
	b.WriteString(`  }
}
host "all" {
  for_each = local.hosts
  name     = each.key
  address  = each.value
  roles    = ["node"]
}
module "base" {
  source = "./base"
  nodes  = role.node
  config = "x"
}
-- base/main.kplan.hcl --
variable "nodes"  { type = list(host) }
variable "config" { type = string }
locals { dir = "/etc/${var.config}" }
resource "swap" "off" {
  on      = var.nodes
  enabled = false
}
`)
	for i := range 11 {
		fmt.Fprintf(&b, "resource \"file\" \"f%d\" {\n on = var.nodes\n path = \"${local.dir}/%d\"\n content = \"same\"\n depends_on = [swap.off]\n}\n", i, i)
	}
	for i := range 3 {
		fmt.Fprintf(&b, "resource \"file\" \"own%d\" {\n on = var.nodes\n path = \"/own/%d\"\n content = \"${each.host.name} ${each.host.address}\"\n}\n", i, i)
	}
	b.WriteString(`
resource "file" "fact" {
  on      = var.nodes
  path    = "/fact"
  content = each.host.facts.os
}
resource "file" "result" {
  on      = var.nodes
  path    = "/result"
  content = file.own0.content
}
resource "file" "barrier" {
  on         = var.nodes
  path       = "/barrier"
  depends_on = [all.file.result]
}
resource "sysctl" "keys" {
  for_each = { a = "1", b = "2" }
  on       = var.nodes
  key      = each.key
  value    = each.value
}
`)
	return b.String()
}

// benchScope knows facts of one kind, and the object of file.own0.
type benchScope struct{ facts, object cty.Value }

func (s benchScope) Facts(string) cty.Value                 { return s.facts }
func (s benchScope) Object(addr.Instance) (cty.Value, bool) { return s.object, true }

func benchEvaluate(tb testing.TB, hosts int) (took time.Duration, mib float64) {
	archive := scale(hosts)
	dir := write(tb, archive)
	object := cty.ObjectVal(map[string]cty.Value{
		"path": cty.StringVal("/"), "content": cty.StringVal("x"), "sensitive_content": cty.NullVal(cty.String), "owner": cty.StringVal("root"),
		"mode": cty.NullVal(cty.String), "labels": cty.NullVal(cty.Map(cty.String)), "parts": cty.NullVal(cty.List(cty.String)), "size": cty.Zero,
	})
	sc := benchScope{cty.ObjectVal(map[string]cty.Value{"os": cty.StringVal("debian")}), object}
	runtime.GC()
	start := time.Now()
	s, diags := Load(dir, Options{Types: testTypes()})
	noErrors(tb, diags)
	e, diags := s.Expand()
	noErrors(tb, diags)
	values := make([]cty.Value, len(e.Instances))
	for i, inst := range e.Instances {
		if values[i], diags = inst.Evaluate(sc); diags.HasErrors() {
			tb.Fatal(diags)
		}
	}
	took = time.Since(start)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if len(values) != 20*hosts {
		tb.Fatalf("%d instances", len(values))
	}
	runtime.KeepAlive(e)
	runtime.KeepAlive(values)
	return took, float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkScale expands and evaluates 10,000 and 100,000 instances, and says
// with which power of their number the time grows.
func BenchmarkScale(b *testing.B) {
	var small, large time.Duration
	var mib float64
	for range b.N {
		t, _ := benchEvaluate(b, 500)
		small += t
		t, m := benchEvaluate(b, 5000)
		large += t
		mib = max(mib, m)
	}
	n := float64(b.N)
	b.ReportMetric(small.Seconds()/n, "s/10k")
	b.ReportMetric(large.Seconds()/n, "s/100k")
	b.ReportMetric(mib, "MiB-live")
	b.ReportMetric(math.Log10(large.Seconds()/small.Seconds()), "exponent")
}
