package engine

import (
	"context"
	"time"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/host"
)

// Met is what a first look at a host showed.
type Met struct {
	Host    *dsl.Host
	Contact *host.Contact // nil where Err is not
	HostKey string        // authorized_keys form
	Err     error
	Elapsed time.Duration // up to a ready session
}

// Contact looks at hosts, side by side, in their order. It changes nothing.
func (e *Engine) Contact(ctx context.Context, hosts, all []*dsl.Host) []Met {
	f := newFleet(e, &eventLog{now: e.Now, sink: e.Events}, all, nil)
	defer f.close()
	out := make([]Met, len(hosts))
	place := map[string]int{}
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i], place[h.Name] = h.Name, i
	}
	f.each(names, func(m *member) {
		start := e.Now()
		err := f.open(ctx, m)
		out[place[m.host.Name]] = Met{
			Host: m.host, Contact: m.contact, HostKey: m.link.HostKey, Err: err, Elapsed: e.Now().Sub(start),
		}
	})
	return out
}
