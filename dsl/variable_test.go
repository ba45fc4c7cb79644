package dsl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/internal/functions"
)

func replace(s, old, with string) string { return strings.ReplaceAll(s, old, with) }

// TestSources holds the order of the sources of values: later ones win.
func TestSources(t *testing.T) {
	const src = `-- main.kplan.hcl --
variable "a" { default = "default" }
variable "b" { default = "default" }
variable "c" { default = "default" }
variable "d" { default = "default" }
variable "e" { default = "default" }
variable "l" { type = list(number) }
variable "n" {
  type     = string
  default  = "x"
  nullable = false
}
variable "z" {
  default = "x"
}
output "all" { value = "${var.a} ${var.b} ${var.c} ${var.d} ${var.e} ${var.l[1]} ${var.n} ${var.z == null}" }
-- 1.auto.kplanvars.hcl --
c = "auto1"
d = "auto1"
e = "auto1"
n = null
z = null
-- 2.auto.kplanvars.hcl --
c = "auto2"
`
	file := filepath.Join(t.TempDir(), "v.hcl")
	if err := os.WriteFile(file, []byte("d = \"file\"\ne = \"file\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := expand(t, src, func(o *Options) {
		o.Env = []string{"KPLAN_VAR_b=env", "KPLAN_VAR_c=env", "KPLAN_VAR_l=[1, 2]", "KPLAN_VAR_unknown=x", "HOME=/"}
		o.VarFiles = []string{file}
		o.Vars = []string{"e=1", "e=var=2"}
	})
	outs, diags := s.Outputs(NoScope{})
	noErrors(t, diags)
	sameValue(t, "values", outs[0].Value, cty.StringVal("default env auto2 file var=2 2 x true"))
}

func TestSensitive(t *testing.T) {
	archive := spec(`
variable "secret" {
  default   = "hunter2"
  sensitive = true
}
locals {
  derived = "x-${var.secret}"
  partly  = { open = "o", closed = var.secret }
}
resource "file" "x" {
  on                = host.n1
  path              = "/x"
  content           = local.derived
  mode              = local.partly.open
  sensitive_content = "plain"
  labels            = { a = "${local.derived}${each.host.facts.os}" }
}
resource "file" "y" {
  on      = host.n1
  path    = "/y"
  content = file.x.sensitive_content
}
`)
	_, e := expand(t, archive)
	for name, want := range map[string]bool{"content": true, "sensitive_content": true, "mode": false, "path": false, "labels": true} {
		v := attr(t, e, "file.x@n1", name, NoScope{})
		if v.ContainsMarked() != want {
			t.Errorf("%s is marked %v: %#v", name, !want, v)
		}
		if want && !v.HasMark(functions.Sensitive) && name != "labels" {
			t.Errorf("%s has another mark: %#v", name, v)
		}
	}
	if v := attr(t, e, "file.y@n1", "content", NoScope{}); !v.HasMark(functions.Sensitive) {
		t.Errorf("a sensitive attribute gives %#v", v)
	}
	bare, _ := attr(t, e, "file.x@n1", "labels", NoScope{}).UnmarkDeep()
	if text := fmt.Sprintf("%#v", bare); strings.Contains(text, "hunter2") {
		t.Errorf("an unknown value carries a part of a sensitive one: %s", text)
	}
}

// TestDiagnosticsHideSecrets holds that nothing in a diagnostic shows a
// sensitive value, nor leads to one.
func TestDiagnosticsHideSecrets(t *testing.T) {
	for _, expr := range []string{
		`parseint(var.secret, 10)`, `{ for x in [1, 2] : var.secret => x }`, `var.secret + 1`, `var.secret.attr`,
		`[1][var.secret]`, `{ a = 1 }[var.secret]`, `var.secret ? 1 : 2`, `"a${[var.secret]}"`, `var.map["hunter2x"]`,
	} {
		s, diags := load(t, spec(`
variable "secret" {
  default   = "hunter2"
  sensitive = true
}
variable "map" {
  default   = { hunter2 = "hunter2" }
  sensitive = true
}
locals { broken = `+expr+` }
`))
		noErrors(t, diags)
		_, diags = s.Expand()
		if !diags.HasErrors() {
			t.Errorf("%s is no error", expr)
		}
		for _, d := range diags {
			if text := replace(d.Summary+d.Detail, "hunter2x", ""); strings.Contains(text, "hunter2") || d.EvalContext != nil || d.Expression != nil || d.Extra != nil {
				t.Errorf("%s: %s", expr, d.Error())
			}
		}
	}
}
