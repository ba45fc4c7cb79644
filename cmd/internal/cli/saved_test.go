package cli

import (
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state/local"
)

const varied = twoHosts + `
variable "list" {
  type    = list(object({ port = number, tags = set(string) }))
  default = [{ port = 80, tags = ["a"] }]
}
variable "any" { default = { a = [1, "x", null], big = 123456789012345678901234567890.5 } }
variable "none" {
  type    = map(string)
  default = null
}
variable "token" {
  type      = string
  sensitive = true
  default   = "canary-in-the-spec"
}
resource "file" "all" {
  on      = host.web1
  path    = "/etc/all"
  content = jsonencode([var.list, var.any, var.none])
}
resource "file" "token" {
  on                = host.web1
  path              = "/etc/token"
  sensitive_content = var.token
}
`

// saved reads a plan file with the key of the site.
func (s *site) saved(name string) (*plans.Plan, *plans.File) {
	s.t.Helper()
	key, err := local.New(filepath.Join(s.dir, ".kplan"), Version).Key(s.t.Context(), false)
	if err != nil {
		s.t.Fatal(err)
	}
	p, f, err := plans.Open(filepath.Join(s.dir, name), key, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return p, f
}

func (s *site) seal(name string, p *plans.Plan, f *plans.File) {
	s.t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	b, err := plans.Encode(p, f, key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, string(b))
}

func TestSavedPlanHoldsAll(t *testing.T) {
	s := newSite(t, varied, "web1", "web2")
	s.want(0, nil, "plan", "--out", "p", "--target", "host.web1")
	p, f := s.saved("p")
	base := p.Base()
	if base.Spec != plans.FilesDigest(f.Sources) || base.State != plans.BytesDigest(f.State) || base.Lineage == "" {
		t.Errorf("base: %+v", base)
	}
	if d, err := f.Meta.Digest(); err != nil || base.Variables != d {
		t.Errorf("base: %+v, want variables %s, %v", base, d, err)
	}
	for _, name := range []string{"list", "any", "none", "greeting"} {
		if v, ok := f.Meta.Variables[name]; !ok || !v.IsWhollyKnown() {
			t.Errorf("variable %s: %#v", name, v)
		}
	}
	if v := f.Meta.Variables["greeting"]; !v.RawEquals(cty.StringVal("hello")) {
		t.Errorf("greeting is %#v", v)
	}
	if _, ok := f.Meta.Variables["token"]; ok || f.Meta.Secrets["var.token"] == "" {
		t.Error("the sensitive variable is not only a digest")
	}
	for name, src := range f.Sources {
		if strings.Contains(string(src), "canary") {
			t.Errorf("%s holds a secret", name)
		}
	}
	s.want(0, []string{"Apply complete! Resources: 3 added"}, "apply", "p")
}

func TestForeignPlan(t *testing.T) {
	s := newSite(t, varied, "web1", "web2")
	s.want(0, nil, "plan", "--out", "p")
	p, f := s.saved("p")

	// The same plan, sealed by another key.
	s.seal("foreign", p, f)
	s.want(6, []string{"--expect"}, "apply", "foreign")
	s.want(6, nil, "show", "foreign")
	s.want(6, nil, "apply", "--expect", strings.Repeat("0", 64), "foreign")

	// Another plan that fits together, sealed by another key: only who names
	// its digest gets it.
	f.Sources = maps.Clone(f.Sources)
	for name, src := range f.Sources {
		f.Sources[name] = []byte(strings.ReplaceAll(string(src), "/etc/motd", "/etc/evil"))
	}
	c := p.Content()
	c.Base.Spec = plans.FilesDigest(f.Sources)
	evil, err := plans.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.seal("evil", evil, f)
	s.want(6, nil, "apply", "evil")
	s.want(6, nil, "apply", "--expect", p.Digest(), "evil")
	s.want(5, []string{"not what its sources give"}, "apply", "--expect", evil.Digest(), "evil")

	s.want(0, []string{"Apply complete! Resources: 4 added"}, "apply", "--expect", p.Digest(), "foreign")
}

func TestStateRemoveAndPull(t *testing.T) {
	s := newSite(t, twoHosts, "web1", "web2")
	s.want(0, []string{"There is no state yet."}, "state", "pull")
	s.want(0, nil, "apply", "--auto-approve")
	pulled := s.want(0, []string{`"lineage"`, "file.motd@web1"}, "state", "pull")
	held, err := os.ReadFile(filepath.Join(s.dir, ".kplan", "state.json"))
	if err != nil || string(held) != pulled.stdout {
		t.Errorf("state pull writes\n%s\nthe state is\n%s", pulled.stdout, held)
	}
	s.want(1, []string{"Nobody can be asked"}, "state", "rm", "file.motd@web1")
	s.want(1, []string{"records nothing at file.nosuch"}, "state", "rm", "--auto-approve", "file.nosuch")
	s.want(0, []string{"Forgot file.motd@web1"}, "state", "rm", "--auto-approve", "file.motd@web1")
	s.want(0, []string{"file.motd@web2\n"}, "state", "list")
	s.want(0, []string{"Apply complete! Resources: 0 added"}, "apply", "--auto-approve")
	s.want(0, []string{"adopted"}, "state", "show", "file.motd@web1")
}

// TestNoSecretInDiagnostics puts a canary wherever a literal is sensitive, and
// an error into the same line.
func TestNoSecretInDiagnostics(t *testing.T) {
	const hosts = "host \"web1\" { address = \"10.0.0.1\" }\n"
	for name, spec := range map[string]string{
		"attribute":   `resource "file" "x" { sensitive_content = ["canary"] }`,
		"type":        "resource \"file\" \"x\" {\n  on = hosts\n  path = \"/x\"\n  sensitive_content = { a = \"canary\" }\n}",
		"function":    "resource \"file\" \"x\" {\n  on = hosts\n  path = \"/x\"\n  sensitive_content = upper(\"canary\", local.nosuch)\n}",
		"heredoc":     "resource \"file\" \"x\" {\n  on = hosts\n  path = \"/x\"\n  sensitive_content = <<-E\n    canary ${nosuch.x}\n  E\n}",
		"default":     "variable \"v\" {\n  type = number\n  sensitive = true\n  default = \"canary\"\n}",
		"connection":  "connection {\n  password = \"canary${nosuch.x}\"\n}",
		"no quote":    "connection {\n  password = \"canary\n}",
		"misspelled":  "connection {\n  pasword = \"canary\"\n}",
		"output":      "output \"o\" {\n  sensitive = true\n  value = \"canary${nosuch.x}\"\n}",
		"local":       "locals { l = \"canary${nosuch.x}\" }\nconnection { password = local.l }",
		"call":        "locals { l = sensitive(\"canary\", nosuch.x) }",
		"not text":    "connection {\n  password = \"canary\xff\"\n}",
		"in one line": "connection { password = \"canary\" user = 1 }",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, hosts+spec+"\n")
			for _, args := range [][]string{{"validate"}, {"validate", "--json"}, {"plan", "--offline"}, {"plan", "--offline", "--json"}} {
				a := s.want(1, nil, args...)
				if strings.Contains(a.stdout+a.stderr, "canary") {
					t.Errorf("kplan %s shows it:\n%s%s", strings.Join(args, " "), a.stdout, a.stderr)
				}
				if !strings.Contains(a.stdout+a.stderr, "main.kplan.hcl") {
					t.Errorf("kplan %s names no place:\n%s%s", strings.Join(args, " "), a.stdout, a.stderr)
				}
			}
		})
	}
	s := newSite(t, hosts+"variable \"v\" {\n  type = number\n  sensitive = true\n}\n")
	s.write("x.auto.kplanvars.hcl", "v = \"canary\"\n")
	if a := s.want(1, nil, "validate"); strings.Contains(a.stderr, "canary") {
		t.Errorf("a file of values: %s", a.stderr)
	}
	s.write("x.auto.kplanvars.hcl", "v = upper(\"canary\")\n")
	if a := s.want(1, nil, "validate"); strings.Contains(a.stderr, "canary") {
		t.Errorf("a file of values: %s", a.stderr)
	}
}

// inPlan looks for a text in what a saved plan holds.
func (s *site) inPlan(name, text string) bool {
	s.t.Helper()
	_, f := s.saved(name)
	for _, content := range f.Sources {
		if strings.Contains(string(content), text) {
			return true
		}
	}
	return strings.Contains(string(f.State), text)
}

// TestListedFilesStayOutOfPlans lists a directory with everything in it that
// must not be in a plan.
func TestListedFilesStayOutOfPlans(t *testing.T) {
	s := newSite(t, varied+`
resource "file" "names" {
  on      = host.web1
  path    = "/etc/names"
  content = join(",", fileset(".", "**"))
}
resource "file" "key" {
  on                = host.web1
  path              = "/etc/key"
  sensitive_content = file("sec.txt")
}
`, "web1", "web2")
	s.write("prod.auto.kplanvars.hcl", "# canary-values\n")
	s.write("secret.kplanvars.hcl", "token = \"canary-values\"\n")
	s.write("id_ed25519", "canary-identity")
	s.write("sec.txt", "canary-read")
	s.want(0, nil, "apply", "--auto-approve")
	if got := s.machines["web1"].Content("/etc/names"); got != "id_ed25519,main.kplan.hcl,sec.txt" {
		t.Errorf("lists %s", got)
	}
	// The second plan is empty: the state's directory is not listed.
	s.want(0, []string{"No changes."}, "plan", "--detailed-exitcode")

	out := filepath.Join(t.TempDir(), "p")
	s.write("sec.txt", "canary-again")
	s.want(0, nil, "plan", "--out", out)
	s.want(0, nil, "plan", "--out", "p")
	if s.inPlan("p", "canary") {
		t.Error("the plan holds a secret")
	}
	s.write("new.txt", "")
	s.write("sec.txt", "canary-third")
	s.want(5, []string{"sec.txt"}, "apply", out)
	s.write("sec.txt", "canary-again")
	s.want(0, []string{"Apply complete! Resources: 0 added, 1 changed"}, "apply", out)
}

// TestSecretMemberStaysOutOfPlans reads a secret beside what is shown.
func TestSecretMemberStaysOutOfPlans(t *testing.T) {
	const beside = varied + `
locals {
  o = { pw = file("sec.txt"), user = "u" }
}
resource "file" "key" {
  on                = host.web1
  path              = "/etc/key"
  sensitive_content = local.o.pw
}
resource "file" "user" {
  on      = host.web1
  path    = "/etc/user"
  content = local.o.user
}
`
	const warning = `sensitive(file("sec.txt"))`
	s := newSite(t, beside, "web1", "web2")
	s.write("sec.txt", "canary-read")
	if a := s.want(0, nil, "plan", "--out", "p"); s.inPlan("p", "canary") || strings.Contains(a.stderr+a.stdout, warning) {
		t.Errorf("the plan holds a secret, or warns of one:\n%s", a.stderr)
	}
	s.write("sec.txt", "canary-again")
	s.want(5, []string{"sec.txt"}, "apply", "p")
	s.write("sec.txt", "canary-read")
	s.want(0, []string{"Apply complete!"}, "apply", "p")
	if got := s.machines["web1"].Content("/etc/key"); got != "canary-read" {
		t.Errorf("wrote %q", got)
	}

	// Where the members are not known, a plan that is saved says so.
	s = newSite(t, strings.Replace(beside, `{ pw = file("sec.txt"), user = "u" }`, `merge({ pw = file("sec.txt") }, { user = "u" })`, 1), "web1", "web2")
	s.write("sec.txt", "canary-read")
	s.want(0, []string{warning}, "plan", "--out", "p")
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}} {
		if a := s.want(0, nil, args...); strings.Contains(a.stderr+a.stdout, warning) {
			t.Errorf("%v warns of what it does not save", args)
		}
	}
}

// TestListingsThatFail holds that a listing fails, or finds nothing, of a saved
// plan as it did when that was made.
func TestListingsThatFail(t *testing.T) {
	s := newSite(t, twoHosts+`
resource "file" "listings" {
  on      = host.web1
  path    = "/etc/listings"
  content = join(" ", [for d in ["nosuch", "bare", "bare/deep", "full", "full/a.txt", ".", "..", ".kplan"] :
    "${d}:${can(fileset(d, "*.txt"))},${length(try(fileset(d, "*.none"), ["failed"]))}"])
}
`, "web1", "web2")
	for _, dir := range []string{"bare/deep", "full"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.write("full/a.txt", "a")
	s.want(0, nil, "plan", "--out", "p")
	if err := os.Remove(filepath.Join(s.dir, "bare/deep")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "nosuch"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.want(0, []string{"Apply complete!"}, "apply", "p")
	const want = "nosuch:false,1 bare:true,0 bare/deep:true,0 full:true,0 full/a.txt:false,1 .:true,0 ..:false,1 .kplan:false,1"
	if got := s.machines["web1"].Content("/etc/listings"); got != want {
		t.Errorf("lists %s", got)
	}
}

// TestNamesOfTheProgram gives files and modules of the spec the names that a
// saved plan gives its own parts.
func TestNamesOfTheProgram(t *testing.T) {
	names := []string{".bundle.json", ".local/x", "kplan/x", "kplan/.local/x", "kplan/.bundle.json", "spec/x", "files/.bundle.json"}
	s := newSite(t, twoHosts+`
resource "file" "all" {
  on      = host.web1
  path    = "/etc/all"
  content = join(" ", concat([for n in ["`+strings.Join(names, `", "`)+`"] : file(n)], [module.hidden.o, module.own.o]))
}
module "hidden" { 
  source = "./.local/m"
}
module "own" { 
  source = "./kplan/m"
}
output "names" {
  value = length(fileset(".", "*"))
}
`, "web1", "web2")
	for _, dir := range []string{".local/m", "kplan/.local", "kplan/m", "spec", "files"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		s.write(name, "in "+name)
	}
	s.write(".local/m/m.kplan.hcl", "output \"o\" { value = \"hidden\" }\n")
	s.write("kplan/m/m.kplan.hcl", "output \"o\" { value = \"own\" }\n")
	s.want(0, nil, "plan", "--out", "p")
	for _, name := range names {
		s.write(name, "changed")
	}
	s.want(0, []string{"Apply complete!"}, "apply", "p")
	if got := s.machines["web1"].Content("/etc/all"); got != "in "+strings.Join(names, " in ")+" hidden own" {
		t.Errorf("wrote %s", got)
	}
}
