package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Via is how a step goes about making or deleting an object that is a member of
// something larger: "init", "join k8s-node1".
type Via struct {
	How  string // one word
	Host string // the host through which; "" where it needs none
}

// String is the word and the host, as a plan shows it; "" for the zero Via.
func (v Via) String() string { return strings.TrimSpace(v.How + " " + v.Host) }

// Fellow is what was read of a resource on one of its hosts.
type Fellow[T any] struct {
	Host   string
	Object *T     // nil where there is none
	Unseen string // why it was not read; "" where it was
	Leaves bool   // the plan takes it away
	LetGo  bool   // its machine is let go: Object is what is recorded, and nothing can be done there
}

// Router is a type whose objects on the hosts of one resource are members of
// one thing, such as the machines of a control plane: how one is made depends on
// which others there are. Their steps come one at a time.
type Router[T any] interface {
	// Via decides it for the receiver on the host called here, which is to be
	// made, or where it leaves to be deleted. Fellows are all hosts of the
	// resource, this one too, in the order in which their steps come; those that
	// leave come last. One whose machine is let go is among them only where it is
	// the receiver's own: it leaves before all that the others do, or, by a Via
	// without a host, is forgotten. For a host that stays as it is, Via says "" or what is
	// wrong between the members. An *UnseenError withholds the step.
	Via(here string, fellows []Fellow[T]) (Via, error)
}

// UnseenError is a step that depends on a machine that was not read.
type UnseenError struct {
	Host   string
	Reason string // why it was not
}

func (e *UnseenError) Error() string {
	return fmt.Sprintf("it depends on what stands on host %s: %s", e.Host, e.Reason)
}

// Routed reports whether the type is a Router.
func (t *Type) Routed() bool { return t.ops.via != nil }

// Via is that of Router, for a type that is one.
func (t *Type) Via(object cty.Value, here string, fellows []Fellow[cty.Value]) (Via, error) {
	return t.ops.via(object, here, fellows)
}

type viaKey struct{}

// WithVia is ctx for an act that goes about it by v.
func WithVia(ctx context.Context, v Via) context.Context {
	return context.WithValue(ctx, viaKey{}, v)
}

// ViaOf is how the act of ctx goes about it, as the plan said.
func ViaOf(ctx context.Context) Via {
	v, _ := ctx.Value(viaKey{}).(Via)
	return v
}
