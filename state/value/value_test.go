package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func roundTrip(t testing.TB, v cty.Value) {
	t.Helper()
	data, unknown, err := Encode(v)
	if err != nil {
		t.Fatalf("%#v: %v", v, err)
	}
	if !json.Valid(data) {
		t.Fatalf("%#v: not JSON: %s", v, data)
	}
	rawType, err := EncodeType(v.Type())
	if err != nil {
		t.Fatal(err)
	}
	ty, err := DecodeType(rawType)
	if err != nil {
		t.Fatal(err)
	}
	// Paths go through JSON too.
	text, err := json.Marshal(unknown)
	if err != nil {
		t.Fatal(err)
	}
	var paths []Path
	if err := json.Unmarshal(text, &paths); err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data, ty, paths)
	if err != nil {
		t.Fatalf("%#v: %s %s: %v", v, data, text, err)
	}
	if !got.Type().Equals(v.Type()) || !got.RawEquals(v) {
		t.Fatalf("%#v came back as %#v", v, got)
	}
	again, more, err := Encode(got)
	if err != nil || !bytes.Equal(again, data) || len(more) != len(unknown) {
		t.Fatalf("%s was written again as %s (%v)", data, again, err)
	}
}

func TestRoundTrip(t *testing.T) {
	obj := cty.Object(map[string]cty.Type{"a": cty.String, "b": cty.List(cty.Number)})
	tiny, _ := new(big.Float).SetPrec(512).SetString("1e-400")
	for _, v := range []cty.Value{
		cty.StringVal(""), cty.StringVal("<&>\u2028\x00\"\\${"), cty.StringVal("\xff\xfe"), cty.StringVal("é"),
		cty.True, cty.False, cty.NullVal(cty.DynamicPseudoType), cty.DynamicVal, cty.UnknownVal(obj), cty.NullVal(obj),
		cty.Zero, cty.NumberIntVal(math.MinInt64), cty.NumberUIntVal(math.MaxUint64), cty.NumberFloatVal(0.1), cty.NumberFloatVal(math.MaxFloat64),
		cty.NumberFloatVal(math.SmallestNonzeroFloat64), cty.MustParseNumberVal("0.1"), cty.MustParseNumberVal("-1.5e300"), cty.NumberVal(tiny),
		cty.MustParseNumberVal("123456789012345678901234567890.123456789"), cty.PositiveInfinity, cty.NegativeInfinity,
		cty.ListValEmpty(obj), cty.SetValEmpty(cty.Bool), cty.MapValEmpty(cty.DynamicPseudoType), cty.EmptyTupleVal, cty.EmptyObjectVal,
		cty.ListVal([]cty.Value{cty.UnknownVal(cty.String), cty.NullVal(cty.String), cty.StringVal("x")}),
		cty.MapVal(map[string]cty.Value{"": cty.True, "a.b": cty.UnknownVal(cty.Bool), "<": cty.False}),
		cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a"), cty.NullVal(cty.String)}),
		cty.SetVal([]cty.Value{cty.StringVal("b"), cty.UnknownVal(cty.String)}),
		cty.TupleVal([]cty.Value{cty.StringVal("1"), cty.NumberIntVal(1), cty.ListVal([]cty.Value{cty.UnknownVal(obj)})}),
		cty.ObjectVal(map[string]cty.Value{"base64": cty.StringVal("x"), "u": cty.UnknownVal(cty.Set(cty.String))}),
	} {
		roundTrip(t, v)
	}
	for _, v := range []cty.Value{cty.NilVal, cty.StringVal("x").Mark("m"), cty.ListVal([]cty.Value{cty.StringVal("x").Mark("m")}), cty.MapVal(map[string]cty.Value{"\xff": cty.True})} {
		if data, _, err := Encode(v); err == nil {
			t.Errorf("%s was written", data)
		}
	}
}

// TestProperty is of 20,000 values; of 2,000 with -short.
func TestProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := 20000
	if testing.Short() {
		values = 2000
	}
	for range values {
		roundTrip(t, random(r, randomType(r, 3), 3))
	}
}

func randomType(r *rand.Rand, depth int) cty.Type {
	n := 8
	if depth == 0 {
		n = 3
	}
	switch r.IntN(n) {
	case 0:
		return cty.Bool
	case 1:
		return cty.Number
	case 2:
		return cty.String
	case 3:
		return cty.List(randomType(r, depth-1))
	case 4:
		return cty.Set(randomType(r, depth-1))
	case 5:
		return cty.Map(randomType(r, depth-1))
	case 6:
		types := make([]cty.Type, r.IntN(3))
		for i := range types {
			types[i] = randomType(r, depth-1)
		}
		return cty.Tuple(types)
	}
	types := map[string]cty.Type{}
	for i := range r.IntN(4) {
		types[fmt.Sprintf("a%d", i)] = randomType(r, depth-1)
	}
	return cty.Object(types)
}

func random(r *rand.Rand, t cty.Type, depth int) cty.Value {
	switch r.IntN(12) {
	case 0:
		return cty.NullVal(t)
	case 1:
		return cty.UnknownVal(t)
	}
	list := func() []cty.Value {
		out := make([]cty.Value, 1+r.IntN(3))
		for i := range out {
			out[i] = random(r, t.ElementType(), depth-1)
		}
		return out
	}
	switch {
	case t == cty.Bool:
		return cty.BoolVal(r.IntN(2) == 0)
	case t == cty.Number:
		switch r.IntN(3) {
		case 0:
			return cty.NumberIntVal(r.Int64() - r.Int64())
		case 1:
			return cty.NumberFloatVal(math.Ldexp(r.NormFloat64(), r.IntN(400)-200))
		}
		return cty.MustParseNumberVal(fmt.Sprintf("%d.%d", r.Int64(), r.Int64()))
	case t == cty.String:
		b := make([]byte, r.IntN(8))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return cty.StringVal(string(b))
	case t.IsListType():
		return cty.ListVal(list())
	case t.IsSetType():
		vals := list()
		if v := cty.SetVal(vals); v.IsWhollyKnown() {
			return v
		}
		return cty.SetVal(vals[:1])
	case t.IsMapType():
		m := map[string]cty.Value{}
		for i, v := range list() {
			m[fmt.Sprint(i)] = v
		}
		return cty.MapVal(m)
	case t.IsTupleType():
		var out []cty.Value
		for _, et := range t.TupleElementTypes() {
			out = append(out, random(r, et, depth-1))
		}
		return cty.TupleVal(out)
	}
	m := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		m[name] = random(r, at, depth-1)
	}
	return cty.ObjectVal(m)
}

// FuzzDecode checks that what is accepted is written again as it was meant.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":["x",null],"b":1.5}`), []byte(`["object",{"a":["list","string"],"b":"number"}]`), []byte(`[["a",1]]`))
	f.Add([]byte(`{"base64":"/w=="}`), []byte(`"string"`), []byte(`[]`))
	f.Add([]byte(`[1,2]`), []byte(`["set","number"]`), []byte(`null`))
	f.Fuzz(func(t *testing.T, data, rawType, rawPaths []byte) {
		ty, err := DecodeType(rawType)
		if err != nil {
			return
		}
		var paths []Path
		if json.Unmarshal(rawPaths, &paths) != nil {
			return
		}
		v, err := Decode(data, ty, paths)
		if err != nil {
			return
		}
		again, unknown, err := Encode(v)
		if err != nil {
			return // such as a key that is not UTF-8
		}
		w, err := Decode(again, v.Type(), unknown)
		if err != nil || !w.RawEquals(v) {
			t.Fatalf("%#v came back as %#v, %v", v, w, err)
		}
	})
}
