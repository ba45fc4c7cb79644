// Package resourcetest is the laws that every resource type obeys, as one suite
// of tests, and the machines that they are tried on: one in memory, and
// whatever else has a host.Host.
//
// It knows types through package resource only. What each type is tried with
// stands in package cases.
package resourcetest

import (
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/kplan/kplan/dsl/schema"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// Values are attributes by name, as Go values: string, bool, int, []string,
// map[string]string and map[string][]string. A nil value is null.
type Values map[string]any

// Case is one object that the laws of its type are tried with.
type Case struct {
	Type string
	Name string
	// Needs are what the machine must have beside a Linux: "systemd", "apt",
	// "swap", "archive" (the packages that Archive lists), "modules" (a kernel
	// of its own that loads some), "containerd" (one that runs and can pull what
	// Images lists), "cluster" (it is the control plane of a cluster with the
	// node k8s-node1). A machine without one skips the case.
	Needs []string
	// Prepare is done before anything else, as far as the machine is not in
	// that state yet.
	Prepare []host.Op
	// Want is the object.
	Want Values
	// Stands tells that a bare machine has the object already, differently: a
	// hostname. Otherwise Read gives null there.
	Stands bool
	// Changes are tried one after the other; each is laid over what is wanted
	// so far.
	Changes []Values
	// Together are objects that are made in one act, round after round, by a type
	// that batches.
	Together [][]Values
	// Calls is the longest chain of dependent calls of a Read; 0 means 1.
	Calls int
	// Guarded is, of an act, whether its guards find it unneeded once it is
	// done.
	Guarded bool
}

// Archive is the packages that a machine with the need "archive" can install,
// by name, with their versions from old to new.
func Archive() map[string][]string {
	return map[string][]string{
		"lab-hello": {"1.0-1", "2.0-1"},
		"lab-conf":  {"1.0-1"},
	}
}

// Images is what a machine with the need "containerd" can pull.
func Images() []string {
	return []string{"10.0.2.1:5000/pause:3.10.1", "10.0.2.1:5000/kube-proxy:v1.34.4"}
}

// Object is the object of values in the schema, with its defaults; computed
// attributes are null.
func Object(s *schema.Schema, values Values) (cty.Value, error) {
	attrs := map[string]cty.Value{}
	for _, a := range s.Attributes {
		attrs[a.Name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			attrs[a.Name] = a.Default
		}
	}
	for name, v := range values {
		a, ok := s.Lookup(name)
		if !ok {
			return cty.NilVal, fmt.Errorf("there is no attribute %s", name)
		}
		if text, isText := v.(string); isText && a.Shell {
			v = []string{"/bin/sh", "-c", text}
		}
		cv, err := gocty.ToCtyValue(v, a.Type)
		if err != nil {
			return cty.NilVal, fmt.Errorf("attribute %s: %w", name, err)
		}
		attrs[name] = cv
	}
	return cty.ObjectVal(attrs), nil
}

// Diff names the attributes that are managed in want and differ in got, in the
// order of the schema. A null got differs in every one.
func Diff(t *resource.Type, want, got cty.Value) []string {
	var names []string
	for _, a := range t.Schema.Attributes {
		w := want.GetAttr(a.Name)
		if a.Mode == schema.Computed || w.IsNull() {
			continue
		}
		if got.IsNull() || !got.GetAttr(a.Name).RawEquals(w) {
			names = append(names, a.Name)
		}
	}
	return names
}

func over(base, change Values) Values {
	all := maps.Clone(base)
	maps.Copy(all, change)
	return all
}
