// Package dsl reads specs: HCL in, resource instances out. It loads the files
// of a spec and its modules, resolves variables and hosts, checks references,
// expands resources into one instance per key and host, and evaluates an
// instance's arguments over what its dependencies turned out to be.
//
// It knows the language. It knows no resource type but by its schema, contacts
// no host, and does nothing of what a spec says: that is the engine's business.
package dsl

import (
	"io/fs"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/dsl/schema"
)

// Types is the resource types that a spec may use.
type Types interface {
	Schema(typ string) (*schema.Schema, bool)
	// Names is the names of all types, sorted.
	Names() []string
	// Refreshable reports whether on_change may stand in a resource of the type.
	Refreshable(typ string) bool
	// Once reports whether the type's act is never repeated on a guess.
	Once(typ string) bool
}

// Options is what a spec is loaded with, beside its own files.
type Options struct {
	Types    Types
	Vars     []string // name=value of each --var, in order
	VarFiles []string // path of each --var-file, in order; relative to the working directory
	Env      []string // name=value; only KPLAN_VAR_name is looked at
	Version  string   // of kplan, for required_version; "" satisfies every version
	Embedded fs.FS    // the modules whose source begins with kplan/, at that path; nil where there are none
	Facts    []string // names that facts may have; nil where they are not checked
}

// Scope is what expressions may see beyond the spec. It must be safe for use
// by as many goroutines as evaluate with it.
type Scope interface {
	// Facts is the object of what reading the host showed, or cty.DynamicVal
	// where it was not read.
	Facts(host string) cty.Value
	// Object is what an instance is or will be, as an object of its type's
	// schema; false where that is not known yet.
	Object(addr.Instance) (cty.Value, bool)
}

// NoScope is the Scope in which nothing is known of any host or result.
type NoScope struct{}

// Facts is not known.
func (NoScope) Facts(string) cty.Value { return cty.DynamicVal }

// Object is not known.
func (NoScope) Object(addr.Instance) (cty.Value, bool) { return cty.NilVal, false }

// Backend says where the state lives.
type Backend struct {
	Type  string // "local"
	Path  string // relative to the spec's directory
	Range hcl.Range
}
