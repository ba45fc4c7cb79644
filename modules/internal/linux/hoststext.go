package linux

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// hostsMark ends the lines of hosts(5) that kplan writes.
const hostsMark = "# kplan"

// hostsLine is one line of hosts(5). A line that is no entry has no address.
type hostsLine struct {
	raw     string // as it stands, without its end
	address string
	names   []string
	comment string
	ours    bool
}

type hostsText []hostsLine

func parseHosts(text string) hostsText {
	var t hostsText
	for raw := range strings.Lines(text) {
		l := hostsLine{raw: strings.TrimRight(raw, "\r\n")}
		entry, comment, has := strings.Cut(l.raw, "#")
		if has {
			l.comment = "#" + comment
		}
		if fields := strings.Fields(entry); len(fields) > 0 {
			l.address, l.names = fields[0], fields[1:]
			l.ours = strings.TrimSpace(l.comment) == hostsMark
		}
		t = append(t, l)
	}
	return t
}

// String is the text with one entry a line.
func (t hostsText) String() string {
	var b strings.Builder
	for _, l := range t {
		b.WriteString(l.raw + "\n")
	}
	return b.String()
}

// entries are the names by address of kplan's lines, and those of want that
// stand elsewhere; a name that another address of the family has too is none.
// Where the names of an address are those of want, so is their order.
func (t hostsText) entries(want map[string][]string) map[string][]string {
	got := map[string][]string{}
	for _, l := range t {
		for _, name := range l.names {
			if (l.ours || slices.Contains(want[l.address], name)) && !slices.Contains(got[l.address], name) && !t.elsewhere(l.address, name) {
				got[l.address] = append(got[l.address], name)
			}
		}
	}
	for address, names := range got {
		if slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want[address]))) {
			got[address] = slices.Clone(want[address])
		}
	}
	return got
}

// elsewhere tells whether name stands at another address of the same family.
func (t hostsText) elsewhere(address, name string) bool {
	return slices.ContainsFunc(t, func(l hostsLine) bool {
		return l.address != address && sameFamily(l.address, address) && slices.Contains(l.names, name)
	})
}

func sameFamily(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Is4() == y.Is4()
}

// with is the text with the entries of want, and none else of kplan's.
func (t hostsText) with(want map[string][]string) hostsText {
	missing := map[string][]string{}
	var kept hostsText
	for _, l := range t {
		if !l.ours {
			kept = append(kept, l)
		}
	}
	for address, names := range want {
		for _, name := range names {
			kept = kept.drop(func(a, n string) bool { return n == name && a != address && sameFamily(a, address) })
			has := func(l hostsLine) bool { return l.address == address && slices.Contains(l.names, name) }
			if !slices.ContainsFunc(kept, has) {
				missing[address] = append(missing[address], name)
			}
		}
	}
	for _, address := range slices.SortedFunc(maps.Keys(missing), compareAddresses) {
		raw := address + "\t" + strings.Join(missing[address], " ") + " " + hostsMark
		kept = append(kept, parseHosts(raw)...)
	}
	return kept
}

// without is the text without kplan's lines and without the entries given.
func (t hostsText) without(gone map[string][]string) hostsText {
	t = t.with(nil)
	return t.drop(func(address, name string) bool { return slices.Contains(gone[address], name) })
}

// drop takes away the names that match, and the lines that have none left.
func (t hostsText) drop(match func(address, name string) bool) hostsText {
	var kept hostsText
	for _, l := range t {
		names := slices.DeleteFunc(slices.Clone(l.names), func(name string) bool { return match(l.address, name) })
		switch {
		case len(names) == len(l.names):
			kept = append(kept, l)
		case len(names) > 0:
			l.names = names
			l.raw = strings.TrimSpace(l.address + "\t" + strings.Join(names, " ") + " " + l.comment)
			kept = append(kept, l)
		}
	}
	return kept
}

func compareAddresses(a, b string) int {
	x, _ := netip.ParseAddr(a)
	y, _ := netip.ParseAddr(b)
	return x.Compare(y)
}
