package dsl

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

const bundled = `-- main.kplan.hcl --
variable "token" {
  default   = "canary-default"
  sensitive = true
}
variable "given" {
  type      = string
  sensitive = true
}
variable "open" { default = "open" }
locals {
  literal = "canary-local"
  shown   = "shown"
}
connection {
  password = "canary-connection"
  bootstrap { password = "canary-bootstrap" }
}
host "n1" { address = "10.0.0.1" }
resource "file" "x" {
  on                = hosts
  path              = "/x"
  content           = file("motd")
  sensitive_content = <<END
canary-heredoc
${local.literal} ${local.shown} ${var.token}
END
  mode              = local.shown
}
resource "file" "y" {
  on                = hosts
  path              = "/y"
  sensitive_content = file("key")
  content           = "${var.open} ${sensitive("canary-call")}"
}
module "m" {
  source = "./m"
  secret = "canary-argument"
}
-- m/main.kplan.hcl --
variable "secret" { sensitive = true }
output "o" {
  value     = "canary-output ${var.secret}"
  sensitive = true
}
-- motd --
welcome
-- key --
canary-file
`

func bundle(t *testing.T, dir string, o Options, key []byte) (*Bundle, map[string]string) {
	t.Helper()
	s, diags := Load(dir, o)
	noErrors(t, diags)
	values := evaluateAll(t, s)
	b, diags := s.Bundle(key)
	noErrors(t, diags)
	return b, values
}

func evaluateAll(t *testing.T, s *Spec) map[string]string {
	t.Helper()
	e, diags := s.Expand()
	noErrors(t, diags)
	values := map[string]string{}
	for _, i := range e.Instances {
		v, diags := i.Evaluate(NoScope{})
		noErrors(t, diags)
		v, _ = v.UnmarkDeep()
		values[i.Addr.String()] = v.GoString()
	}
	_, diags = s.Outputs(NoScope{})
	noErrors(t, diags)
	return values
}

func TestBundle(t *testing.T) {
	dir := write(t, bundled)
	o := Options{Types: testTypes(), Env: []string{"KPLAN_VAR_given=canary-env"}, Vars: []string{"open=changed"}}
	key := []byte("key")
	b, want := bundle(t, dir, o, key)
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	all := bytes.Join([][]byte{j, b.Sources["main.kplan.hcl"], b.Sources["m/main.kplan.hcl"]}, nil)
	for _, f := range b.Files {
		all = append(all, f...)
	}
	if i := bytes.Index(all, []byte("canary")); i >= 0 {
		t.Errorf("the bundle holds %s", all[i:min(len(all), i+30)])
	}
	if !strings.Contains(string(b.Sources["main.kplan.hcl"]), "shown") || string(b.Files["motd"]) != "welcome\n" {
		t.Error("the bundle lacks what may be shown")
	}
	if n, m := strings.Count(bundled[:strings.Index(bundled, "-- m/")], "\n"), bytes.Count(b.Sources["main.kplan.hcl"], []byte("\n")); n-1 != m {
		t.Errorf("%d lines became %d", n-1, m)
	}
	var back Bundle
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	// The spec moves on in what is not sensitive: the plan's holds.
	edit(t, dir, "motd", "welcome", "other")
	edit(t, dir, "main.kplan.hcl", `shown   = "shown"`, `shown   = "other"`)
	again := o
	again.Vars = nil
	s, diags := LoadBundle(&back, key, dir, again)
	noErrors(t, diags)
	equal(t, "values", evaluateAll(t, s), want)
	if c := s.Hosts()[0].Connection; c.Password != "canary-connection" || c.Bootstrap.Password != "canary-bootstrap" {
		t.Error("the connection's passwords are gone")
	}
}

const listing = `-- main.kplan.hcl --
resource "file" "names" {
  on      = hosts
  path    = "/names"
  content = join(",", concat(sort(fileset(".", "**")), sort(fileset(".", "*.txt"))))
}
resource "file" "key" {
  on                = hosts
  path              = "/key"
  sensitive_content = file("sec.txt")
}
module "m" { source = "./m" }
host "n1" { address = "10.0.0.1" }
-- m/main.kplan.hcl --
output "names" { value = fileset(".", "*") }
-- m/note --
canary-note
-- sec.txt --
canary-read
-- other.txt --
canary-listed
-- id_ed25519 --
canary-identity
-- prod.auto.kplanvars.hcl --
# canary-values
-- .kplan/seal.key --
canary-seal
`

// A listing puts names into the bundle, and nothing of what the files hold.
func TestBundleOfNames(t *testing.T) {
	dir := write(t, listing)
	o := Options{Types: testTypes()}
	key := []byte("key")
	b, want := bundle(t, dir, o, key)
	j, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Files) > 0 || bytes.Contains(j, []byte("canary")) {
		t.Errorf("the bundle holds the content of files: %s", j)
	}
	if len(b.Digests) != 1 || b.Digests["file.sec.txt"] == "" {
		t.Errorf("digests: %v", b.Digests)
	}
	const names = "id_ed25519,m/main.kplan.hcl,m/note,main.kplan.hcl,other.txt,sec.txt,other.txt,sec.txt"
	if all := want["file.names@n1"]; !strings.Contains(all, `"`+names+`"`) {
		t.Errorf("lists %s", all)
	}
	var back Bundle
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	// Files come and go: the plan's names hold.
	if err := os.Remove(filepath.Join(dir, "other.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, diags := LoadBundle(&back, key, dir, o)
	noErrors(t, diags)
	equal(t, "values", evaluateAll(t, s), want)
	again, diags := s.Bundle(key)
	noErrors(t, diags)
	if k, err := json.Marshal(again); err != nil || string(k) != string(j) {
		t.Errorf("the bundle of the bundle is\n%s\nnot\n%s", k, j)
	}
	edit(t, dir, "sec.txt", "canary", "other")
	if _, diags := LoadBundle(&back, key, dir, o); !diags.HasErrors() || !Stale(diags[0]) {
		t.Errorf("another secret is %v", diags)
	}
}

// What is kplan's own, and may hold secrets, no function reads.
func TestBundleNeverReads(t *testing.T) {
	for _, name := range []string{"x.auto.kplanvars.hcl", "x.kplanvars.hcl", "m/../x.kplanvars.hcl", "given.hcl", "st/seal.key", "m/x.kplanvars.hcl"} {
		dir := write(t, `-- main.kplan.hcl --
kplan {
  backend "local" { path = "st" }
}
output "o" { value = file("`+name+`") }
output "tried" { value = [for n in fileset(".", "**"): try(file(n), "refused")] }
host "n1" { address = "10.0.0.1" }
-- m/note --
-- m/x.kplanvars.hcl --
-- given.hcl --
-- x.kplanvars.hcl --
-- x.auto.kplanvars.hcl --
-- st/seal.key --
canary
`)
		s, diags := Load(dir, Options{Types: testTypes(), VarFiles: []string{filepath.Join(dir, "given.hcl")}})
		noErrors(t, diags)
		_, diags = s.Outputs(NoScope{})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "no function reads") {
			t.Errorf("%s: %v", name, diags)
		}
		b, _ := s.Bundle([]byte("key"))
		if j, err := json.Marshal(b); err != nil || bytes.Contains(j, []byte("Y2FuYXJ5")) {
			t.Errorf("%s: %v, %s", name, err, j)
		}
	}
}

func edit(t *testing.T, dir, name, old, with string) {
	t.Helper()
	p := filepath.Join(dir, name)
	src, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(replace(string(src), old, with)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBundleRefused(t *testing.T) {
	key := []byte("key")
	o := Options{Types: testTypes(), Env: []string{"KPLAN_VAR_given=canary-env"}}
	for name, c := range map[string]struct {
		change func(dir string, o *Options)
		stale  bool
	}{
		"another default":   {func(dir string, _ *Options) { edit(t, dir, "main.kplan.hcl", "canary-default", "other") }, true},
		"another heredoc":   {func(dir string, _ *Options) { edit(t, dir, "main.kplan.hcl", "canary-heredoc", "other") }, true},
		"another argument":  {func(dir string, _ *Options) { edit(t, dir, "main.kplan.hcl", "canary-argument", "other") }, true},
		"another file":      {func(dir string, _ *Options) { edit(t, dir, "key", "canary", "other") }, true},
		"another value":     {func(_ string, o *Options) { o.Env = []string{"KPLAN_VAR_given=other"} }, true},
		"no value":          {func(_ string, o *Options) { o.Env = nil }, false},
		"no block":          {func(dir string, _ *Options) { edit(t, dir, "m/main.kplan.hcl", `output "o"`, `output "p"`) }, false},
		"no file":           {func(dir string, _ *Options) { os.Remove(filepath.Join(dir, "key")) }, false},
		"an open variable":  {func(_ string, o *Options) { o.Vars = []string{"open=x"} }, false},
		"an unknown name":   {func(_ string, o *Options) { o.Vars = []string{"opne=x"} }, false},
		"sensitive, by var": {func(_ string, o *Options) { o.Vars = []string{"given=other"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, bundled)
			b, _ := bundle(t, dir, o, key)
			again := o
			c.change(dir, &again)
			s, diags := LoadBundle(b, key, dir, again)
			if !diags.HasErrors() {
				t.Fatalf("%v", s)
			}
			for _, d := range diags {
				if Stale(d) != c.stale {
					t.Errorf("stale is %v of %s", !c.stale, d.Error())
				}
				if strings.Contains(d.Error(), "canary") {
					t.Errorf("shows a value: %s", d.Error())
				}
			}
		})
	}
}

// Secrecy goes by the member of a local value that is used.
func TestBundleOfMembers(t *testing.T) {
	const used = `resource "file" "x" {
  on                = hosts
  path              = "/x"
  sensitive_content = SECRET
  content           = OPEN
}
host "n1" { address = "10.0.0.1" }
-- sec.txt --
user: "canary"
-- motd --
welcome
`
	for name, c := range map[string]struct {
		locals, secret, open string
		kept                 bool // the file is in the bundle
		warned               bool
	}{
		"object":            {`o = { pw = file("sec.txt"), user = file("motd") }`, `local.o.pw`, `local.o.user`, false, false},
		"index":             {`o = { "p w" = file("sec.txt"), user = file("motd") }`, `local.o["p w"]`, `local.o["user"]`, false, false},
		"tuple":             {`o = [file("motd"), trimspace(file("sec.txt"))]`, `local.o[1]`, `local.o[0]`, false, false},
		"nested":            {`o = ({ a = [{ pw = file("sec.txt") }], user = file("motd") })`, `"${local.o.a[0].pw}"`, `local.o.user`, false, false},
		"whole member":      {`o = { a = { pw = file("sec.txt") }, user = file("motd") }`, `jsonencode(local.o.a)`, `local.o.user`, false, false},
		"another local":     {"o = { pw = file(\"sec.txt\"), user = file(\"motd\") }\n p = { a = local.o.pw, b = local.o.user }", `local.p.a`, `local.p.b`, false, false},
		"through a local":   {"s = file(\"sec.txt\")\n o = { pw = local.s, user = file(\"motd\") }", `local.o.pw`, `local.o.user`, false, false},
		"a literal":         {`o = { pw = "user: canary", user = file("motd") }`, `local.o.pw`, `local.o.user`, false, false},
		"sensitive":         {`o = { pw = sensitive(file("sec.txt")), user = file("motd") }`, `local.o.pw`, `nonsensitive(local.o.user)`, false, false},
		"open":              {`o = file("sec.txt")`, `local.o`, `local.o`, true, false},
		"open member":       {`o = { pw = file("sec.txt"), user = file("motd") }`, `local.o.pw`, `local.o.pw`, true, false},
		"index of unknown":  {`o = { pw = file("sec.txt"), user = file("motd") }`, `local.o.pw`, `local.o[each.host.name == "" ? "pw" : "user"]`, true, true},
		"whole":             {`o = { pw = file("sec.txt"), user = file("motd") }`, `local.o.pw`, `join("", keys(local.o))`, true, true},
		"computed key":      {"k = \"pw\"\n o = { (local.k) = file(\"sec.txt\"), user = file(\"motd\") }", `local.o.pw`, `local.o.user`, true, true},
		"loop":              {`o = { pw = file("sec.txt"), user = file("motd") }`, `local.o.pw`, `join("", [for k, v in local.o : k])`, true, true},
		"keys of all sorts": {`o = { (true ? file("motd") : "x") = "user", (join("", [for x in ["p"] : x])) = file("sec.txt"), 1 = file("motd") }`, `local.o.p`, `local.o["1"]`, true, true},
		"a number":          {`o = { 1 = file("sec.txt"), user = file("motd"), unused = "x" }`, `local.o[1]`, `local.o.user`, false, false},
		"function":          {`o = merge({ pw = file("sec.txt") }, { user = file("motd") })`, `local.o.pw`, `local.o.user`, true, true},
		"decoded":           {`o = yamldecode(file("sec.txt"))`, `local.o.user`, `join("", keys(local.o))`, true, true},
		"decoded later":     {"s = file(\"sec.txt\")\n o = yamldecode(local.s)", `local.o.user`, `join("", keys(local.o))`, true, true},
		"decoded to hide":   {`o = yamldecode(sensitive(file("sec.txt")))`, `local.o.user`, `nonsensitive(join("", keys(local.o)))`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "-- main.kplan.hcl --\nlocals {\n "+c.locals+"\n}\n"+strings.NewReplacer("SECRET", c.secret, "OPEN", c.open).Replace(used))
			key, o := []byte("key"), Options{Types: testTypes()}
			s, diags := Load(dir, o)
			noErrors(t, diags)
			want := evaluateAll(t, s)
			b, diags := s.Bundle(key)
			noErrors(t, diags)
			_, kept := b.Files["sec.txt"]
			if kept != c.kept || !kept && strings.Contains(string(b.Sources["main.kplan.hcl"]), "canary") {
				t.Errorf("files %v, source %s", b.Files, b.Sources["main.kplan.hcl"])
			}
			warned := slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
				return d.Severity == hcl.DiagWarning && strings.Contains(d.Detail, `sensitive(file("sec.txt"))`)
			})
			if warned != c.warned {
				t.Errorf("warned: %v", diags)
			}
			for _, f := range s.Files() {
				if !kept && bytes.Contains(f.Bytes, []byte("canary")) {
					t.Errorf("shows %s", f.Bytes)
				}
			}
			s, diags = LoadBundle(b, key, dir, o)
			noErrors(t, diags)
			equal(t, "values", evaluateAll(t, s), want)
			if kept {
				return
			}
			file := "sec.txt"
			if name == "a literal" {
				file = "main.kplan.hcl"
			}
			edit(t, dir, file, "canary", "other")
			if _, diags := LoadBundle(b, key, dir, o); !diags.HasErrors() || !Stale(diags[0]) {
				t.Errorf("another secret is %v", diags)
			}
		})
	}
}
