package plans

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state/value"
)

// typeTable numbers cty types in the order in which they come up.
type typeTable struct {
	raw    []json.RawMessage
	types  []cty.Type
	places map[string]int
	last   cty.Type // most objects are of the type of the one before
	place  int      // of last; 0 where there is none
	err    error
}

func (t *typeTable) encode(o Object) *wireObject {
	if o.Value == cty.NilVal && len(o.Secrets) == 0 {
		return nil
	}
	w := &wireObject{Secrets: o.Secrets}
	if o.Value == cty.NilVal {
		return w
	}
	data, unknown, err := value.Encode(o.Value)
	if err != nil {
		t.fail(err)
		return w
	}
	if err := t.put(o.Value.Type()); err != nil {
		t.fail(err)
		return w
	}
	w.Type, w.Value, w.Unknown = t.place, data, unknown
	return w
}

// put makes a type the last one, with a place.
func (t *typeTable) put(ty cty.Type) error {
	if t.place > 0 && t.last.Equals(ty) {
		return nil
	}
	raw, err := value.EncodeType(ty)
	if err != nil {
		return err
	}
	place, ok := t.places[string(raw)]
	if !ok {
		t.raw = append(t.raw, raw)
		place = len(t.raw)
		t.places[string(raw)] = place
	}
	t.last, t.place = ty, place
	return nil
}

func (t *typeTable) decode(w *wireObject) Object {
	if w == nil {
		return None
	}
	o := Object{Secrets: w.Secrets}
	if w.Type == 0 {
		return o
	}
	if w.Type < 0 || w.Type > len(t.types) {
		t.fail(fmt.Errorf("there is no type %d", w.Type))
		return o
	}
	v, err := value.Decode(w.Value, t.types[w.Type-1], w.Unknown)
	if err != nil {
		t.fail(err)
		return o
	}
	o.Value = v
	return o
}

func (t *typeTable) parse(text string) addr.Instance {
	a, err := addr.Parse(text)
	if err != nil {
		t.fail(err)
	}
	return a
}

func (t *typeTable) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
