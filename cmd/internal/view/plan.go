package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/plans"
)

// Plan writes a plan to standard output. Its text is the same whoever shows
// the plan, and does not depend on the width of the terminal. Offline adds
// that no host was contacted.
func (v *View) Plan(pl *plans.Plan, offline bool) {
	p := newPage(v.out)
	p.to = v.write
	planPage(p, pl, offline)
	p.flush()
}

func planPage(p *page, pl *plans.Plan, offline bool) {
	if offline {
		p.say(bold, "Note: No host was contacted")
		p.end()
		p.sayf("What the state records is taken as actual, the rest as absent.")
		p.end()
	}
	driftSection(p, pl.Drift())
	actionSection(p, pl)
	withheldSection(p, pl, "Note: This plan is incomplete",
		"What follows is withheld: it is neither planned nor done until a plan can read it.")
	outputSection(p, pl.Outputs())
	disruptionSection(p, pl.Steps())
	warningSection(p, pl.Warnings())
	summary(p, pl)
}

func warningSection(p *page, warnings []string) {
	for _, w := range warnings {
		p.put(yellow, "Warning: ")
		p.say(plain, w)
		p.end()
	}
}

// legend says what the signs mean that a plan uses.
func legend(p *page, changes []plans.Change) {
	used := map[plans.Action]bool{}
	for _, c := range changes {
		used[c.Action] = used[c.Action] || c.Step != 0
	}
	used[plans.Update] = used[plans.Update] || used[plans.Refresh]
	p.sayf("Resource actions are indicated with the following symbols:")
	for _, e := range []struct {
		action plans.Action
		text   string
	}{
		{plans.Create, "create"},
		{plans.Update, "update in-place"},
		{plans.Delete, "destroy"},
		{plans.Replace, "destroy and then create replacement"},
		{plans.Forget, "forget: no longer managed, left as it is"},
	} {
		if used[e.action] {
			p.put(styleOf(signOf(e.action)), fmt.Sprintf("%3s", signOf(e.action)))
			p.say(plain, " "+e.text)
		}
	}
	p.end()
}

func actionSection(p *page, pl *plans.Plan) {
	if len(pl.Steps()) == 0 {
		return
	}
	legend(p, pl.Changes())
	p.sayf("kplan will perform the following actions:")
	p.end()
	for _, g := range fold(pl) {
		g.show(p, pl)
	}
}

func driftSection(p *page, drift []plans.Drift) {
	if len(drift) == 0 {
		return
	}
	p.say(bold, "Note: Objects have changed outside of kplan")
	p.end()
	p.sayf("kplan found these differences to what it recorded last:")
	p.end()
	showDrift(p, drift)
}

// withheldSection lists what cannot be planned: by host where that is why, by
// reason otherwise.
func withheldSection(p *page, pl *plans.Plan, title, text string) {
	below := map[string][]string{}
	var order []string
	unread := map[string]string{} // host → why
	for _, h := range pl.Hosts() {
		if h.Unreached() {
			why := h.Reason
			if !strings.HasPrefix(why, "host "+h.Name) {
				why = "host " + h.Name + " cannot be reached: " + why
			}
			unread[h.Name] = why
			order = append(order, why)
		}
	}
	for _, w := range pl.Withheld() {
		why, ok := unread[w.Addr.Host]
		if !ok {
			why = w.Reason
			if _, known := below[why]; !known {
				order = append(order, why)
			}
		}
		below[why] = append(below[why], w.Addr.String())
	}
	if len(order) == 0 {
		return
	}
	p.say(bold, title)
	p.end()
	p.say(plain, text)
	p.end()
	for _, why := range order {
		p.put(plain, "  ")
		p.put(yellow, "!")
		p.say(plain, " "+why)
		for _, a := range below[why] {
			p.say(plain, "      "+a)
		}
	}
	p.end()
}

func outputSection(p *page, outputs []plans.Output) {
	var changed []plans.Output
	pad := 0
	for _, o := range outputs {
		if !o.Before.Equal(o.After) {
			changed = append(changed, o)
			pad = max(pad, width0(o.Name))
		}
	}
	if len(changed) == 0 {
		return
	}
	p.sayf("Changes to Outputs:")
	for _, o := range changed {
		attribute{name: "value", label: o.Name, changed: true, sensitive: secret(o.Before, o.After, "value")}.
			show(p, 2, pad, o.Before, o.After)
	}
	p.end()
}

// mostHosts is how many hosts are named in one line.
const mostHosts = 20

// disruptionSection says in one place what the plan interrupts, and where.
func disruptionSection(p *page, steps []plans.Step) {
	hosts := onHosts{}
	var order []string
	for _, s := range steps {
		for _, d := range s.Disrupts {
			if _, ok := hosts[d]; !ok {
				order = append(order, d)
			}
			hosts.add(d, s.Addr.Host)
		}
	}
	if len(order) == 0 {
		return
	}
	p.sayf("This plan interrupts:")
	for _, d := range order {
		on := slices.Sorted(maps.Keys(hosts[d]))
		more := ""
		if n := len(on) - mostHosts; n > 1 {
			on, more = on[:mostHosts], fmt.Sprintf(" and %d more hosts", n)
		}
		p.put(plain, "  ")
		p.put(yellow, "!")
		p.say(plain, " "+d+" on "+strings.Join(on, ", ")+more)
	}
	p.end()
}

// summary is the end of a plan, in the words that other tools read.
func summary(p *page, pl *plans.Plan) {
	unread := slices.ContainsFunc(pl.Hosts(), plans.Host.Unreached)
	if pl.Empty() && len(pl.Withheld()) == 0 && !unread {
		p.put(green, "No changes.")
		p.say(bold, " Your infrastructure matches the configuration.")
		return
	}
	s := pl.Summary()
	p.put(bold, "Plan:")
	p.put(plain, fmt.Sprintf(" %d to add, %d to change, %d to destroy.", s.Add, s.Change, s.Destroy))
	switch s.Conditional {
	case 0:
	case 1:
		p.put(plain, " 1 step runs only if needed.")
	default:
		p.putf(" %d steps run only if needed.", s.Conditional)
	}
	switch s.Forget {
	case 0:
	case 1:
		p.put(plain, " 1 object will be forgotten.")
	default:
		p.putf(" %d objects will be forgotten.", s.Forget)
	}
	if n := len(pl.Withheld()); n > 0 {
		p.putf(" %s withheld.", count(n, "object"))
	}
	p.end()
	p.end()
	p.sayf("Plan digest: %s", pl.Digest())
}
