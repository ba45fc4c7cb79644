package plans

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/state/value"
)

// object is o without its sensitive and unknown attributes, and which are
// sensitive.
func object(o Object, sensitive []string) (any, any) {
	if !o.Exists() {
		return nil, false
	}
	hidden := map[string]any{}
	for _, name := range slices.Concat(sensitive, slices.Sorted(maps.Keys(o.Secrets))) {
		hidden[name] = true
	}
	out := map[string]any{}
	for name, v := range o.Value.AsValueMap() {
		if hidden[name] == nil && v.IsKnown() {
			out[name] = plain(v)
		}
	}
	return out, hidden
}

func objectUnknown(o Object) map[string]any {
	out := map[string]any{}
	for name, v := range o.Value.AsValueMap() {
		if u := unknownParts(v); u != nil {
			out[name] = u
		}
	}
	for name, digest := range o.Secrets {
		if digest == "" {
			out[name] = true
		}
	}
	return out
}

// unknownParts is true for an unknown value, and for one that holds such the
// structure around them; nil where all is known.
func unknownParts(v cty.Value) any {
	switch {
	case !v.IsKnown():
		return true
	case v.IsWhollyKnown():
		return nil
	case v.Type().IsObjectType(), v.Type().IsMapType():
		out := map[string]any{}
		for name, e := range v.AsValueMap() {
			if u := unknownParts(e); u != nil {
				out[name] = u
			}
		}
		return out
	}
	var out []any
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, orFalse(unknownParts(e)))
	}
	return out
}

// plain is v as encoding/json writes it; unknown elements are null.
func plain(v cty.Value) any {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return nil
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return v.AsString()
	case t == cty.Bool:
		return v.True()
	case t == cty.Number:
		data, err := value.EncodeKnown(v)
		if err != nil {
			return v.AsBigFloat().String()
		}
		return json.RawMessage(data)
	case t.IsObjectType(), t.IsMapType():
		out := map[string]any{}
		for name, e := range v.AsValueMap() {
			if e.IsKnown() {
				out[name] = plain(e)
			}
		}
		return out
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		out := []any{}
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, plain(e))
		}
		return out
	}
	return nil
}

// facts are under the names that they have in the language.
func facts(f *host.Facts) map[string]any {
	if f == nil {
		return nil
	}
	out := map[string]any{}
	v := reflect.ValueOf(*f)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("cty"); name != "" {
			out[name] = v.Field(i).Interface()
		}
	}
	return out
}
