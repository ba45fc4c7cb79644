package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine/event"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/plans"
	"github.com/kplan/kplan/state"
)

func (e *Engine) plan(ctx context.Context, in PlanInput) (*Planned, hcl.Diagnostics) {
	d, diags := e.newDerivation(in)
	if diags.HasErrors() {
		return nil, diags
	}
	if in.Offline {
		d.preview()
		d.choose()
		d.assume()
		p, more := d.compile(d.planHosts(nil), nil, d.farewells())
		if p == nil {
			return nil, append(diags, more...)
		}
		return &Planned{Plan: p, derivation: d}, append(append(diags, more...), d.expected()...)
	}
	f := newFleet(e, &eventLog{now: e.Now, sink: e.Events, hide: d.hider.hide}, d.machines(), d.ways())
	planned := &Planned{derivation: d, fleet: f}
	f.connect(ctx)
	warnings, more := d.meet(ctx, f)
	diags = append(diags, more...)
	if diags.HasErrors() || ctx.Err() != nil {
		planned.Close()
		return nil, append(diags, interrupted(ctx)...)
	}
	d.preview()
	if d.diags.HasErrors() {
		planned.Close()
		return nil, append(diags, d.diags...)
	}
	d.choose()
	d.readAll(ctx, f)
	if ctx.Err() != nil {
		planned.Close()
		return nil, append(diags, interrupted(ctx)...)
	}
	d.takeRecorded()
	p, more := d.compile(d.planHosts(f), d.drift(), append(warnings, d.farewells()...))
	diags = append(diags, more...)
	if p == nil {
		planned.Close()
		return nil, diags
	}
	planned.Plan = p
	return planned, append(diags, d.expected()...)
}

func interrupted(ctx context.Context) hcl.Diagnostics {
	if ctx.Err() == nil {
		return nil
	}
	return one(problem{summary: "Interrupted", detail: "Nothing was changed.", code: CodeInterrupted})
}

// machines are the hosts that the plan has to look at: those of the spec, and
// recorded ones, as they were last reached, that hold objects or that the
// deletion of one acts on.
func (d *derivation) machines() []*dsl.Host {
	hosts := slices.Clone(d.in.Spec.Hosts())
	have := map[string]bool{}
	for _, h := range hosts {
		have[h.Name] = true
	}
	for i := range d.nodes {
		rec, ok := d.recorded(i)
		if !ok {
			continue
		}
		names := []string{d.addr(i).Host}
		if t := d.nodes[i].typ; t != nil && recordedObject(rec).Exists() {
			names = append(names, t.Peers(rec.Attrs.Value)...)
		}
		for _, name := range names {
			if h, ok := d.in.State.Hosts[name]; ok && !have[name] && !d.letGo[name] {
				have[name] = true
				hosts = append(hosts, recordedHost(name, h))
			}
		}
	}
	return hosts
}

// ways are the recorded hosts, through which others may be reached although the
// spec does not name them any more and nothing stands on them.
func (d *derivation) ways() []*dsl.Host {
	var hosts []*dsl.Host
	for name, rec := range d.in.State.Hosts {
		if d.letGo[name] {
			continue
		}
		hosts = append(hosts, recordedHost(name, rec))
	}
	return hosts
}

// recordedHost is a host that the spec does not name any more.
func recordedHost(name string, rec state.Host) *dsl.Host {
	c := rec.Connection
	return &dsl.Host{Name: name, Address: rec.Address, Connection: dsl.Connection{
		Local: c.Local, Host: c.Host, Port: c.Port, User: c.User, PrivateKeyFile: c.PrivateKeyFile, Agent: c.Agent,
		KnownHostsFile: c.KnownHostsFile, HostKey: rec.HostKey, Become: c.Become, BecomeUser: c.BecomeUser, Bastion: c.Bastion,
	}}
}

// meet checks who the machines are, and withholds what is on those that could
// not be reached.
func (d *derivation) meet(ctx context.Context, f *fleet) (warnings []string, diags hcl.Diagnostics) {
	d.met = f
	d.reachable = func(name string) bool { m := f.members[name]; return m != nil && m.err == nil }
	byID := d.goneByID()
	for _, name := range f.order {
		m := f.members[name]
		if m.err != nil {
			if trust := d.distrust(m); trust != nil {
				diags = append(diags, trust)
			}
			continue
		}
		d.facts[name] = factsValue(m.contact.Facts)
		diags = append(diags, d.identity(m, byID, d.in.State)...)
		if fence := m.contact.Fence; fence != nil && d.in.State.Lineage != "" && fence.Lineage != d.in.State.Lineage {
			warnings = append(warnings, fmt.Sprintf("host %s was last changed by kplan with another state (lineage %s); applying takes the machine over", name, fence.Lineage))
		}
	}
	for i := range d.nodes {
		name := d.addr(i).Host
		if m := f.members[name]; d.letGo[name] {
			continue
		} else if m == nil {
			d.nodes[i].withheld = fmt.Sprintf("nothing is recorded of how to reach host %s%s", name, d.wayOut(name))
		} else if m.err != nil {
			d.nodes[i].withheld = fmt.Sprintf("host %s is unreachable", name)
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(d.in.State.Interrupted), compareAddr) {
		if d.letGo[a.Host] {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("run %s was cut off while it worked on %s; what stands there now is looked at first", d.in.State.Interrupted[a].Run, a))
	}
	return warnings, diags
}

// distrust is the diagnostic of a machine that must not or, as the spec has it,
// cannot be talked to; nil where it only could not be reached.
func (d *derivation) distrust(m *member) *hcl.Diagnostic {
	var failure interface {
		error
		ExitCode() int
	}
	if !errors.As(m.err, &failure) {
		return nil
	}
	summary := "Host not trusted"
	if Code(failure.ExitCode()) != CodeUntrusted {
		summary = "Cannot connect"
	}
	at := m.host.Connection.Range
	return problem{
		summary: summary,
		detail:  fmt.Sprintf("Host %s: %s", m.host.Name, sentence(failure.Error())),
		at:      &at,
		code:    Code(failure.ExitCode()),
	}.diag()
}

// identity compares the machine with the one that is recorded.
func (d *derivation) identity(m *member, byID map[string]*dsl.Host, recorded *state.Snapshot) (diags hcl.Diagnostics) {
	at, c := m.host.Range, m.contact
	if other := byID[c.MachineID]; other != nil {
		diags = append(diags, d.sameMachine(other, m.host, c.MachineID))
	}
	byID[c.MachineID] = m.host
	rec, known := recorded.Hosts[m.host.Name]
	if known && rec.MachineID != "" && rec.MachineID != c.MachineID {
		diags = append(diags, problem{
			summary: "Another machine",
			detail: fmt.Sprintf("Host %s has the machine-id %s; what is recorded was on machine %s. If it was replaced on purpose, let kplan forget what was on the old one:\n\n    kplan hosts accept %s",
				m.host.Name, c.MachineID, rec.MachineID, m.host.Name),
			at: &at, code: CodeStale,
		}.diag())
	}
	if os := m.host.OS; os != "" && !osMatches(os, c.Facts) {
		diags = append(diags, problem{
			summary: "Another operating system",
			detail:  fmt.Sprintf("The spec declares os = %q for host %s; the machine says %s:%s.", os, m.host.Name, c.Facts.OS, c.Facts.OSVersion),
			at:      &at, code: CodeStale,
		}.diag())
	}
	if r := c.Receipt; r != nil && r.Lineage == recorded.Lineage && r.Serial > recorded.Serial {
		diags = append(diags, problem{
			summary: "State is older than the machine",
			detail: fmt.Sprintf("Host %s was last changed by run %s, which left the state at serial %d; this state is at serial %d. It is an old copy: restore the current one.",
				m.host.Name, r.Run, r.Serial, recorded.Serial),
			at: &at, code: CodeDamaged,
		}.diag())
	}
	return diags
}

// sameMachine is the error of two hosts that are one machine.
func (d *derivation) sameMachine(a, b *dsl.Host, id string) *hcl.Diagnostic {
	was, is := a, b
	if slices.Contains(d.in.Spec.Hosts(), a) {
		was, is = b, a
	}
	p := problem{at: &is.Range, code: CodeStale}
	if slices.Contains(d.in.Spec.Hosts(), was) {
		p.at, p.summary = &b.Range, "Two hosts with one machine-id"
		p.detail = fmt.Sprintf("Hosts %s and %s both have the machine-id %s: they are one machine, or one was copied from the other. On a copy, run\n\n    rm -f /etc/machine-id && systemd-machine-id-setup\n\nand restart it.",
			a.Name, b.Name, id)
	} else {
		p.summary = "Another name for one machine"
		p.detail = fmt.Sprintf("Host %s is the machine that is recorded as %s, which the spec does not name any more. If the block was renamed, give it its old name again, or let kplan forget the old name:\n\n    kplan state rm host.%s\n\nWhat stands on the machine stays there, and the next plan finds it.",
			is.Name, was.Name, was.Name)
	}
	return p.diag()
}

func osMatches(declared string, f host.Facts) bool {
	family, version, _ := strings.Cut(declared, ":")
	return family == f.OS && (version == "" || version == f.OSVersion || strings.HasPrefix(f.OSVersion, version+"."))
}

// factsValue is the facts as expressions see them.
func factsValue(f host.Facts) cty.Value {
	t, err := gocty.ImpliedType(f)
	if err != nil {
		panic("engine: facts: " + err.Error())
	}
	v, err := gocty.ToCtyValue(f, t)
	if err != nil {
		panic("engine: facts: " + err.Error())
	}
	return v
}

// readAll reads the objects of all nodes that are not withheld, the hosts side
// by side, all of a host's in one go.
func (d *derivation) readAll(ctx context.Context, f *fleet) {
	byHost := map[string][]int{}
	for i := range d.nodes {
		if d.nodes[i].withheld == "" && d.nodes[i].typ != nil && !d.letGo[d.addr(i).Host] {
			byHost[d.addr(i).Host] = append(byHost[d.addr(i).Host], i)
		}
	}
	names := slices.Sorted(maps.Keys(byHost))
	f.each(names, func(m *member) {
		start := d.engine.Now()
		nodes := byHost[m.host.Name]
		if err := f.again(ctx, m, func() error { return d.readNodes(ctx, m, nodes) }); err != nil {
			f.fail(m, err)
			return
		}
		f.events.emit(event.HostRead{Host: m.host.Name, Objects: len(nodes), Elapsed: d.engine.Now().Sub(start)})
	})
	for _, name := range names {
		if f.members[name].err == nil {
			continue
		}
		for _, i := range byHost[name] {
			d.nodes[i].withheld = fmt.Sprintf("host %s is unreachable", name)
		}
	}
}

// readNodes fills the readings of nodes, all on machine m, and what is found
// there. It fails where the connection was lost.
func (d *derivation) readNodes(ctx context.Context, m *member, nodes []int) error {
	fns := make([]reader, 0, len(nodes))
	for _, i := range nodes {
		fns = append(fns, d.reader(i))
		if d.inspected(i) {
			fns = append(fns, d.inspector(m, i))
		}
	}
	return readAs(ctx, m, fns...)
}

// reader is what a session runs to read something.
type reader = func(context.Context, host.Host) error

// reader fills the reading of node i.
func (d *derivation) reader(i int) reader {
	return func(ctx context.Context, h host.Host) error {
		r, err := d.read(ctx, h, i)
		r.err = err
		d.nodes[i].showed = &r
		return err
	}
}

// readAs runs fns on machine m. It fails where the connection was lost.
func readAs(ctx context.Context, m *member, fns ...reader) error {
	for _, err := range m.link.Session.Read(ctx, fns) {
		if errors.Is(err, host.ErrLost) {
			return err
		}
	}
	return ctx.Err()
}

// read reads the object of node i as it is wanted and, where it was recorded
// under another identity, that one too.
func (d *derivation) read(ctx context.Context, h host.Host, i int) (reading, error) {
	t := d.nodes[i].typ
	rec, recorded := d.recorded(i)
	known := recordedObject(rec)
	r := reading{}
	want := d.nodes[i].asked
	if t.IsAct {
		if d.inst(i) == nil {
			return r, nil
		}
		var err error
		r.verdict, err = t.Due(ctx, h, want)
		return r, err
	}
	if d.inst(i) == nil {
		return d.readRecorded(ctx, h, i, rec)
	}
	v, err := t.Read(ctx, h, want)
	if err != nil {
		return r, err
	}
	r.raw = v
	r.before = d.shown(i, v, want)
	at := v
	if recorded && known.Exists() && !sameIdentity(t, want, known.Value) {
		if at, err = t.Read(ctx, h, known.Value); err != nil {
			return r, err
		}
		r.rawOld = at
		r.old = d.shown(i, at, cty.NilVal)
	}
	if recorded {
		r.drift = d.drifted(i, at, rec)
	}
	return r, nil
}

func (d *derivation) readRecorded(ctx context.Context, h host.Host, i int, rec state.Object) (reading, error) {
	r := reading{}
	known := recordedObject(rec)
	if !known.Exists() {
		return r, nil
	}
	v, err := d.nodes[i].typ.Read(ctx, h, known.Value)
	if err != nil {
		return r, err
	}
	r.raw = v
	r.before = d.shown(i, v, cty.NilVal)
	r.drift = d.drifted(i, v, rec)
	return r, nil
}

// managed is the value of actual, with what the spec does not set and what the
// machine does not tell as it is recorded.
func (d *derivation) managed(i int, actual, known plans.Object) cty.Value {
	if d.inst(i) == nil || !known.Exists() {
		return actual.Value
	}
	attrs := actual.Value.AsValueMap()
	for name, v := range attrs {
		a, _ := d.nodes[i].typ.Schema.Lookup(name)
		if !d.nodes[i].plain.GetAttr(name).IsNull() && !a.Asked || !known.Value.Type().HasAttribute(name) {
			continue
		}
		if was := known.Value.GetAttr(name); was.Type().Equals(v.Type()) {
			attrs[name] = was
		}
	}
	return cty.ObjectVal(attrs)
}

// drifted is what v is, where that is not what was recorded; nil where it is.
// What the spec leaves open is as it was: nobody asks for it.
func (d *derivation) drifted(i int, v cty.Value, rec state.Object) *plans.Object {
	actual := d.shown(i, v, cty.NilVal)
	known := d.recordedAs(i, rec)
	if actual.Exists() {
		seen := maps.Clone(known.Secrets) // a reading without the secret in hand does not look at it
		maps.Copy(seen, actual.Secrets)
		actual.Secrets = seen
		actual.Value = d.managed(i, actual, known)
	}
	if actual.Equal(known) {
		return nil
	}
	return &actual
}
