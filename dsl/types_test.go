package dsl

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/schema"
)

type (
	fakeFile struct {
		Path    string            `cty:"path" kplan:"id"`
		Content *string           `cty:"content"`
		Secret  *string           `cty:"sensitive_content" kplan:"sensitive"`
		Owner   string            `cty:"owner" kplan:"default=root"`
		Mode    *string           `cty:"mode"`
		Labels  map[string]string `cty:"labels"`
		Parts   []string          `cty:"parts"`
		Size    int               `cty:"size" kplan:"computed"`
	}
	fakeSwap struct {
		Enabled bool `cty:"enabled" kplan:"required"`
	}
	fakeSysctl struct {
		Key     string `cty:"key" kplan:"id"`
		Value   string `cty:"value" kplan:"required"`
		Persist bool   `cty:"persist" kplan:"default=true"`
	}
	fakeService struct {
		Name    string `cty:"name" kplan:"id"`
		Running *bool  `cty:"running"`
	}
	fakeExec struct {
		Name    string `cty:"name" kplan:"id,default="`
		Command string `cty:"command" kplan:"required"`
	}
	fakeCluster struct {
		Members  []fakeMember        `cty:"members" kplan:"required"`
		Name     *string             `cty:"name"`
		Timeout  *int64              `cty:"timeout"`
		Keep     int                 `cty:"keep" kplan:"default=7"`
		Mirrors  map[string][]string `cty:"mirrors"`
		Secrets  map[string]string   `cty:"secrets" kplan:"sensitive"`
		Endpoint *string             `cty:"endpoint"`
		CAHash   *string             `cty:"ca_hash" kplan:"computed"`
	}
	fakeMember struct {
		Name    string `cty:"name"`
		Address string `cty:"address"`
	}
	fakeNode struct {
		Cluster map[string]fakeEndpoint `cty:"cluster" kplan:"required"`
	}
	fakeEndpoint struct {
		Endpoint *string `cty:"endpoint"`
		CAHash   *string `cty:"ca_hash"`
	}
	fakeJoin struct {
		Cluster *string `cty:"cluster"`
		Token   string  `cty:"token" kplan:"computed,sensitive"`
	}
)

// fakeTypes is resource types that exist in these tests only.
type fakeTypes map[string]*schema.Schema

func testTypes() fakeTypes {
	return fakeTypes{
		"file": schema.Of(reflect.TypeFor[fakeFile]()), "swap": schema.Of(reflect.TypeFor[fakeSwap]()),
		"sysctl": schema.Of(reflect.TypeFor[fakeSysctl]()), "service": schema.Of(reflect.TypeFor[fakeService]()),
		"etcd": schema.Of(reflect.TypeFor[fakeCluster]()), "node": schema.Of(reflect.TypeFor[fakeNode]()),
		"exec": schema.Of(reflect.TypeFor[fakeExec]()), "kubeadm_join": schema.Of(reflect.TypeFor[fakeJoin]()),
	}
}

func (f fakeTypes) Schema(typ string) (*schema.Schema, bool) { s, ok := f[typ]; return s, ok }
func (f fakeTypes) Names() []string                          { return slices.Sorted(maps.Keys(f)) }
func (f fakeTypes) Refreshable(typ string) bool              { return typ == "service" }
func (f fakeTypes) Once(typ string) bool                     { return typ == "kubeadm_join" }

// fakeScope is what a run knows: facts by host, objects by address.
type fakeScope struct {
	facts   map[string]cty.Value
	objects map[string]cty.Value
}

func (s fakeScope) Facts(host string) cty.Value {
	if v, ok := s.facts[host]; ok {
		return v
	}
	return cty.DynamicVal
}

func (s fakeScope) Object(a addr.Instance) (cty.Value, bool) {
	v, ok := s.objects[a.String()]
	return v, ok
}

var factNames = []string{"os", "arch", "cpus", "memory_mib"}

// hosts3 is the hosts of most tests.
const hosts3 = `
host "n1" {
  address = "10.0.0.1"
  roles   = ["control-plane"]
  labels  = { zone = "a" }
  os      = "debian:12"
}
host "n2" {
  address = "10.0.0.2"
  roles   = ["worker"]
}
host "n3" {
  address = "10.0.0.3"
  roles   = ["worker"]
  labels  = { zone = "a" }
}
`

// write puts the files of an archive into a new directory.
func write(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	writeTo(t, dir, txtar.Parse([]byte(archive)).Files)
	return dir
}

func writeTo(t testing.TB, dir string, files []txtar.File) {
	t.Helper()
	for _, f := range files {
		p := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// spec is the archive of a spec with the three hosts, in one file.
func spec(src string) string { return "-- main.kplan.hcl --\n" + src + hosts3 }

func load(t testing.TB, archive string, set ...func(*Options)) (*Spec, hcl.Diagnostics) {
	t.Helper()
	o := Options{Types: testTypes(), Version: "0.1.0", Facts: factNames}
	for _, f := range set {
		f(&o)
	}
	return Load(write(t, archive), o)
}

// expand loads and expands what must be right.
func expand(t testing.TB, archive string, set ...func(*Options)) (*Spec, *Expansion) {
	t.Helper()
	s, diags := load(t, archive, set...)
	noErrors(t, diags)
	e, diags := s.Expand()
	noErrors(t, diags)
	return s, e
}

func noErrors(t testing.TB, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			t.Errorf("%s", d.Error())
		}
	}
	if diags.HasErrors() {
		t.FailNow()
	}
}

func addresses(e *Expansion) []string {
	var all []string
	for _, i := range e.Instances {
		all = append(all, i.Addr.String())
	}
	return all
}

func find(t testing.TB, e *Expansion, address string) *Instance {
	t.Helper()
	for _, i := range e.Instances {
		if i.Addr.String() == address {
			return i
		}
	}
	t.Fatalf("no instance %s among\n%s", address, strings.Join(addresses(e), "\n"))
	return nil
}

// attr evaluates one attribute of an instance.
func attr(t testing.TB, e *Expansion, address, name string, sc Scope) cty.Value {
	t.Helper()
	v, diags := find(t, e, address).Evaluate(sc)
	noErrors(t, diags)
	return v.GetAttr(name)
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func sameValue(t testing.TB, what string, got, want cty.Value) {
	t.Helper()
	if !got.RawEquals(want) {
		t.Errorf("%s:\n got %#v\nwant %#v", what, got, want)
	}
}
