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

// Peer is the machine of the one of the named hosts that the plan says the act
// is on too. What it does there is fenced, and found again after a cut, as what
// it does at home.
func Peer(ctx context.Context, names ...string) (h Host, err error) {
	p, ok := ctx.Value(peersKey{}).(Peers)
	if !ok || len(names) == 0 {
		return nil, fmt.Errorf("an act reached for the hosts %q without saying so before; this is a bug in kplan", names)
	}
	for _, name := range names {
		if h, err = p(ctx, name); err == nil {
			break
		}
	}
	return h, err
}
