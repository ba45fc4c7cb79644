package resource

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
)

// Inspector looks at what the object needs of its machine beside itself, and at
// what threatens it there: too little memory, a certificate near its end. The
// receiver is what is wanted; what is not known yet is zero, and named in Unknown.
//
// Inspect makes one call, which travels with that of Read, and writes nothing.
// What it cannot find out, such as where a command is missing, is no finding
// and no error.
type Inspector interface {
	Inspect(ctx context.Context, h host.Host, s Situation) ([]Finding, error)
}

// Situation is what an inspection knows beside the object.
type Situation struct {
	Address  string    // of the machine, as its host block has it: an IP address or a name
	Now      time.Time // by the clock of kplan's own machine
	Recorded bool      // the state has a record of the object
	Unknown  []string  // the attributes of what is wanted that are not known yet, or not all; Type.Inspect fills it in
}

// Finding is something that an inspection found. A plan shows it with its
// hosts; one that is an error refuses the plan, or, where it was not there when
// the plan was made, makes that stale.
type Finding struct {
	// Name says in a word or two what it is about, such as "memory". Findings
	// compare by it, on one host, and whether they are errors: by verdict, not
	// by number.
	Name string
	// Error tells that what is planned cannot come to be so.
	Error bool
	// Msg says what was seen, with its numbers, as a clause: "swap is on
	// (/swapfile)". Numbers that never stand still are rounded, so that two
	// plans in a row say the same. "" where the finding is only there for
	// others to be compared with.
	Msg string
	// Advice says in full sentences what to do.
	Advice string
	// Unique is a value that no two hosts of a plan may share. Where it is set,
	// the finding is one only on those that do.
	Unique string
	// Resolved is what, in the words of Claims, a step of the plan before this
	// one would have to change for the finding to be none; "" for nothing.
	Resolved string
	// Leaves tells the object of another host: where the plan takes the resource
	// away from that, and the object with it, the finding is none.
	Leaves Match
}

// Match is the objects of which an attribute has that value; the zero Match is
// none.
type Match struct {
	Attr, Value string
}

// Inspects reports whether the type inspects machines.
func (t *Type) Inspects() bool { return t.ops.inspect != nil }

// Inspect looks at the machine of the object want, which may be known in part.
// Only where Inspects.
func (t *Type) Inspect(ctx context.Context, h host.Host, want cty.Value, s Situation) ([]Finding, error) {
	return t.ops.inspect(ctx, h, want, s)
}
