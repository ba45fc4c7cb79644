package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/state"
)

func hostsListCommand() command {
	return command{
		name: "hosts list", short: "list the hosts of the spec",
		examples: []string{"kplan hosts list"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(_ context.Context, a *app, _ []string) int {
				diags := a.load()
				code := a.show(diags)
				if diags.HasErrors() {
					return code
				}
				var rows [][]string
				for _, h := range a.spec.Hosts() {
					rows = append(rows, []string{h.Name, h.Address, strings.Join(h.Roles, ","), orDash(h.OS), endpointOf(h), orDash(h.Connection.Bastion)})
				}
				a.view.Table([]string{"NAME", "ADDRESS", "ROLES", "OS", "CONNECTION", "BASTION"}, rows)
				return code
			}
		},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// endpointOf is where SSH goes, and as whom; or that nothing goes anywhere.
func endpointOf(h *dsl.Host) string {
	c := h.Connection
	s := c.Host
	switch {
	case c.Local:
		s = "local"
	case s == "":
		s = h.Address
	}
	if c.User != "" {
		s = c.User + "@" + s
	}
	if c.Port != 0 && c.Port != 22 {
		s += fmt.Sprintf(":%d", c.Port)
	}
	if c.Become != "" && c.Become != "none" {
		s += " (" + c.Become + ")"
	}
	return s
}

// chosen are the hosts of the spec that the arguments name; all where they name
// none.
func (a *app) chosen(args []string) ([]*dsl.Host, error) {
	all := a.spec.Hosts()
	if len(args) == 0 {
		return all, nil
	}
	byName := map[string]*dsl.Host{}
	var names []string
	for _, h := range all {
		byName[h.Name] = h
		names = append(names, h.Name)
	}
	var out []*dsl.Host
	for _, name := range args {
		h, ok := byName[strings.TrimPrefix(name, "host.")]
		if !ok {
			return nil, problem(unknown("host", name, names).Error(), "kplan hosts list shows those of the spec.")
		}
		out = append(out, h)
	}
	return out, nil
}

// bastion is the host through which another is reached; nil for none.
func (a *app) bastion(h *dsl.Host) *dsl.Host {
	for _, b := range a.spec.Hosts() {
		if h.Connection.Bastion != "" && b.Name == h.Connection.Bastion {
			return b
		}
	}
	return nil
}

func hostsAcceptCommand() command {
	return command{
		name: "hosts accept", args: "NAME", min: 1, max: 1, short: "record that a host is another machine now",
		long: "Forgets the machine-id, the host key and the objects recorded for the host, so that\n" +
			"the next plan begins anew there. Nothing is changed on any machine.",
		exits:    []int{4, 7},
		examples: []string{"kplan hosts accept web1"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			approve := f.Bool("auto-approve", "do not ask")
			return func(ctx context.Context, a *app, args []string) int {
				lease, err := a.existing(ctx)
				if err != nil {
					return a.fail(err)
				}
				defer func() { _ = lease.Release() }()
				snap := lease.Snapshot()
				n := countOn(snap, args[0])
				if _, ok := snap.Hosts[args[0]]; !ok && n == 0 {
					return a.fail(problem("The state records no host "+args[0], "kplan state list shows what it records."))
				}
				if !*approve {
					if err := a.confirm(ctx, fmt.Sprintf("The state records %d objects on %s. Forget them, and which machine it was?\n", n, args[0])); err != nil {
						return a.fail(err)
					}
				}
				forget(snap, args[0])
				if err := lease.Save(ctx, snap); err != nil {
					return a.fail(err)
				}
				a.say(fmt.Sprintf("Forgot %s with %d objects. The next plan takes the machine that answers there as new.", args[0], n))
				return 0
			}
		},
	}
}

func countOn(s *state.Snapshot, host string) int {
	n := 0
	for i := range s.Objects {
		if i.Host == host {
			n++
		}
	}
	return n
}

// forget removes what a state records of a host.
func forget(s *state.Snapshot, host string) {
	delete(s.Hosts, host)
	for i := range s.Objects {
		if i.Host == host {
			delete(s.Objects, i)
			delete(s.Owed, i)
		}
	}
	for i := range s.Interrupted {
		if i.Host == host {
			delete(s.Interrupted, i)
		}
	}
}
