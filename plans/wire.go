package plans

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/state/value"
)

// The wire types are plan.json: all of a Content, exactly, in canonical bytes.
// Every cty type stands once, and objects refer to it by its place.
type wireContent struct {
	Base     Base              `json:"base"`
	Mode     Mode              `json:"mode"`
	Hosts    []wireHost        `json:"hosts,omitempty"`
	Changes  []wireChange      `json:"changes,omitempty"`
	Steps    []wireStep        `json:"steps,omitempty"`
	Barriers []Barrier         `json:"barriers,omitempty"`
	Withheld []wireWithheld    `json:"withheld,omitempty"`
	Drift    []wireDrift       `json:"drift,omitempty"`
	Outputs  []wireOutput      `json:"outputs,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Types    []json.RawMessage `json:"types,omitempty"`
}

type wireHost struct {
	Name      string      `json:"name"`
	Address   string      `json:"address"`
	Reachable bool        `json:"reachable"`
	Reason    string      `json:"reason,omitempty"`
	Facts     *host.Facts `json:"facts,omitempty"`
	MachineID string      `json:"machine_id"`
	HostKey   string      `json:"host_key"`
	Used      []string    `json:"used,omitempty"`
}

type wireChange struct {
	Addr        string      `json:"address"`
	Action      Action      `json:"action"`
	Before      *wireObject `json:"before,omitempty"`
	After       *wireObject `json:"after,omitempty"`
	Differs     []string    `json:"differs,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Recorded    *wireObject `json:"recorded,omitempty"`
	Step        Node        `json:"step,omitempty"`
	Sensitive   []string    `json:"sensitive,omitempty"`
	InputDigest string      `json:"input_digest,omitempty"`
	Verdict     string      `json:"verdict,omitempty"`
	Moved       bool        `json:"moved,omitempty"`
	Standing    *wireObject `json:"standing,omitempty"`
	Left        string      `json:"left,omitempty"`
	Unseen      string      `json:"unseen,omitempty"`
	Origin      Origin      `json:"origin,omitempty"`
}

type wireStep struct {
	ID        Node     `json:"id"`
	Addr      string   `json:"address"`
	Action    Action   `json:"action"`
	After     []Node   `json:"after,omitempty"`
	Condition string   `json:"condition,omitempty"`
	Disrupts  []string `json:"disrupts,omitempty"`
	Strict    bool     `json:"strict,omitempty"`
	Causes    []Node   `json:"causes,omitempty"`
	Owed      bool     `json:"owed,omitempty"`
	Once      bool     `json:"once,omitempty"`
	Peers     []string `json:"peers,omitempty"`
	At        string   `json:"at,omitempty"`
	Via       string   `json:"via,omitempty"`
}

type wireWithheld struct {
	Addr   string `json:"address"`
	Reason string `json:"reason"`
}

type wireDrift struct {
	Addr     string      `json:"address"`
	Recorded *wireObject `json:"recorded,omitempty"`
	Actual   *wireObject `json:"actual,omitempty"`
	Differs  []string    `json:"differs,omitempty"`
}

type wireOutput struct {
	Name   string      `json:"name"`
	Before *wireObject `json:"before,omitempty"`
	After  *wireObject `json:"after,omitempty"`
}

type wireObject struct {
	Type    int               `json:"type"` // place in types from 1; 0 for no value
	Value   json.RawMessage   `json:"value,omitempty"`
	Unknown []value.Path      `json:"unknown,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
}

func each[A, B any](in []A, f func(A) B) []B {
	var out []B
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}

// encodeContent gives the canonical bytes of a content whose lists are sorted.
func encodeContent(c Content) ([]byte, error) {
	var b bytes.Buffer
	err := writeContent(&b, c)
	return b.Bytes(), err
}

// writeContent writes the canonical bytes of a content whose lists are sorted,
// element by element: a large plan never stands in memory twice. The types of
// values come last, as they are only known then.
func writeContent(w io.Writer, c Content) error {
	t := &typeTable{places: map[string]int{}}
	o := &objectWriter{w: w}
	o.field("base", c.Base)
	o.field("mode", c.Mode)
	list(o, "hosts", c.Hosts, func(h Host) wireHost { return wireHost(h) })
	list(o, "changes", c.Changes, func(c Change) wireChange {
		return wireChange{
			Addr: c.Addr.String(), Action: c.Action, Before: t.encode(c.Before), After: t.encode(c.After), Differs: c.Differs,
			Reason: c.Reason, Recorded: t.encode(c.Recorded), Step: c.Step, Sensitive: c.Sensitive, InputDigest: c.InputDigest,
			Verdict: c.Verdict, Moved: c.Moved, Standing: t.encode(c.Standing), Left: c.Left, Unseen: c.Unseen, Origin: c.Origin,
		}
	})
	list(o, "steps", c.Steps, func(s Step) wireStep {
		return wireStep{
			ID: s.ID, Addr: s.Addr.String(), Action: s.Action, After: s.After, Condition: s.Condition, Disrupts: s.Disrupts,
			Strict: s.Strict, Causes: s.Causes, Owed: s.Owed, Once: s.Once, Peers: s.Peers, At: s.At, Via: s.Via,
		}
	})
	list(o, "barriers", c.Barriers, func(b Barrier) Barrier { return b })
	list(o, "withheld", c.Withheld, func(h Withheld) wireWithheld { return wireWithheld{h.Addr.String(), h.Reason} })
	list(o, "drift", c.Drift, func(d Drift) wireDrift {
		return wireDrift{d.Addr.String(), t.encode(d.Recorded), t.encode(d.Actual), d.Differs}
	})
	list(o, "outputs", c.Outputs, func(o Output) wireOutput { return wireOutput{o.Name, t.encode(o.Before), t.encode(o.After)} })
	list(o, "warnings", c.Warnings, func(s string) string { return s })
	list(o, "types", t.raw, func(r json.RawMessage) json.RawMessage { return r })
	o.text("}")
	return errors.Join(t.err, o.err)
}

// objectWriter writes a JSON object field by field; its first error stays.
type objectWriter struct {
	w     io.Writer
	begun bool
	err   error
}

func (o *objectWriter) text(s string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, s)
	}
}

func (o *objectWriter) name(name string) {
	if o.begun {
		o.text(",")
	} else {
		o.text("{")
		o.begun = true
	}
	o.text(`"` + name + `":`)
}

func (o *objectWriter) value(v any) {
	data, err := value.JSON(v)
	if o.err == nil {
		o.err = err
	}
	if o.err == nil {
		_, o.err = o.w.Write(data)
	}
}

func (o *objectWriter) field(name string, v any) {
	o.name(name)
	o.value(v)
}

// list writes a list, left out where it is empty.
func list[A, B any](o *objectWriter, name string, in []A, f func(A) B) {
	for i, a := range in {
		if i == 0 {
			o.name(name)
			o.text("[")
		} else {
			o.text(",")
		}
		o.value(f(a))
	}
	if len(in) > 0 {
		o.text("]")
	}
}

// decodeContent reads what encodeContent wrote.
func decodeContent(data []byte) (Content, error) {
	var w wireContent
	if err := value.ReadJSON(data, &w); err != nil {
		return Content{}, err
	}
	t := &typeTable{}
	for _, raw := range w.Types {
		ty, err := value.DecodeType(raw)
		if err != nil {
			return Content{}, err
		}
		t.types = append(t.types, ty)
	}
	c := Content{
		Base: w.Base, Mode: w.Mode, Barriers: w.Barriers, Warnings: w.Warnings,
		Hosts: each(w.Hosts, func(h wireHost) Host { return Host(h) }),
		Changes: each(w.Changes, func(c wireChange) Change {
			return Change{
				Addr: t.parse(c.Addr), Action: c.Action, Before: t.decode(c.Before), After: t.decode(c.After), Differs: c.Differs,
				Reason: c.Reason, Recorded: t.decode(c.Recorded), Step: c.Step, Sensitive: c.Sensitive, InputDigest: c.InputDigest,
				Verdict: c.Verdict, Moved: c.Moved, Standing: t.decode(c.Standing), Left: c.Left, Unseen: c.Unseen, Origin: c.Origin,
			}
		}),
		Steps: each(w.Steps, func(s wireStep) Step {
			return Step{
				ID: s.ID, Addr: t.parse(s.Addr), Action: s.Action, After: s.After, Condition: s.Condition, Disrupts: s.Disrupts,
				Strict: s.Strict, Causes: s.Causes, Owed: s.Owed, Once: s.Once, Peers: s.Peers, At: s.At, Via: s.Via,
			}
		}),
		Withheld: each(w.Withheld, func(h wireWithheld) Withheld { return Withheld{t.parse(h.Addr), h.Reason} }),
		Drift: each(w.Drift, func(d wireDrift) Drift {
			return Drift{t.parse(d.Addr), t.decode(d.Recorded), t.decode(d.Actual), d.Differs}
		}),
		Outputs: each(w.Outputs, func(o wireOutput) Output { return Output{o.Name, t.decode(o.Before), t.decode(o.After)} }),
	}
	return c, t.err
}
