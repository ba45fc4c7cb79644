package dsl

import (
	"bytes"
	"strings"
	"testing"
)

// blanked are specs with literals that are sensitive, or may be, each with the
// word canary in it, and with some that are not.
var blanked = map[string]string{
	"every place": bundled + `-- x.auto.kplanvars.hcl --
given = "canary-values"
open  = "shown-value"
nosuch = "canary-unknown"
`,
	"unresolved": strings.NewReplacer(`path              = "/y"`, `path = local.nosuch`, `"shown"`, `"in both"`).Replace(bundled),
	"misspelled": `-- main.kplan.hcl --
variable "v" {
  senstive = true
  default  = "canary-default"
}
connection { pasword = "canary-connection" }
host "shown" {
  address = "shown"
  passwort = "canary-host"
}
resource "file" "x" {
  on       = hosts
  path     = "/shown"
  sensitve = "canary-attribute"
  extra { password = "canary-block" }
}
resuorce "file" "y" { content = "canary-type" }
resource "nosuch" "z" { content = "canary-unknown" }
outer = "canary-outer"
module "m" {
  source = "./nosuch"
  secret = "canary-argument"
}
`,
	"a syntax error": `-- main.kplan.hcl --
host "shown" {
  address = "10.0.0.1"
}
connection {
  password = "canary-open
  become_password = <<END
path = canary
END
}
resource "file" "x" {
  path = "/shown" "shown"
  sensitive_content = jsonencode({
    path = "canary-inner"
  })
}
variable "shown" { default = "canary" }
`,
	"shown though it is broken": `-- main.kplan.hcl --
module "m" {
  source             = "kplan/kubernetes"
  kubernetes_version = 1.34.4
  pod_cidr           = 10.244.0.0/16
  join_token         = 2.3.4
  other              = 1.2.3 # canary
  another            = "1.2.3-canary"
  number             = 5550100
}
connection {
  password = 9.8.7.6
}
variable "pin" { default = 9.8.7.6 }
output "pin" {
  value = 9.8.7.6
}
resource "file" "x" {
  sensitive_content = 9.8.7.6
  from              = hidden.no
}
removed {
  from = file.x@shown
}
removed {
  from = "canary"
}
-- x.auto.kplanvars.hcl --
pin = 9.8.7.6
`,
	"no equals sign": `-- main.kplan.hcl --
connection {
  password "canary"
  become_password = canary" }
host "shown" {
  address = "10.0.0.1"
}
`,
	"another file": `-- a.kplan.hcl --
locals { literal = "canary-local" }
output "shown" { value = "shown" }
-- b.kplan.hcl --
connection { password = "${local.literal} canary-part" }
output "p" {
  value = [1, local.nosuch]
}
`,
	"no text": "-- main.kplan.hcl --\nconnection { password = \"canary\xff\" }\n",
}

func TestFilesShowNoSecrets(t *testing.T) {
	for name, files := range blanked {
		t.Run(name, func(t *testing.T) {
			dir := write(t, files)
			s, _ := Load(dir, Options{Types: testTypes(), Env: []string{"KPLAN_VAR_given=x"}})
			for file, f := range s.Files() {
				if i := bytes.Index(f.Bytes, []byte("canary")); i >= 0 {
					t.Errorf("%s shows %s", file, f.Bytes[i:min(len(f.Bytes), i+30)])
				}
				for _, secret := range []string{"9.8.7", "2.3.4", "5550100", "hidden.no"} {
					if bytes.Contains(f.Bytes, []byte(secret)) {
						t.Errorf("%s shows %s", file, secret)
					}
				}
				for _, open := range []string{"1.34.4", "10.244.0.0/16", "file.x@shown"} {
					if bytes.Contains(s.files[file].Bytes, []byte(open)) && !bytes.Contains(f.Bytes, []byte(open)) {
						t.Errorf("%s hides %s", file, open)
					}
				}
				raw := s.files[file].Bytes
				if len(raw) != len(f.Bytes) || bytes.Count(raw, []byte("\n")) != bytes.Count(f.Bytes, []byte("\n")) {
					t.Errorf("%s has another length now", file)
				}
				if a, b := bytes.Count(raw, []byte("shown")), bytes.Count(f.Bytes, []byte("shown")); a != b {
					t.Errorf("%s shows %d of %d words that are not sensitive:\n%s", file, b, a, f.Bytes)
				}
			}
		})
	}
}
