package linux

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var hostsFile = resource.Define[HostsFile]("hosts_file", resource.Merges)

// HostsFile gives names to addresses in /etc/hosts.
//
// Only what it names is managed: other lines, and other names of the same
// address, stay. Each name is found at the address that it is given, so it is
// taken off the lines of other addresses of the same family, such as the
// 127.0.1.1 of Debian's installer. Lines that kplan writes end with "# kplan";
// an address that is dropped from entries goes. Delete removes the entries. A
// plan warns of a cloud-init that writes the file anew at each boot.
//
//	resource "hosts_file" "cluster" {
//	  on      = hosts
//	  entries = { for h in hosts : h.address => [h.name] }
//	}
type HostsFile struct {
	Path    string              `cty:"path" kplan:"id,default=/etc/hosts"` // absolute
	Entries map[string][]string `cty:"entries" kplan:"required"`           // names by address
}

// Validate implements resource.Validator.
func (f HostsFile) Validate(unknown func(string) bool) error {
	if !unknown("path") {
		if err := checkPath("path", f.Path); err != nil {
			return err
		}
	}
	bad := func(format string, args ...any) error {
		return &resource.FieldError{Field: "entries", Msg: fmt.Sprintf(format, args...)}
	}
	if len(f.Entries) == 0 && !unknown("entries") {
		return bad("There are no entries. Write at least one address with its names.")
	}
	owner := map[string]string{}
	for _, address := range slices.Sorted(maps.Keys(f.Entries)) {
		ip, err := netip.ParseAddr(address)
		switch {
		case err != nil:
			return bad("%q is no IP address. Write the address before the names: { \"10.0.2.15\" = [\"k8s-node1\"] }.", address)
		case ip.String() != address:
			return bad("The address %q has another spelling. Write %q.", address, ip)
		case len(f.Entries[address]) == 0:
			return bad("The address %q has no names. Write at least one, or leave the address out.", address)
		}
		for _, name := range f.Entries[address] {
			key := fmt.Sprint(ip.Is4(), name)
			switch {
			case name == "localhost":
				return bad("The name localhost always stays at the loopback address. Leave it out.")
			case !dnsName.MatchString(name):
				return bad("%q is no name of a host. Write letters, digits, dashes and dots.", name)
			case owner[key] == address:
				return bad("The name %q is there twice at %s. Write it once.", name, address)
			case owner[key] != "":
				return bad("The name %q is at %s and at %s. Write it at one of them.", name, owner[key], address)
			}
			owner[key] = address
		}
	}
	return nil
}

// Claims implements resource.Claimer.
func (f HostsFile) Claims() []string { return []string{"path " + f.Path} }

// Read makes one call.
func (f HostsFile) Read(ctx context.Context, h host.Host) (*HostsFile, error) {
	files, err := host.Read(ctx, h, f.Path)
	if err != nil || files[0] == nil {
		return nil, err
	}
	entries := parseHosts(string(files[0].Content)).entries(f.Entries)
	if len(entries) == 0 {
		return nil, nil
	}
	return &HostsFile{Path: f.Path, Entries: entries}, nil
}

// Apply makes two calls, the first of them as Read, since the lines of others
// are kept.
func (f HostsFile) Apply(ctx context.Context, h host.Host, _ *HostsFile) error {
	return f.rewrite(ctx, h, func(t hostsText) hostsText { return t.with(f.Entries) })
}

// Delete implements resource.Deleter.
func (f HostsFile) Delete(ctx context.Context, h host.Host) error {
	return f.rewrite(ctx, h, func(t hostsText) hostsText { return t.without(f.Entries) })
}

const newHosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

func (f HostsFile) rewrite(ctx context.Context, h host.Host, change func(hostsText) hostsText) error {
	files, err := host.Read(ctx, h, f.Path)
	if err != nil {
		return err
	}
	old := files[0]
	if old == nil {
		old = &host.File{Kind: host.KindFile, Mode: 0o644, Content: []byte(newHosts)}
	}
	if old.Kind != host.KindFile {
		return &host.OpError{Op: "manage the file", Path: f.Path, Msg: "a " + describeKind(old) + " stands there"}
	}
	text := change(parseHosts(string(old.Content))).String()
	_, err = h.Do(ctx, host.WriteFile{Path: f.Path, Content: []byte(text), Mode: old.Mode, Owner: old.Owner, Group: old.Group})
	return err
}
