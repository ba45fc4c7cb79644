package state

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state/value"
)

// Codec writes the records of one journal as lines of JSON and reads them. It
// remembers the cty type of each resource type, which is written once, with
// the first object that has it: records are read in the order in which they
// were written, by one Codec. It is used by one goroutine.
type Codec struct {
	types map[string]cty.Type
}

// NewCodec is the codec of one journal.
func NewCodec() *Codec { return &Codec{types: map[string]cty.Type{}} }

// object is an Object as it is written: with its address, and with the cty
// type of its attributes where the reader does not know it.
type object struct {
	Address string          `json:"address,omitempty"`
	Type    json.RawMessage `json:"type,omitempty"`
	Attrs   json.RawMessage `json:"attrs,omitempty"`
	Object                  // whose Attrs is hidden by the above
}

type intent struct {
	Address string `json:"address"`
	Intent
}

type result struct {
	Address string  `json:"address"`
	Object  *object `json:"object,omitempty"`
	Result
}

type namedHost struct {
	Name string `json:"name"`
	Host
}

type end struct {
	Complete bool              `json:"complete"`
	Time     time.Time         `json:"time"`
	Outputs  map[string]output `json:"outputs"` // null keeps those recorded
}

type output struct {
	Type  json.RawMessage `json:"type"`
	Value json.RawMessage `json:"value"`
}

type line struct {
	Begin  *Begin     `json:"begin,omitempty"`
	Intent *intent    `json:"intent,omitempty"`
	Result *result    `json:"result,omitempty"`
	Host   *namedHost `json:"host,omitempty"`
	End    *end       `json:"end,omitempty"`
}

// Append adds the record to b as one line. It fails, with b unchanged, for a
// value that cannot be written and for an address or a debt that is none.
func (c *Codec) Append(b []byte, r Record) ([]byte, error) {
	var l line
	var learn func()
	switch {
	case r.Begin != nil:
		v := *r.Begin
		v.Time = wall(v.Time)
		l.Begin = &v
	case r.Intent != nil:
		l.Intent = &intent{r.Intent.Addr.String(), *r.Intent}
	case r.Result != nil:
		v := &result{Address: r.Result.Addr.String(), Result: *r.Result}
		v.Result.Object = nil
		for text := range v.Owes {
			if _, err := addr.Parse(text); err != nil {
				return b, fmt.Errorf("a debt of %s: %w", v.Address, err)
			}
		}
		if r.Result.Object != nil {
			o, t, err := c.encodeObject(r.Result.Addr, *r.Result.Object)
			if err != nil {
				return b, err
			}
			o.Address = ""
			v.Object = &o
			learn = func() { c.types[r.Result.Addr.Type] = t }
			if len(o.Type) == 0 {
				learn = nil
			}
		}
		l.Result = v
	case r.Host != nil:
		l.Host = &namedHost{r.Host.Name, *r.Host}
	case r.End != nil:
		outputs, err := encodeOutputs(r.End.Outputs)
		if err != nil {
			return b, err
		}
		l.End = &end{r.End.Complete, wall(r.End.Time), outputs}
	default:
		return b, fmt.Errorf("an empty record")
	}
	text, err := value.JSON(l)
	if err != nil {
		return b, err
	}
	if learn != nil {
		learn()
	}
	return append(append(b, text...), '\n'), nil
}

// Parse reads one line.
func (c *Codec) Parse(text []byte) (Record, error) {
	var l line
	if err := value.ReadJSON(text, &l); err != nil {
		return Record{}, err
	}
	var r Record
	n := 0
	if l.Begin != nil {
		n++
		r.Begin = l.Begin
	}
	if l.Intent != nil {
		n++
		a, err := addr.Parse(l.Intent.Address)
		if err != nil {
			return Record{}, err
		}
		r.Intent = &l.Intent.Intent
		r.Intent.Addr = a
	}
	if l.Result != nil {
		n++
		a, err := addr.Parse(l.Result.Address)
		if err != nil {
			return Record{}, err
		}
		r.Result = &l.Result.Result
		r.Result.Addr = a
		if w := l.Result.Object; w != nil {
			o, err := c.decodeObject(a, *w)
			if err != nil {
				return Record{}, err
			}
			r.Result.Object = &o
		}
	}
	if l.Host != nil {
		n++
		r.Host = &l.Host.Host
		r.Host.Name = l.Host.Name
	}
	if l.End != nil {
		n++
		outputs, err := decodeOutputs(l.End.Outputs)
		if err != nil {
			return Record{}, err
		}
		r.End = &End{l.End.Complete, l.End.Time, outputs}
	}
	if n != 1 {
		return Record{}, fmt.Errorf("a line with %d records", n)
	}
	return r, nil
}

// encodeObject writes an object; its type only where c does not know it.
func (c *Codec) encodeObject(a addr.Instance, o Object) (object, cty.Type, error) {
	w := object{Address: a.String(), Object: o}
	v := o.Attrs.Value
	w.Object.Attrs = ctyjson.SimpleJSONValue{}
	if v == cty.NilVal {
		return w, cty.NilType, nil
	}
	var err error
	if w.Attrs, err = value.EncodeKnown(v); err != nil {
		return w, cty.NilType, fmt.Errorf("%s: %w", a, err)
	}
	t := v.Type()
	if known, ok := c.types[a.Type]; !ok || !known.Equals(t) {
		if w.Type, err = value.EncodeType(t); err != nil {
			return w, cty.NilType, fmt.Errorf("%s: %w", a, err)
		}
	}
	return w, t, nil
}

func (c *Codec) decodeObject(a addr.Instance, w object) (Object, error) {
	o := w.Object
	o.Addr = a
	o.Attrs = ctyjson.SimpleJSONValue{}
	if len(w.Attrs) == 0 {
		return o, nil
	}
	t, ok := c.types[a.Type]
	if len(w.Type) > 0 {
		var err error
		if t, err = value.DecodeType(w.Type); err != nil {
			return o, fmt.Errorf("%s: %w", a, err)
		}
		c.types[a.Type] = t
	} else if !ok {
		return o, fmt.Errorf("%s: the type of its attributes is missing", a)
	}
	v, err := value.Decode(w.Attrs, t, nil)
	if err != nil {
		return o, fmt.Errorf("%s: %w", a, err)
	}
	o.Attrs.Value = v
	return o, nil
}

func encodeOutputs(m map[string]ctyjson.SimpleJSONValue) (map[string]output, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // null is what is written
	}
	out := make(map[string]output, len(m))
	for name, v := range m {
		data, err := value.EncodeKnown(v.Value)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		t, err := value.EncodeType(v.Type())
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = output{t, data}
	}
	return out, nil
}

func decodeOutputs(m map[string]output) (map[string]ctyjson.SimpleJSONValue, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // as written
	}
	out := make(map[string]ctyjson.SimpleJSONValue, len(m))
	for name, w := range m {
		t, err := value.DecodeType(w.Type)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		v, err := value.Decode(w.Value, t, nil)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = ctyjson.SimpleJSONValue{Value: v}
	}
	return out, nil
}

// wall is t as it is written: in UTC, without a monotonic reading.
func wall(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
