package host

import (
	"context"
	"fmt"
)

// Peers finds the machine of another host.
type Peers func(ctx context.Context, name string) (Host, error)

type peersKey struct{}

// WithPeers is ctx for an act that may also act on the machines that p finds.
func WithPeers(ctx context.Context, p Peers) context.Context {
	return context.WithValue(ctx, peersKey{}, p)
}

// Peer is the machine of the host called name, for an act that its type says
// acts there too. What it does there is fenced, and found again after a cut, as
// what it does at home.
func Peer(ctx context.Context, name string) (Host, error) {
	if p, ok := ctx.Value(peersKey{}).(Peers); ok {
		return p(ctx, name)
	}
	return nil, fmt.Errorf("an act reached for host %s without saying so before; this is a bug in kplan", name)
}
