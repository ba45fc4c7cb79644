package dsl

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func needs(ns []Need) []string {
	var out []string
	for _, n := range ns {
		out = append(out, n.String())
	}
	return out
}

func TestNeeds(t *testing.T) {
	_, e := expand(t, spec(`
resource "swap" "off" {
  on      = hosts
  enabled = false
}
resource "sysctl" "k" {
  for_each = { a = "1", b = "2" }
  on       = hosts
  key      = each.key
  value    = each.value
}
resource "file" "one" {
  on   = host.n1
  path = "/one"
}
resource "file" "workers" {
  on   = role.worker
  path = "/workers"
}
locals {
  everywhere = all.swap.off
  single     = file.one.path
}
resource "file" "here" {
  on      = hosts
  path    = "/here"
  content = sysctl.k["a"].value
}
resource "file" "keys" {
  on      = hosts
  path    = "/keys"
  content = join(",", [for k, s in sysctl.k : s.value])
}
resource "file" "that" {
  on      = hosts
  path    = "/that"
  content = file.one.content
}
resource "file" "all" {
  on      = hosts
  path    = "/all"
  content = join(",", [for h, s in local.everywhere : h])
  mode    = local.single
}
resource "file" "lit" {
  on      = host.n1
  path    = "/lit"
  content = true ? "x" : tostring(all.swap.off["n2"].enabled)
}
resource "file" "waits" {
  on         = hosts
  path       = "/waits"
  depends_on = [swap.off, file.workers, sysctl.k["b"], all.file.one]
}
resource "service" "s" {
  on        = hosts
  name      = "s"
  on_change = [file.keys]
  lifecycle {
    replace_triggered_by = [file.workers]
  }
}
resource "file" "never" {
  on       = hosts
  for_each = toset([])
  path     = "/never/${each.key}"
}
resource "service" "t" {
  on        = hosts
  name      = "t"
  on_change = [file.keys, file.one]
}
resource "service" "u" {
  on        = hosts
  name      = "u"
  on_change = [file.never, all.file.never]
}
`))
	for address, want := range map[string][]string{
		"file.here@n2":  {`sysctl.k["a"]@n2`},
		"file.keys@n2":  {`sysctl.k@n2`},
		"file.that@n3":  {`file.one@n1`},
		"file.all@n1":   {`swap.off on all hosts`, `file.one on all hosts`},
		"file.lit@n1":   {`swap.off@n2`},
		"file.waits@n1": {`swap.off@n1`, `file.workers on all hosts`, `sysctl.k["b"]@n1`, `file.one on all hosts`},
		"file.waits@n3": {`swap.off@n3`, `file.workers@n3`, `sysctl.k["b"]@n3`, `file.one on all hosts`},
		"service.s@n1":  {`file.keys@n1`},
		"swap.off@n1":   nil,
	} {
		equal(t, address, needs(find(t, e, address).Needs), want)
	}
	equal(t, "on_change", needs(find(t, e, "service.s@n1").OnChange), []string{"file.keys@n1"})
	for address, want := range map[string][]string{
		"service.t@n1": {`file.keys@n1`, `file.one@n1`},
		"service.t@n2": {`file.keys@n2`, `file.one@n1`, `file.one@n2`}, // where it may have been
		"service.u@n1": {`file.never@n1`, `file.never on all hosts`},
	} {
		equal(t, address, needs(find(t, e, address).OnChange), want)
	}
	equal(t, "service.u@n1", needs(find(t, e, "service.u@n1").Needs), nil)
	equal(t, "triggers", needs(find(t, e, "service.s@n1").Triggers), []string{"file.workers on all hosts"})
	if n := find(t, e, "file.here@n1").Needs[0]; n.Range.Start.Line != 27 || n.Range.Filename != "main.kplan.hcl" {
		t.Errorf("a need is at %v", n.Range)
	}
}

// object is an object of the fake type file.
func object(path, content string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"path": cty.StringVal(path), "content": cty.StringVal(content), "sensitive_content": cty.NullVal(cty.String), "owner": cty.StringVal("root"),
		"mode": cty.NullVal(cty.String), "labels": cty.NullVal(cty.Map(cty.String)), "parts": cty.NullVal(cty.List(cty.String)), "size": cty.Zero,
	})
}

func TestEvaluate(t *testing.T) {
	_, e := expand(t, spec(`
resource "file" "a" {
  on      = hosts
  path    = "/a"
  content = "${each.host.name} ${each.host.facts.os} ${facts["n2"].os} ${facts[each.host.name].os}"
}
resource "file" "b" {
  on      = hosts
  path    = "/b"
  content = "${file.a.content} ${all.file.a["n1"].content} ${all.file.a[each.host.name].content}"
  parts   = [for n, f in all.file.a : "${n}=${f.content}"]
}
resource "file" "k" {
  count   = 2
  on      = hosts
  path    = "/k/${count.index}"
  content = null
}
resource "file" "c" {
  on      = hosts
  path    = "/c"
  content = file.k[1].path
  labels  = { for h in hosts : h.name => each.host == h }
}
resource "exec" "named" {
  on      = host.n1
  command = "true"
}
`))
	sc := fakeScope{
		facts: map[string]cty.Value{
			"n1": cty.ObjectVal(map[string]cty.Value{"os": cty.StringVal("debian")}),
			"n2": cty.ObjectVal(map[string]cty.Value{"os": cty.StringVal("rocky")}),
		},
		objects: map[string]cty.Value{
			"file.a@n1": object("/a", "A1"), "file.a@n2": object("/a", "A2"), "file.a@n3": object("/a", "A3"), "file.k[1]@n1": object("/k/1", ""),
		},
	}
	text := cty.StringVal
	sameValue(t, "facts", attr(t, e, "file.a@n1", "content", sc), text("n1 debian rocky debian"))
	if v := attr(t, e, "file.a@n3", "content", sc); v.IsKnown() {
		t.Errorf("facts that were not read give %#v", v)
	}
	sameValue(t, "results", attr(t, e, "file.b@n2", "content", sc), text("A2 A1 A2"))
	sameValue(t, "all", attr(t, e, "file.b@n2", "parts", sc), cty.ListVal([]cty.Value{text("n1=A1"), text("n2=A2"), text("n3=A3")}))
	if v := attr(t, e, "file.b@n2", "content", NoScope{}); v.IsKnown() {
		t.Errorf("results that are not known give %#v", v)
	}
	sameValue(t, "count", attr(t, e, "file.k[1]@n2", "path", sc), text("/k/1"))
	sameValue(t, "null", attr(t, e, "file.k[1]@n2", "content", sc), cty.NullVal(cty.String))
	sameValue(t, "index", attr(t, e, "file.c@n1", "content", sc), text("/k/1"))
	sameValue(t, "equal hosts", attr(t, e, "file.c@n2", "labels", sc), cty.MapVal(map[string]cty.Value{"n1": text("false"), "n2": text("true"), "n3": text("false")}))
	sameValue(t, "default", attr(t, e, "file.c@n2", "owner", sc), text("root"))
	sameValue(t, "computed", attr(t, e, "file.c@n2", "size", sc), cty.UnknownVal(cty.Number))
	sameValue(t, "the resource's name", attr(t, e, "exec.named@n1", "name", sc), text("named"))
	equal(t, "facts used", find(t, e, "file.a@n1").FactsUsed(), []FactUse{{"n1", "os"}, {"n2", "os"}, {"", "os"}})
}

// TestShared holds that what is the same everywhere is evaluated once.
func TestShared(t *testing.T) {
	_, e := expand(t, spec(`
resource "file" "a" {
  on      = hosts
  path    = "/a"
  content = "same"
}
`))
	one, _ := e.Instances[0].Evaluate(NoScope{})
	other, _ := e.Instances[1].Evaluate(NoScope{})
	if allocs := testing.AllocsPerRun(10, func() { e.Instances[2].Evaluate(NoScope{}) }); allocs > 0 {
		t.Errorf("%v allocations for a shared object", allocs)
	}
	sameValue(t, "objects", one, other)
}
