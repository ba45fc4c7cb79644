package dsl

import (
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

func TestSettings(t *testing.T) {
	s, _ := expand(t, spec(`
kplan {
  required_version = ">= 0.1, < 2"
  roles            = ["gpu"]
  backend "local" { path = "state" }
}
resource "swap" "gpu" {
  on      = role.gpu
  enabled = kplan.version == "" || path.module == path.root
}
`))
	if b := s.Backend(); b.Type != "local" || b.Path != "state" || b.Range.Start.Line != 5 {
		t.Errorf("%+v", b)
	}
	s, _ = expand(t, spec(""))
	equal(t, "default path", s.Backend().Path, ".kplan")
}

func TestMeta(t *testing.T) {
	_, e := expand(t, spec(`
variable "wait" { default = "10m" }
resource "file" "x" {
  on          = host.n1
  path        = "/x"
  timeout     = var.wait
  become_user = "app"
  semaphore   = ["registry:2", "other"]
  retry {
    attempts  = 4
    delay     = "2s"
    max_delay = "1m"
  }
  lifecycle {
    prevent_destroy = true
    destroy         = false
    ignore_changes  = [content, mode]
    postcondition {
      condition     = self.path == "/x" && each.host.name == "n1"
      error_message = "It is ${self.path}."
    }
  }
}
resource "file" "y" {
  on   = host.n1
  path = "/y"
  lifecycle { ignore_changes = all }
}
`))
	i := find(t, e, "file.x@n1")
	b := i.Block
	equal(t, "timeout", b.Timeout, 10*time.Minute)
	equal(t, "become_user", b.BecomeUser, "app")
	equal(t, "semaphores", b.Semaphores, []Semaphore{{"registry", 2}, {"other", 1}})
	equal(t, "retry", []any{b.Retry.Attempts, b.Retry.Delay, b.Retry.MaxDelay}, []any{4, 2 * time.Second, time.Minute})
	equal(t, "lifecycle", []any{b.Lifecycle.PreventDestroy, *b.Lifecycle.Destroy, b.Lifecycle.IgnoreChanges}, []any{true, false, []string{"content", "mode"}})
	equal(t, "all", find(t, e, "file.y@n1").Block.Lifecycle.IgnoreChanges, []string{"content", "sensitive_content", "owner", "mode", "labels", "parts"})
	equal(t, "range", []int{b.DeclRange.Start.Line, b.AttrRange("path").Start.Line, b.AttrRange("mode").Start.Line}, []int{3, 5, 3})
	noErrors(t, i.Postconditions(NoScope{}, object("/x", "")))
	if diags := i.Postconditions(NoScope{}, object("/other", "")); len(diags) != 1 || diags[0].Detail != "file.x@n1: It is /other." {
		t.Errorf("%v", diags)
	}
}

func TestHostNamesInExpressions(t *testing.T) {
	_, e := expand(t, `-- main.kplan.hcl --
host "k8s-node1" { address = "10.0.0.1" }
host "10-node" {
  address = "10.0.0.2"
  os      = "debian:12"
}
resource "file" "a" {
  on      = [host.k8s-node1, host["10-node"]]
  path    = "/a"
  content = host["10-node"].os.family
}
`)
	equal(t, "instances", addresses(e), []string{"file.a@k8s-node1", "file.a@10-node"})
	sameValue(t, "family", attr(t, e, "file.a@10-node", "content", NoScope{}), cty.StringVal("debian"))
	i, ok := e.Lookup(addr.Instance{Resource: addr.Resource{Type: "file", Name: "a"}, Host: "10-node"})
	if !ok || i != e.Instances[1] {
		t.Error("Lookup does not find an instance")
	}
}

func TestRefactoring(t *testing.T) {
	_, e := expand(t, spec(`
removed {
  from = host.gone
}
removed {
  from = module.base
  lifecycle { destroy = false }
}
removed { from = sysctl.k["a"] }
removed { from = module.m["x"].file.b["k"] }
`))
	equal(t, "removed", []string{e.Removed[0].From.String(), e.Removed[1].From.String(), e.Removed[2].From.String(), e.Removed[3].From.String()}, []string{"host.gone", "module.base", `sysctl.k["a"]`, `module.m["x"].file.b["k"]`})
	equal(t, "destroy", []bool{e.Removed[0].Destroy, e.Removed[1].Destroy, e.Removed[2].Destroy}, []bool{false, false, true})
}

func TestChecks(t *testing.T) {
	s, _ := expand(t, spec(`
resource "file" "a" {
  on   = host.n1
  path = "/a"
}
check "holds" {
  assert {
    condition     = length(hosts) == 3
    error_message = "Three."
  }
}
check "result" {
  assert {
    condition     = file.a.content == "x"
    error_message = "It is ${file.a.content}."
  }
}
`))
	status := func(sc Scope) []Status {
		ks, diags := s.Checks(sc)
		noErrors(t, diags)
		return []Status{ks[0].Status, ks[1].Status}
	}
	equal(t, "before", status(NoScope{}), []Status{Pass, Unknown})
	equal(t, "as it should", status(fakeScope{objects: map[string]cty.Value{"file.a@n1": object("/a", "x")}}), []Status{Pass, Pass})
	ks, _ := s.Checks(fakeScope{objects: map[string]cty.Value{"file.a@n1": object("/a", "y")}})
	equal(t, "not as it should", ks[1].Failures[0].Message, "It is y.")
}

// TestFor holds that a name that a for expression defines is its own, also
// where it is each.
func TestFor(t *testing.T) {
	_, e := expand(t, spec(`
resource "file" "a" {
  on    = host.n1
  path  = "/a"
  parts = [for each in [{ host = { facts = "mine" } }] : each.host.facts]
}
`))
	sameValue(t, "shadowed", attr(t, e, "file.a@n1", "parts", NoScope{}), cty.ListVal([]cty.Value{cty.StringVal("mine")}))
}

// TestConcurrent evaluates from several goroutines, for the race detector.
func TestConcurrent(t *testing.T) {
	s, e := expand(t, "-- hosts.kplan.hcl --\n"+hosts3+"-- main.kplan.hcl --\n"+replace(moduleSpec, "nodes  = host.n1", "nodes  = [host.n1]"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, i := range e.Instances {
				if _, diags := i.Evaluate(NoScope{}); diags.HasErrors() {
					t.Error(diags)
				}
				i.FactsUsed()
			}
			s.Outputs(NoScope{})
		})
	}
	wg.Wait()
}
