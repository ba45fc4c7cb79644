package dsl

import (
	"testing"
	"testing/fstest"

	"github.com/zclconf/go-cty/cty"
)

const moduleSpec = `
locals { names = ["a", "b"] }
resource "swap" "off" {
  on      = hosts
  enabled = false
}
resource "file" "leader" {
  on   = host.n1
  path = "/leader"
}
module "site" {
  for_each   = { a = role.worker, b = [host.n1] }
  source     = "./site"
  nodes      = each.value
  name       = each.key
  leader     = file.leader.content
  depends_on = [swap.off]
}
module "counted" {
  count  = 2
  source = "./site"
  nodes  = host.n1
  name   = "c${count.index}"
  leader = ""
}
resource "file" "after" {
  on      = host.n1
  path    = "/after"
  content = module.site["a"].motd["n2"]
  mode    = module.counted[1].name
}
resource "file" "last" {
  on         = host.n1
  path       = "/last"
  depends_on = [module.site]
}
output "names" { value = [for k, m in module.site : m.name] }
output "motd" { value = module.site["a"].motd }
-- site/main.kplan.hcl --
variable "nodes" { type = list(host) }
variable "name" { type = string }
variable "leader" {}
variable "unset" {
  type    = object({ a = optional(string, "d"), h = optional(host) })
  default = {}
}
locals { text = "${var.name} led by ${var.leader}" }
resource "file" "motd" {
  on      = var.nodes
  path    = "/etc/motd-${var.unset.a}"
  content = local.text
}
module "inner" {
  source = "../inner"
  nodes  = var.nodes
}
output "motd" { value = { for h, f in all.file.motd : h => f.content } }
output "name" { value = var.name }
-- inner/main.kplan.hcl --
variable "nodes" { type = list(host) }
resource "exec" "x" {
  on      = [for h in var.nodes : h if h.name != "n3"]
  command = "true"
}
`

func TestModules(t *testing.T) {
	archive := "-- hosts.kplan.hcl --\n" + hosts3 + "-- main.kplan.hcl --\n" + moduleSpec
	s, diags := load(t, archive)
	noErrors(t, diags)
	if _, diags := s.Expand(); !diags.HasErrors() {
		t.Fatal("a single host is no list of hosts, and was taken for one")
	}
	archive = "-- hosts.kplan.hcl --\n" + hosts3 + "-- main.kplan.hcl --\n" + replace(moduleSpec, "nodes  = host.n1", "nodes  = [host.n1]")
	s, e := expand(t, archive)
	equal(t, "instances", addresses(e), []string{
		"swap.off@n1", "swap.off@n2", "swap.off@n3", "file.leader@n1",
		`module.site["a"].file.motd@n2`, `module.site["a"].file.motd@n3`, `module.site["a"].module.inner.exec.x@n2`,
		`module.site["b"].file.motd@n1`, `module.site["b"].module.inner.exec.x@n1`,
		`module.counted[0].file.motd@n1`, `module.counted[0].module.inner.exec.x@n1`,
		`module.counted[1].file.motd@n1`, `module.counted[1].module.inner.exec.x@n1`,
		"file.after@n1", "file.last@n1",
	})
	equal(t, "needs of an argument", needs(find(t, e, `module.site["a"].file.motd@n2`).Needs), []string{"file.leader on all hosts", "swap.off on all hosts"})
	equal(t, "needs of a nested module", needs(find(t, e, `module.site["a"].module.inner.exec.x@n2`).Needs), []string{"swap.off on all hosts"})
	equal(t, "needs of one output", needs(find(t, e, "file.after@n1").Needs), []string{`module.site["a"].file.motd on all hosts`})
	equal(t, "needs of a module", needs(find(t, e, "file.last@n1").Needs), []string{
		`module.site["a"].file.motd on all hosts`, `module.site["a"].module.inner.exec.x on all hosts`,
		`module.site["b"].file.motd on all hosts`, `module.site["b"].module.inner.exec.x on all hosts`,
	})
	text := cty.StringVal
	sc := fakeScope{objects: map[string]cty.Value{
		"file.leader@n1":                object("/leader", "L"),
		`module.site["a"].file.motd@n2`: object("/etc/motd", "M2"),
		`module.site["a"].file.motd@n3`: object("/etc/motd", "M3"),
	}}
	sameValue(t, "content", attr(t, e, `module.site["a"].file.motd@n2`, "content", sc), text("a led by L"))
	sameValue(t, "optional", attr(t, e, `module.site["a"].file.motd@n2`, "path", sc), text("/etc/motd-d"))
	sameValue(t, "output", attr(t, e, "file.after@n1", "content", sc), text("M2"))
	sameValue(t, "count", attr(t, e, "file.after@n1", "mode", sc), text("c1"))
	outs, diags := s.Outputs(sc)
	noErrors(t, diags)
	sameValue(t, "output motd", outs[0].Value, cty.ObjectVal(map[string]cty.Value{"n2": text("M2"), "n3": text("M3")}))
	sameValue(t, "output names", outs[1].Value, cty.TupleVal([]cty.Value{text("a"), text("b")}))
}

func TestEmbedded(t *testing.T) {
	std := fstest.MapFS{"kplan/base/main.kplan.hcl": {Data: []byte(`
variable "nodes" { type = list(host) }
resource "swap" "off" {
  on      = var.nodes
  enabled = false
}
`)}}
	_, e := expand(t, spec(`
module "base" {
  source = "kplan/base"
  nodes  = hosts
}
`), func(o *Options) { o.Embedded = std })
	equal(t, "instances", addresses(e), []string{"module.base.swap.off@n1", "module.base.swap.off@n2", "module.base.swap.off@n3"})
	if r := e.Instances[0].Block.DeclRange; r.Filename != "kplan/base/main.kplan.hcl" {
		t.Errorf("declared in %s", r.Filename)
	}
}
