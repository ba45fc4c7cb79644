package dsl

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// hostValues is the values of hosts, built once.
type hostValues struct {
	all    cty.Value   // hosts
	byName cty.Value   // host
	byRole cty.Value   // role
	each   []cty.Value // of each host
}

// madeHost is a host with what its block says of its connection.
type madeHost struct {
	*Host
	block *hostBlock
	each  *repetition
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// hostName reports whether name is an RFC 1123 host name in lower case.
func hostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for _, l := range strings.Split(name, ".") {
		if len(l) > 63 || !label.MatchString(l) {
			return false
		}
	}
	return true
}

// readHosts makes the hosts and their values, and then their connections, which
// may refer to hosts.
func (s *Spec) readHosts() hcl.Diagnostics {
	var diags hcl.Diagnostics
	var made []madeHost
	for _, b := range s.root.mod.hosts {
		reps, more := s.repetitions(each{forEach: b.forEach}, s.top.frame(nil))
		diags = append(diags, more...)
		for _, r := range reps {
			h, more := s.host(b, r)
			diags = append(diags, more...)
			if h != nil {
				made = append(made, madeHost{h, b, r})
			}
		}
		if len(made) > maxInstances {
			return append(diags, errorAt(b.rng, "Too many hosts", "A spec may have at most %d hosts.", maxInstances))
		}
	}
	slices.SortStableFunc(made, func(a, b madeHost) int { return strings.Compare(a.Name, b.Name) })
	diags = append(diags, unique(made)...)
	if diags.HasErrors() {
		return diags
	}
	for i, m := range made {
		s.hosts = append(s.hosts, m.Host)
		s.hostIndex[m.Name] = int32(i)
	}
	s.budget.Grant(len(s.hosts)) // their list is walked wherever it is handed on
	s.values = s.hostValues()
	return append(diags, s.connections(made)...)
}

// host makes one host of a block; nil where it is not usable.
func (s *Spec) host(b *hostBlock, r *repetition) (*Host, hcl.Diagnostics) {
	f := s.top.frame(nil)
	f.each = r
	a := &blockArgs{spec: s, frame: f, args: b.args}
	h := &Host{Name: b.label, Range: b.rng, Address: a.text("address"), Roles: a.texts("roles"), Labels: a.pairs("labels"), OS: a.text("os")}
	rng := b.labelRng
	if b.forEach != nil {
		h.Name = a.text("name")
		if n := b.args["name"]; n != nil {
			rng = n.rng
		}
	}
	if a.diags.HasErrors() {
		return nil, a.diags
	}
	if !hostName(h.Name) {
		hint := ""
		if s := strings.ToLower(strings.ReplaceAll(h.Name, "_", "-")); hostName(s) {
			hint = fmt.Sprintf(" Did you mean %q?", s)
		}
		a.add(errorAt(rng, "Invalid host name", "%q is no host name: lower-case letters, digits and dashes in parts between dots, each beginning and ending with a letter or digit and at most 63 long, 253 in all (RFC 1123).%s", h.Name, hint))
	}
	if _, err := netip.ParseAddr(h.Address); err != nil && (!hostName(h.Address) || strings.Trim(h.Address, "0123456789.") == "") {
		a.add(errorAt(b.args["address"].rng, "Invalid address", "The address of %s is an IP address or a host name, such as 10.0.2.15, and %q is neither.", h.Name, h.Address))
	}
	for i, role := range h.Roles {
		if slices.Contains(h.Roles[:i], role) {
			a.add(errorAt(b.args["roles"].rng, "Duplicate role", "%s has the role %q twice.", h.Name, role))
		}
		if role == "" {
			a.add(errorAt(b.args["roles"].rng, "Invalid role", "A role of %s is empty.", h.Name))
		}
	}
	if h.OS != "" {
		if family, version, _ := strings.Cut(h.OS, ":"); family == "" || version == "" {
			a.add(errorAt(b.args["os"].rng, "Invalid operating system", "The argument \"os\" is the family and the version, such as debian:12, and %q is not.", h.OS))
		}
	}
	return h, a.diags
}

// unique refuses two hosts of one name or one address. They are sorted by name.
func unique(hosts []madeHost) hcl.Diagnostics {
	var diags hcl.Diagnostics
	byAddress := map[string]madeHost{}
	for i, h := range hosts {
		if i > 0 && hosts[i-1].Name == h.Name {
			diags = append(diags, errorAt(h.Range, "Duplicate name", "The host %q is defined already at %s. Remove or rename one of the two.", h.Name, at(hosts[i-1].Range)))
			continue
		}
		address := canonical(h.Address)
		if first, ok := byAddress[address]; ok {
			rng := h.Range
			if a := h.block.args["address"]; a != nil {
				rng = a.rng
			}
			d := errorAt(rng, "Duplicate address", "The hosts %s and %s both have the address %s. Give each its own, or keep one of the two.", first.Name, h.Name, h.Address)
			if first.Address != h.Address {
				d.Detail = fmt.Sprintf("The hosts %s and %s both have one address: %s and %s are the same in two spellings. Give each its own, or keep one of the two.", first.Name, h.Name, first.Address, h.Address)
			}
			diags = append(diags, d)
			continue
		}
		byAddress[address] = h
	}
	return diags
}

// canonical is the one spelling of an address: one of IPv6 has many, and one of
// IPv4 can be written as one of IPv6 (RFC 4291, 2.5.5.2).
func canonical(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.Unmap().String()
	}
	return address
}

// hostValues makes the values of all hosts.
func (s *Spec) hostValues() hostValues {
	v := hostValues{each: make([]cty.Value, len(s.hosts))}
	byName := map[string]cty.Value{}
	byRole := map[string][]cty.Value{}
	if set := s.root.mod.settings; set != nil {
		for _, r := range set.roles {
			byRole[r] = nil
		}
	}
	for i, h := range s.hosts {
		one := hostValue(h)
		v.each[i], byName[h.Name] = one, one
		for _, r := range h.Roles {
			byRole[r] = append(byRole[r], one)
		}
	}
	v.all, v.byName = hostList(v.each), cty.MapValEmpty(hostType)
	if len(byName) > 0 {
		v.byName = cty.MapVal(byName)
	}
	roles := map[string]cty.Value{}
	for r, hs := range byRole {
		roles[r] = hostList(hs)
	}
	v.byRole = cty.MapValEmpty(cty.List(hostType))
	if len(roles) > 0 {
		v.byRole = cty.MapVal(roles)
	}
	return v
}

func hostList(hs []cty.Value) cty.Value {
	if len(hs) == 0 {
		return cty.ListValEmpty(hostType)
	}
	return cty.ListVal(hs)
}

// hostValue is a host as expressions see it.
func hostValue(h *Host) cty.Value {
	roles, labels, os := cty.ListValEmpty(cty.String), cty.MapValEmpty(cty.String), cty.NullVal(osType)
	if len(h.Roles) > 0 {
		rs := make([]cty.Value, len(h.Roles))
		for i, r := range h.Roles {
			rs[i] = cty.StringVal(r)
		}
		roles = cty.ListVal(rs)
	}
	if len(h.Labels) > 0 {
		ls := make(map[string]cty.Value, len(h.Labels))
		for k, l := range h.Labels {
			ls[k] = cty.StringVal(l)
		}
		labels = cty.MapVal(ls)
	}
	if h.OS != "" {
		family, version, _ := strings.Cut(h.OS, ":")
		os = cty.ObjectVal(map[string]cty.Value{"family": cty.StringVal(family), "version": cty.StringVal(version)})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(h.Name), "address": cty.StringVal(h.Address), "roles": roles, "labels": labels, "os": os,
	})
}

// checkHosts refuses references to hosts and roles that there are not.
func (s *Spec) checkHosts() hcl.Diagnostics {
	var diags hcl.Diagnostics
	names := make([]string, len(s.hosts))
	for i, h := range s.hosts {
		names[i] = h.Name
	}
	known := func(host string, rng hcl.Range) {
		if _, ok := s.hostIndex[host]; !ok && host != "" {
			diags = append(diags, errorAt(rng, "Unknown host", "There is no host named %q.%s", host, suggest(host, names)))
		}
	}
	var roles []string
	for it := s.values.byRole.ElementIterator(); it.Next(); {
		k, _ := it.Element()
		roles = append(roles, k.AsString())
	}
	for _, r := range s.allRefs() {
		switch r.kind {
		case refHost:
			known(r.name, r.rng)
		case refFacts, refAll:
			known(r.host, r.rng)
		case refRole:
			if r.name != "" && !slices.Contains(roles, r.name) {
				diags = append(diags, errorAt(r.rng, "Unknown role", "No host has the role %q.%s A role that may have no hosts is declared: kplan { roles = [%q] }.", r.name, suggest(r.name, roles), r.name))
			}
		}
	}
	return diags
}
