package dsl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/kplan/kplan/dsl/internal/functions"
)

// module is the blocks in the files of one directory. Calls of one source share
// it.
type module struct {
	loc  location
	root bool

	variables map[string]*variableBlock
	locals    map[string]*localBlock
	outputs   map[string]*outputBlock
	resources map[string]*resourceBlock // by type.name
	calls     map[string]*callBlock
	checks    map[string]*checkBlock
	ordered   []ordered // resources and calls, in source order

	// Of the root module only.
	settings    *settingsBlock
	connection  *connectionBlock
	hosts       []*hostBlock
	removed     []*removedBlock
	sources     map[string][]byte // by file name
	firstByName map[string]hcl.Range

	// What functions read, and the functions; apart for values that are only
	// used as sensitive ones, and for those of which a part may be sensitive.
	files, secretFiles, doubtFiles *functions.Files
	table, secretTable, doubtTable map[string]function.Function
}

// ordered is a resource or a call.
type ordered struct {
	resource *resourceBlock
	call     *callBlock
}

// each is what repeats a block.
type each struct {
	forEach, count *expr // at most one of them
}

func (e each) expr() *expr {
	if e.forEach != nil {
		return e.forEach
	}
	return e.count
}

// place is what expressions of the block may refer to for its repetition.
func (e each) place() place {
	switch {
	case e.forEach != nil:
		return hasKey
	case e.count != nil:
		return hasCount
	}
	return 0
}

type variableBlock struct {
	name        string
	rng         hcl.Range // header
	typ         *typeConstraint
	def         *expr
	sensitive   bool
	nullable    bool
	description string
	validations []*condition
}

// condition is a validation, precondition, postcondition or assertion.
type condition struct {
	what    string
	cond    *expr
	message *expr
	rng     hcl.Range
}

type localBlock struct {
	name string
	rng  hcl.Range
	expr *expr
}

type outputBlock struct {
	name        string
	rng         hcl.Range
	value       *expr
	sensitive   bool
	description string
	dependsOn   []ref
}

type checkBlock struct {
	name    string
	rng     hcl.Range
	asserts []*condition
}

type callBlock struct {
	name      string
	rng       hcl.Range
	source    string
	sourceRng hcl.Range
	each      each
	args      map[string]*expr
	dependsOn []ref
}

func newModule(loc location, root bool) *module {
	return &module{
		loc: loc, root: root,
		variables: map[string]*variableBlock{}, locals: map[string]*localBlock{},
		outputs: map[string]*outputBlock{}, resources: map[string]*resourceBlock{},
		calls: map[string]*callBlock{}, checks: map[string]*checkBlock{},
		sources: map[string][]byte{}, firstByName: map[string]hcl.Range{},
	}
}
