package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kplan/kplan/cmd/internal/view"
	"github.com/kplan/kplan/dsl"
	"github.com/kplan/kplan/engine"
	"github.com/kplan/kplan/modules/host"
)

func hostsPingCommand() command {
	return command{
		name: "hosts ping", args: "[NAME]…", max: -1, short: "connect to hosts, and say how that went",
		exits:    []int{6, 8, 130},
		examples: []string{"kplan hosts ping", "kplan hosts ping web1 web2"},
		define: func(*flags) func(context.Context, *app, []string) int {
			return func(ctx context.Context, a *app, args []string) int {
				hosts, code := a.loadHosts(args)
				if code != 0 {
					return code
				}
				var rows [][]string
				var hints []string
				for _, c := range a.contact(ctx, hosts) {
					state := "ok"
					if c.Err != nil {
						var hint string
						state, hint = view.Reason(c.Err.Error())
						code = worst(code, hostCode(c.Err))
						if hint != "" && !slices.Contains(hints, hint) {
							hints = append(hints, hint)
						}
					}
					rows = append(rows, []string{c.Host.Name, endpointOf(c.Host), c.Elapsed.Round(time.Millisecond).String(), state})
				}
				a.view.Table([]string{"NAME", "CONNECTION", "TIME", "RESULT"}, rows)
				for _, h := range hints {
					a.say("\n" + h)
				}
				return worst(code, interrupted(ctx))
			}
		},
	}
}

func hostsFactsCommand() command {
	return command{
		name: "hosts facts", args: "[NAME]…", max: -1, short: "show what reading hosts tells of them",
		exits:    []int{6, 8, 130},
		examples: []string{"kplan hosts facts", "kplan hosts facts --json web1"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			asJSON := f.Bool("json", "write the facts as JSON, by host")
			return func(ctx context.Context, a *app, args []string) int {
				hosts, code := a.loadHosts(args)
				if code != 0 {
					return code
				}
				facts := map[string]host.Facts{}
				for _, c := range a.contact(ctx, hosts) {
					if c.Err != nil {
						code = worst(code, a.fail(coded(hostCode(c.Err), "Host "+c.Host.Name+" cannot be read", capital(c.Err.Error())+".")))
						continue
					}
					facts[c.Host.Name] = c.Contact.Facts
				}
				if *asJSON {
					a.view.FactsJSON(facts)
				} else {
					a.view.Facts(facts)
				}
				return worst(code, interrupted(ctx))
			}
		},
	}
}

func hostsScanCommand() command {
	return command{
		name: "hosts scan", args: "[NAME]…", max: -1, short: "show the host keys of hosts, to be compared and recorded",
		long: "Compare the fingerprints with what the machines' consoles show\n" +
			"(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) before you record them.",
		exits:    []int{8, 130},
		examples: []string{"kplan hosts scan", "kplan hosts scan --write web1"},
		define: func(f *flags) func(context.Context, *app, []string) int {
			write := f.Bool("write", "add the keys to the known_hosts file of the connection")
			return func(ctx context.Context, a *app, args []string) int {
				hosts, code := a.loadHosts(args)
				if code != 0 {
					return code
				}
				var rows [][]string
				recorded := map[string]int{} // hosts, by file
				for _, h := range hosts {
					if h.Connection.Local {
						a.say(fmt.Sprintf("Host %s is the machine that kplan runs on: nothing goes over SSH, and no host key is needed.", h.Name))
						continue
					}
					keys, err := a.ssh().ScanHostKeys(ctx, h, a.bastion(h))
					if err != nil {
						code = worst(code, a.fail(coded(8, "Host "+h.Name+" cannot be reached", capital(err.Error())+".")))
						continue
					}
					for _, k := range keys {
						rows = append(rows, []string{h.Name, k.Fingerprint, k.Key})
					}
					if *write {
						file, err := a.ssh().TrustHostKeys(h, keys)
						if err != nil {
							return worst(code, a.fail(problem("The host keys cannot be recorded", capital(err.Error())+".")))
						}
						recorded[file]++
					}
				}
				if len(rows) > 0 {
					a.view.Table([]string{"NAME", "FINGERPRINT", "KEY"}, rows)
				}
				for _, file := range slices.Sorted(maps.Keys(recorded)) {
					a.say(fmt.Sprintf("\nThe keys of %d of the hosts stand in %s now.", recorded[file], file))
				}
				if !*write && len(rows) > 0 {
					a.say("\nCompare the fingerprints with what the machines' consoles show\n(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). To record them, type:\n\n    kplan " + strings.Join(append([]string{"hosts scan --write"}, args...), " "))
				}
				return worst(code, interrupted(ctx))
			}
		},
	}
}

// loadHosts reads the spec and the hosts of it that the arguments name.
func (a *app) loadHosts(args []string) ([]*dsl.Host, int) {
	diags := a.load()
	if code := a.show(diags); diags.HasErrors() {
		return nil, code
	}
	hosts, err := a.chosen(args)
	if err != nil {
		return nil, a.fail(err)
	}
	return hosts, 0
}

// contact connects to hosts and reads who they are. It returns when all have
// answered.
func (a *app) contact(ctx context.Context, hosts []*dsl.Host) []engine.Met {
	return a.engine(nil).Contact(ctx, hosts, a.spec.Hosts())
}

// hostCode is the exit code for a host that cannot be reached.
func hostCode(err error) int {
	var coder interface{ ExitCode() int }
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return 8
}
