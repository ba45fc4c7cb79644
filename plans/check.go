package plans

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
)

var stepActions = []Action{Create, Update, Refresh, Replace, Delete, Forget}

// checkNames finds what stands twice.
func (p *Plan) checkNames() error {
	for i, h := range p.c.Hosts {
		if h.Name == "" || i > 0 && p.c.Hosts[i-1].Name == h.Name {
			return broken("the host %q stands twice or has no name", h.Name)
		}
	}
	for i, c := range p.c.Changes {
		if i > 0 && p.c.Changes[i-1].Addr == c.Addr {
			return broken("%s stands twice", c.Addr)
		}
		if a, err := addr.Parse(c.Addr.String()); err != nil || a != c.Addr {
			return broken("%s is not an address", c.Addr)
		}
	}
	for i := range p.c.Outputs {
		if i > 0 && p.c.Outputs[i-1].Name == p.c.Outputs[i].Name {
			return broken("the output %s stands twice", p.c.Outputs[i].Name)
		}
	}
	for i := range p.c.Withheld {
		if _, planned := p.change(p.c.Withheld[i].Addr); planned {
			return broken("%s is planned and withheld", p.c.Withheld[i].Addr)
		}
	}
	return nil
}

// checkNodes checks the order of steps and barriers.
func (p *Plan) checkNodes() error {
	steps, barriers := p.c.Steps, p.c.Barriers
	for id := Node(1); len(steps)+len(barriers) > 0; id++ {
		switch {
		case len(steps) > 0 && steps[0].ID == id:
			if err := p.checkStep(steps[0]); err != nil {
				return err
			}
			steps = steps[1:]
		case len(barriers) > 0 && barriers[0].ID == id:
			if err := earlier(id, barriers[0].After); err != nil {
				return err
			}
			barriers = barriers[1:]
		default:
			return broken("no step or barrier, or more than one, has the id %d", id)
		}
	}
	return nil
}

func (p *Plan) checkStep(s Step) error {
	if err := earlier(s.ID, s.After); err != nil {
		return err
	}
	if err := earlier(s.ID, s.Causes); err != nil {
		return err
	}
	for _, cause := range s.Causes {
		if _, ok := p.Step(cause); !ok {
			return broken("step %d is caused by %d, which is not a step", s.ID, cause)
		}
	}
	if s.Action.Strict() && !s.Strict {
		return broken("step %d (%s) is not strict", s.ID, s.Action)
	}
	if _, ok := p.Host(s.Addr.Host); !ok {
		return broken("step %d is on %q, which is not a host of the plan", s.ID, s.Addr.Host)
	}
	if _, ok := p.Host(s.Machine()); !ok {
		return broken("step %d is done on %q, which is not a host of the plan", s.ID, s.At)
	}
	i, ok := p.change(s.Addr)
	if !ok || p.c.Changes[i].Step != s.ID || p.c.Changes[i].Action != s.Action {
		return broken("step %d (%s %s) is not the step of a change", s.ID, s.Action, s.Addr)
	}
	return nil
}

func earlier(id Node, after []Node) error {
	for i, n := range after {
		if n < 1 || n >= id {
			return broken("node %d waits for %d, which does not come before it", id, n)
		}
		if slices.Contains(after[:i], n) {
			return broken("node %d waits for %d twice", id, n)
		}
	}
	return nil
}

func (p *Plan) checkChanges() error {
	for _, c := range p.c.Changes {
		if c.Action == NoOp {
			if c.Step != 0 {
				return broken("%s has step %d and nothing to do", c.Addr, c.Step)
			}
		} else {
			if !slices.Contains(stepActions, c.Action) {
				return broken("%s has the unknown action %q", c.Addr, c.Action)
			}
			s, ok := p.Step(c.Step)
			if !ok || s.Addr != c.Addr {
				return broken("%s (%s) has no step", c.Addr, c.Action)
			}
		}
		gone := c.Action == Delete || c.Action == Forget
		switch {
		case gone && c.After.Exists():
			return broken("%s is there after its %s", c.Addr, c.Action)
		case !gone && c.Action != NoOp && !c.After.Exists():
			return broken("%s is not there after its %s", c.Addr, c.Action)
		case c.Action == Create && c.Before.Exists():
			return broken("%s is there before its create", c.Addr)
		}
		for _, o := range []Object{c.Before, c.After, c.Recorded, c.Standing} {
			if err := checkSecret(c.Addr, o, c.Sensitive); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Plan) checkRest() error {
	if m := p.c.Mode; m != Normal && m != Destroy && m != RefreshOnly {
		return broken("the mode %q is unknown", m)
	}
	for _, d := range p.c.Drift {
		for _, o := range []Object{d.Recorded, d.Actual} {
			if err := checkSecret(d.Addr, o, nil); err != nil {
				return err
			}
		}
	}
	for _, o := range p.c.Outputs {
		for _, v := range []Object{o.Before, o.After} {
			if err := checkSecret(addr.Instance{}, v, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSecret makes sure that what is sensitive has a digest and no value.
func checkSecret(a addr.Instance, o Object, sensitive []string) error {
	if !o.Exists() {
		return nil
	}
	if t := o.Value.Type(); !t.IsObjectType() || !o.Value.IsKnown() {
		return broken("%s is not an object but %s", a, t.FriendlyName())
	}
	for name := range o.Secrets {
		if v := attr(o, name); v != cty.NilVal && (!v.IsKnown() || !v.IsNull()) {
			return broken("%s: the sensitive attribute %s has a value", a, name)
		}
	}
	for _, name := range sensitive {
		if v := attr(o, name); v != cty.NilVal && (!v.IsKnown() || !v.IsNull()) {
			return broken("%s: the sensitive attribute %s has a value", a, name)
		}
	}
	return nil
}
