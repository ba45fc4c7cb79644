package cli

import (
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
)

// hostile is values that an attribute does not expect, as a spec would write
// them: nulls inside, numbers that are not whole or too large, what is not known
// before a step, in whole and in part, and what is sensitive.
var hostile = []string{
	`null`, `""`, `"x"`, `true`, `-1`, `0`, `1.5`, `1e30`, `-1e30`, `9223372036854775807`,
	`[]`, `[null]`, `["x", null]`, `[[]]`, `[[null]]`, `[1.5]`, `[{}]`, `[{ name = null, address = null }]`, `[host.k8s-node1, null]`,
	`{}`, `{ a = null }`, `{ a = "x", b = null }`, `{ "" = "" }`, `{ a = [null] }`, `{ a = {} }`,
	`{ a = ["x", null] }`, `{ a = [1e30] }`, `{ a = { endpoint = null, ca_hash = null } }`,
	`host.k8s-node1`, `hosts`, `facts["k8s-node1"]`, `exec.other`, `all.exec.other`, `length(hosts) / 7`,

	`one_other.ca_hash`, `[one_other.ca_hash]`, `[one_other.ca_hash, null]`, `{ a = one_other.ca_hash, b = null }`,
	`{ a = [one_other.ca_hash, null] }`, `{ a = one_other, b = null }`, `{ a = null, b = { endpoint = one_other.ca_hash, ca_hash = null } }`,
	`[{ name = one_other.ca_hash, address = null }]`, `one_other`, `all.one_other`, `length(directory.other.entries) / 7`,
	`[for e in directory.other.entries : null]`, `facts["k8s-node1"].memory_mib / 7`,

	`local.secret_text`, `local.secret_list`, `local.secret_map`, `local.secret_lists`, `local.secret_objects`, `{ a = local.secret_text, b = null }`,
	`[local.secret_text, null]`, `[sensitive(null)]`, `{ a = sensitive(null) }`, `sensitive(1.5)`,
}

const beside = `
host "k8s-node1" { address = "10.0.2.15" }
host "b" { address = "10.0.0.2" }
locals {
  secret_text    = sensitive("hunter2")
  secret_list    = sensitive(["hunter2", null])
  secret_map     = sensitive({ hunter2 = null })
  secret_lists   = sensitive({ hunter2 = ["hunter2", null] })
  secret_objects = sensitive([{ hunter2 = "hunter2", name = null }])
}
resource "exec" "other" {
  on      = host.b
  command = "true"
}
resource "directory" "other" {
  on   = host.b
  path = "/other"
}
resource "kubeadm_control_plane" "other" {
  on       = host.b
  config   = "/other.yaml"
  version  = "1.34.4"
  members  = [host.b]
  endpoint = "10.0.0.2:6443"
}
`

// ofGo is what no message may hold: words of Go and of the libraries beneath.
var ofGo = regexp.MustCompile(`\b(panic|goroutine|nil pointer|reflect|gocty|cty\.|u?int(8|16|32|64)?\b|float(32|64)|struct|slice|tuple|dynamic|map\[|\[\]string)`)

// TestHostileValues gives every attribute of every type each of the values, in
// an object that is right otherwise: that is planned, or refused in words, at a
// place in the spec, without what is sensitive.
func TestHostileValues(t *testing.T) {
	right := map[string]resourcetest.Values{}
	for _, c := range cases.All() {
		if right[c.Type] == nil {
			right[c.Type] = c.Want
		}
	}
	tried := 0
	for _, typ := range modules.All() {
		t.Run(typ.Name, func(t *testing.T) {
			s := newSite(t, "")
			object, err := resourcetest.Object(typ.Schema, right[typ.Name])
			if err != nil {
				t.Fatal(err)
			}
			// spec is the right object, but that the attribute called name has value.
			spec := func(name, value string) {
				var b strings.Builder
				fmt.Fprintf(&b, "%s\nresource %q \"it\" {\n  on = host.k8s-node1\n", beside, typ.Name)
				for _, a := range typ.Schema.Attributes {
					v := object.GetAttr(a.Name)
					switch {
					case a.Name == name:
						fmt.Fprintf(&b, "  %s = %s\n", name, value)
					case a.Mode != schema.Computed && !v.IsNull() && (a.Default == cty.NilVal || !v.RawEquals(a.Default)):
						fmt.Fprintf(&b, "  %s = %s\n", a.Name, hclwrite.TokensForValue(v).Bytes())
					}
				}
				b.WriteString("}\n")
				s.write("main.kplan.hcl", b.String())
			}
			spec("", "")
			s.want(0, []string{"Plan: "}, "plan", "--offline")
			for _, a := range typ.Schema.Attributes {
				if a.Mode == schema.Computed {
					continue
				}
				for _, value := range hostile {
					if tried++; testing.Short() && tried%9 != 0 {
						continue
					}
					value = strings.ReplaceAll(value, "one_other", "kubeadm_control_plane.other")
					spec(a.Name, value)
					hostileRun(t, s, fmt.Sprintf("%s = %s", a.Name, value))
				}
			}
		})
	}
}

func hostileRun(t *testing.T, s *site, what string) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v\n%s", what, r, debug.Stack())
		}
	}()
	for _, args := range [][]string{{"validate", "--json"}, {"plan", "--offline"}} {
		a := s.run(args...)
		out := a.stdout + a.stderr
		switch {
		case a.code > 1:
			t.Errorf("%s: kplan %s ended with %d\n%s", what, args[0], a.code, out)
		case strings.Contains(out, "hunter2"):
			t.Errorf("%s: kplan %s shows what is sensitive:\n%s", what, args[0], out)
		case ofGo.MatchString(out):
			t.Errorf("%s: kplan %s says %q:\n%s", what, args[0], ofGo.FindString(out), out)
		case a.code == 1 && !strings.Contains(out, "main.kplan.hcl"):
			t.Errorf("%s: kplan %s does not say where:\n%s", what, args[0], out)
		}
	}
}
