package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
)

// peer is how steps of other hosts act on a machine: by a session of its own,
// since they run beside the machine's own steps.
type peer struct {
	turn      chan struct{} // holds one while a call is made, or the machine restarts
	link      Link
	machineID string // of the machine that was claimed
	hostKey   string
	fence     host.Fence
}

// actsOn are the other hosts on whose machines the step of node i acts too: a
// replacement on those of what it deletes and of what it makes. Its own host is
// none of them: what it does there it does at home.
func (d *derivation) actsOn(i int) []string {
	t, c := d.nodes[i].typ, d.nodes[i].change
	if t == nil || !d.nodes[i].acts() {
		return nil
	}
	var names []string
	if c.Action != plans.Delete {
		names = append(names, d.oneOf(t.Peers(d.nodes[i].plain))...)
	}
	if c.Action == plans.Delete || c.Action == plans.Replace {
		names = append(names, d.oneOf(t.Peers(c.Before.Value))...)
	}
	if via := d.nodes[i].via.Host; via != "" {
		names = append(names, via)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == d.addr(i).Host })
	slices.Sort(names)
	return slices.Compact(names)
}

// oneOf is the first of names that can be reached, or else the first; one of which
// nothing is known only where nobody else is there, and one that is let go only
// where all are.
func (d *derivation) oneOf(names []string) []string {
	for _, absent := range []func(string) bool{func(name string) bool { return d.letGo[name] }, d.unknown} {
		if present := slices.DeleteFunc(slices.Clone(names), absent); len(present) > 0 {
			names = present
		}
	}
	for i, name := range names {
		if d.reachable == nil || d.reachable(name) {
			return names[i : i+1]
		}
	}
	return names[:min(len(names), 1)]
}

// unknown reports whether a host is neither in the spec nor recorded.
func (d *derivation) unknown(name string) bool {
	_, recorded := d.in.State.Hosts[name]
	return !recorded && !slices.ContainsFunc(d.in.Spec.Hosts(), func(h *dsl.Host) bool { return h.Name == name })
}

// peerless says of node i, which was decided, why its step cannot act on another
// machine that it has to; "" where it can. A saved plan has said so itself.
func (d *derivation) peerless(i int) string {
	if d.met == nil || d.in.Mode == plans.RefreshOnly {
		return ""
	}
	names := d.actsOn(i)
	if at := d.at(i); at != "" { // all of it is done there
		names = []string{at}
	}
	for _, name := range names {
		switch m := d.met.members[name]; {
		case d.letGo[name]:
			return fmt.Sprintf("it acts on host %s too, which is let go%s", name, d.wayRound(i, name))
		case m == nil && i < d.graph.Instances:
			return fmt.Sprintf("it acts on host %s too, which is not in the spec%s", name, d.wayRound(i, name))
		case m == nil:
			return fmt.Sprintf("it acts on host %s too, which is neither in the spec nor recorded%s", name, d.wayRound(i, name))
		case m.err != nil:
			return fmt.Sprintf("it acts on host %s too, which is unreachable", name)
		}
	}
	return ""
}

// wayRound is what to write where the step of node i has to act on a host that
// does not come back.
func (d *derivation) wayRound(i int, name string) string {
	a := d.addr(i)
	_, inSpec := d.expanded.Lookup(a)
	shared := slices.ContainsFunc(d.expanded.Instances, func(in *dsl.Instance) bool { return in.Addr.Resource == a.Resource })
	forget := fmt.Sprintf("to have it only forgotten, write a removed block with from = %s and destroy = false in its lifecycle", a.Resource)
	switch {
	case i < d.graph.Instances && slices.Contains(d.nodes[i].typ.Peers(d.nodes[i].plain), name):
		return ": name one that is there"
	case i < d.graph.Instances: // it is what the object was made with, and the spec names another
		return ""
	case inSpec:
		forget = "to have it only forgotten, set destroy = false in its lifecycle"
	case shared: // a removed block would be about what the spec still has
		forget = fmt.Sprintf("to have it only forgotten, use kplan state rm '%s'", a)
	}
	if d.letGo[a.Host] {
		var all []string
		for _, peer := range append(d.nodes[i].typ.Peers(d.nodes[i].change.Before.Value), name, a.Host) {
			if ref := hostRef(peer); !slices.Contains(all, ref) {
				all = append(all, ref)
			}
		}
		return fmt.Sprintf(": if it is gone for good, let all of them go in one plan, by a removed block each of %s; %s", strings.Join(all, ", "), forget)
	}
	return ": " + forget
}

// withholdPeerless withholds instance i, which was as undecided says before it
// was decided, where its step cannot act on another machine that it has to.
func (d *derivation) withholdPeerless(i int, undecided node) {
	if reason := d.peerless(i); reason != "" {
		d.nodes[i] = undecided
		d.nodes[i].withheld = reason
	}
}

// withholdPeerlessLeftovers withholds the leftovers whose deletion cannot act
// on another machine that it has to, and those that they stand on.
func (d *derivation) withholdPeerlessLeftovers() {
	for _, i := range d.graph.Order {
		if i < d.graph.Instances || i >= d.graph.Leftovers || !d.selected(i) {
			continue
		}
		if reason := d.peerless(i); reason != "" {
			d.nodes[i].withheld = reason
		}
		if d.held(i) {
			d.nodes[i].change = nil
		}
	}
}

// peers finds the machines of the hosts that the step may act on too, for an
// act under id.
func (s *stepRun) peers(id host.ActID) host.Peers {
	calls := map[string]*peerHost{}
	return func(_ context.Context, name string) (host.Host, error) {
		if h := calls[name]; h != nil {
			return h, nil
		}
		for _, p := range s.step.Peers {
			if m := s.fleet.members[name]; p == name && m != nil && m.peer != nil {
				calls[name] = &peerHost{step: s, member: m, id: id}
				return calls[name], nil
			}
		}
		return nil, fmt.Errorf("host %s is not among those that the plan says this step acts on", name)
	}
}

// peerHost is the machine of another host for one act of a step.
type peerHost struct {
	step   *stepRun
	member *member
	id     host.ActID // of the next detached act
}

// Do implements host.Host. A connection that is lost is made again once: an
// inline act is safe to repeat and a detached one is found by its id.
func (p *peerHost) Do(ctx context.Context, ops ...host.Op) (res []host.Result, err error) {
	detached := 0
	for _, op := range ops {
		if run, ok := op.(host.Run); ok && run.Detached {
			detached++
		}
	}
	way := p.member.peer
	done, err := way.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for range 2 {
		if way.link.Session == nil {
			if err = p.step.fleet.openPeer(ctx, p.member); err != nil {
				break
			}
		}
		res, err = p.once(ctx, ops)
		if !errors.Is(err, host.ErrLost) || ctx.Err() != nil {
			break
		}
		way.shut()
	}
	p.id.N += detached
	var exit *host.ExitError
	switch {
	case errors.As(err, &exit), errors.Is(err, host.ErrInterrupted) && !errors.Is(err, host.ErrLost):
		err = fmt.Errorf("on host %s: %w", p.member.host.Name, err)
	case err != nil: // whatever it is, it is not the step's own machine that was lost
		err = fmt.Errorf("on host %s: %s", p.member.host.Name, err.Error())
	}
	return res, err
}

func (p *peerHost) once(ctx context.Context, ops []host.Op) (res []host.Result, err error) {
	session, acts := p.member.peer.link.Session, false
	for _, op := range ops {
		acts = acts || op.Acts()
	}
	call := func(ctx context.Context, h host.Host) error {
		res, err = h.Do(ctx, ops...)
		return err
	}
	if !acts {
		return res, session.Read(ctx, []reader{call})[0]
	}
	p.member.acted.add(p.step.step.Addr)
	err, _ = session.Act(ctx, p.id, p.member.peer.fence.Epoch, call, nil)
	return res, err
}

// stopThere ends what the step left running on the machine of the host called
// name. It goes there by a session of its own: a step of another host may be
// using the one for acts.
func (s *stepRun) stopThere(ctx context.Context, name string, id host.ActID) (stopped bool, err error) {
	m := s.fleet.members[name]
	if m == nil || m.peer == nil || !slices.Contains(m.acted.all(), s.step.Addr) {
		return false, nil
	}
	link, contact, err := s.fleet.enter(ctx, m)
	if err == nil {
		stopped, err = stopActs(ctx, link.Session, contact, id)
		_ = link.Session.Close()
	}
	if err != nil {
		err = fmt.Errorf("on host %s: %w", name, err)
	}
	return stopped, err
}

// openPeer opens the session for steps of other hosts.
func (f *fleet) openPeer(ctx context.Context, m *member) (err error) {
	m.peer.link, _, err = f.enter(ctx, m)
	return err
}

// enter opens a session beside the machine's own one, behind the run's fence.
// It fails where the machine is another one now, or another run's.
func (f *fleet) enter(ctx context.Context, m *member) (Link, *host.Contact, error) {
	if err := m.gate.pass(ctx); err != nil {
		return Link{}, nil, err
	}
	link, contact, err := f.dial(ctx, m)
	if err != nil {
		return Link{}, nil, err
	}
	switch {
	case contact.MachineID != m.peer.machineID || link.HostKey != m.peer.hostKey:
		err = errAnother
	case contact.Fence == nil || *contact.Fence != m.peer.fence:
		err = host.ErrFenced
	default:
		err = link.Session.Claim(ctx, m.peer.fence)
	}
	if err != nil {
		_ = link.Session.Close()
		return Link{}, nil, err
	}
	return link, contact, nil
}

// take waits for the turn to use the session, until done is called.
func (p *peer) take(ctx context.Context) (done func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peer) shut() {
	if p.link.Session != nil {
		_ = p.link.Session.Close()
	}
	p.link = Link{}
}
