package plans

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

var (
	sealKey = bytes.Repeat([]byte{7}, keySize)
	foreign = bytes.Repeat([]byte{8}, keySize)
)

func saved(t testing.TB) (*Plan, *File) {
	t.Helper()
	f := &File{
		Meta: Meta{
			Version: "1.0.0", Variables: map[string]cty.Value{"v": cty.ListVal([]cty.Value{cty.StringVal("x")})},
			Secrets: map[string]string{"var.s": "hmac-sha256:00"}, Options: map[string][]string{"target": {"file.a"}}, Schemas: map[string]int{"file": 1},
		},
		Sources: map[string][]byte{"spec/main.kplan.hcl": []byte(strings.Repeat("host \"a\" {}\n", 50)), "files/x/y": []byte("\x00\xff"), "spec/empty": {}},
		State:   []byte(`{"format": 1}`),
	}
	c := content()
	c.Base.Spec, c.Base.State = FilesDigest(f.Sources), BytesDigest(f.State)
	var err error
	if c.Base.Variables, err = f.Meta.Digest(); err != nil {
		t.Fatal(err)
	}
	return mustNew(t, c), f
}

func encode(t testing.TB, p *Plan, f *File, key []byte) []byte {
	t.Helper()
	data, err := Encode(p, f, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFile(t *testing.T) {
	p, f := saved(t)
	path := filepath.Join(t.TempDir(), "site.kplan")
	if err := Write(path, p, f, sealKey); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode() != 0o600 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	got, file, err := Open(path, sealKey, "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.c, got.c, same); d != "" || got.Digest() != p.Digest() {
		t.Error(d)
	}
	if d := cmp.Diff(f, file, same); d != "" {
		t.Error(d)
	}
	data := encode(t, p, f, sealKey)
	if on, err := os.ReadFile(path); err != nil || !bytes.Equal(on, data) {
		t.Error("the same plan gives other bytes")
	}
	if _, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
		t.Errorf("not a zip: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 1 {
		t.Errorf("%v", names)
	}
	other := *f
	other.Sources = map[string][]byte{"spec/main.kplan.hcl": nil}
	if _, err := Encode(p, &other, sealKey); err == nil {
		t.Error("other sources are saved with a plan")
	}
	other.Sources = map[string][]byte{"spec/../../x": nil}
	if _, err := Encode(mustNew(t, content()), &other, sealKey); err == nil {
		t.Error("a path leads out of the plan")
	}
	if _, err := Encode(p, f, nil); err == nil {
		t.Error("sealed without a key")
	}
}

// refused asserts that data is no plan, for a key and for what was expected.
func refused(t *testing.T, what string, data []byte, key []byte, expect string) {
	t.Helper()
	p, f, err := Read(bytes.NewReader(data), int64(len(data)), key, expect)
	var s *SealError
	var format *FormatError
	if p != nil || f != nil || !(errors.As(err, &s) || errors.As(err, &format)) {
		t.Fatalf("%s: accepted, or %v", what, err)
	}
}

func TestEveryBit(t *testing.T) {
	p, f := saved(t)
	data := encode(t, p, f, sealKey)
	for i := range data {
		refused(t, "cut", data[:i], sealKey, "")
		for bit := range 8 {
			c := bytes.Clone(data)
			c[i] ^= 1 << bit
			refused(t, fmt.Sprintf("bit %d of byte %d", bit, i), c, sealKey, "")
		}
	}
	for b := range 256 {
		refused(t, "appended", append(bytes.Clone(data), byte(b)), sealKey, "")
		refused(t, "prepended", append([]byte{byte(b)}, data...), sealKey, "")
	}
	refused(t, "hex in capitals", append(bytes.Clone(data[:len(data)-64]), bytes.ToUpper(data[len(data)-64:])...), sealKey, "")
}

// rezip builds a zip of entries as a forger would, sealed with key.
func rezip(t testing.TB, entries [][2]string, key []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.Create(e[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.SetComment(sealPrefix+strings.Repeat("0", 64)), z.Close()); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	copy(data[len(data)-64:], seal(data[:len(data)-64], key))
	return data
}

func entriesOf(t testing.TB, data []byte) [][2]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out [][2]string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, [2]string{f.Name, string(content)})
	}
	return out
}

// TestTampering edits plans as who has the file, but not the key, would: each
// edit is re-zipped and re-sealed with another key, then read with ours; and
// read with the digest of the reviewed plan expected.
func TestTampering(t *testing.T) {
	p, f := saved(t)
	data := encode(t, p, f, sealKey)
	entries := entriesOf(t, data)
	r := rand.New(rand.NewPCG(5, 6))
	n := 0
	try := func(what string, edited [][2]string) {
		t.Helper()
		n++
		data := rezip(t, edited, foreign)
		refused(t, what, data, sealKey, "")
		refused(t, what+", expected", data, sealKey, p.Digest())
		refused(t, what+", without a key", data, nil, p.Digest())
		// Even under our own key, what is not consistent is refused.
		if what != "consistent" {
			refused(t, what+", ours", rezip(t, edited, sealKey), sealKey, p.Digest())
		}
	}
	replace := func(name string, edit func(string) string) [][2]string {
		out := append([][2]string(nil), entries...)
		for i := range out {
			if out[i][0] == name {
				out[i][1] = edit(out[i][1])
			}
		}
		return out
	}
	for i := range entries {
		try("entry removed "+entries[i][0], append(append([][2]string(nil), entries[:i]...), entries[i+1:]...))
		try("entry twice "+entries[i][0], append(append([][2]string(nil), entries...), entries[i]))
		renamed := append([][2]string(nil), entries...)
		renamed[i][0] += "x"
		try("entry renamed "+entries[i][0], renamed)
	}
	for _, name := range []string{"spec/new", "spec/../x", "/etc/passwd", "files/../../x", "other", "spec//x", "spec", "files/a\\b", "PLAN.JSON"} {
		try("entry added "+name, append(append([][2]string(nil), entries...), [2]string{name, "x"}))
	}
	for _, edit := range [][2]string{
		{`"action":"create"`, `"action":"update"`},
		{`"id":1,`, `"id":9,`},
		{`"after":[3]`, `"after":[1]`},
		{"@a", "@b"},
		{`"strict":true`, `"strict":false`},
		{`"value":{"p":"1"}`, `"value":{"p":"/etc/shadow"}`},
		{`"step":2`, `"step":1`},
		{`"serial":3`, `"serial":4`},
		{`"Serial":3`, `"Serial":4`},
		{`"Lineage":"l"`, `"Lineage":"m"`},
		{`hmac-sha256:aa`, `hmac-sha256:ab`},
		{`join b`, `join a`},
		{`"once":true,`, ``},
		{`"mode":"normal"`, `"mode":"destroy"`},
		{`"base":`, ` "base":`},
		{`"base":`, `"base":{},"base":`},
		{`"unknown":[["v"]`, `"unknown":[["p"]`},
		{`"condition":"unless it is there"`, `"condition":""`},
		{`"os":`, `"OS":`},
		{`"reachable":true`, `"reachable":false`},
		{`"machine_id":"m"`, `"machine_id":"n"`},
		{`SHA256:x`, `SHA256:y`},
	} {
		edited := replace("plan.json", func(s string) string { return strings.Replace(s, edit[0], edit[1], 1) })
		if diff := cmp.Diff(edited, entries); diff == "" {
			continue
		}
		try("edit "+edit[0], edited)
	}
	for _, name := range []string{"spec/main.kplan.hcl", "files/x/y", "state.json", "meta.json", "plan.json"} {
		for range 20 {
			try("byte in "+name, replace(name, func(s string) string {
				b := []byte(s)
				i := r.IntN(len(b))
				if name == "meta.json" && i < 40 {
					i = len(b) - 5 // format and version are told apart, or do not matter
				}
				b[i] ^= byte(1 + r.IntN(255))
				return string(b)
			}))
		}
		try("cut "+name, replace(name, func(s string) string { return s[:len(s)/2] }))
		try("appended "+name, replace(name, func(s string) string { return s + " " }))
	}
	// A forger who makes everything consistent still has another digest.
	c := content()
	c.Steps[0].Disrupts = []string{"reboot"}
	c.Base = p.c.Base
	evil := mustNew(t, c)
	try("consistent", entriesOf(t, encode(t, evil, f, foreign)))
	t.Logf("%d tamperings", n)

	// The digest that was reviewed accepts the same plan of another key.
	theirs := encode(t, p, f, foreign)
	if got, _, err := Read(bytes.NewReader(theirs), int64(len(theirs)), nil, p.Digest()); err != nil || got.Digest() != p.Digest() {
		t.Error(err)
	}
	// But not where the digest does not name the sources.
	bare := mustNew(t, content())
	theirs = encode(t, bare, f, foreign)
	refused(t, "unnamed sources", theirs, sealKey, bare.Digest())
}

// A plan of another format is refused by what it says of itself, before and behind
// its seal.
func TestFormats(t *testing.T) {
	p, f := saved(t)
	own := fmt.Sprint(FileFormat)
	for _, other := range []int{FileFormat - 1, FileFormat + 1} {
		entries := entriesOf(t, encode(t, p, f, sealKey))
		for i := range entries {
			if entries[i][0] == "meta.json" {
				entries[i][1] = strings.Replace(entries[i][1], `"format":`+own, `"format":`+fmt.Sprint(other), 1)
			}
		}
		data := rezip(t, entries, sealKey)
		_, _, err := Read(bytes.NewReader(data), int64(len(data)), sealKey, "")
		var format *FormatError
		if !errors.As(err, &format) || format.Format != other || format.Version != "1.0.0" {
			t.Error(err)
		}
		named := bytes.Replace(data, []byte("kplan plan "+own+" "), fmt.Appendf(nil, "kplan plan %d ", other), 1)
		_, _, err = Read(bytes.NewReader(named), int64(len(named)), sealKey, "")
		if bytes.Equal(named, data) || !errors.As(err, &format) || format.Format != other {
			t.Error(err)
		}
	}
}

func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	p, f := saved(t)
	entries := entriesOf(t, encode(t, p, f, sealKey))
	for i := range 70 {
		entries = append(entries, [2]string{fmt.Sprintf("spec/%d", i), zeros})
	}
	refused(t, "bomb", rezip(t, entries, foreign), sealKey, p.Digest())
	deep := append([][2]string(nil), entries[:1]...)
	deep = append(deep, [2]string{"plan.json", strings.Repeat("[", 1<<20)}, [2]string{"state.json", ""})
	refused(t, "depth", rezip(t, deep, foreign), sealKey, p.Digest())
	if _, _, err := Read(nil, maxFile+1, sealKey, ""); err == nil {
		t.Error("a large file")
	}
	for _, path := range []string{"/dev/zero", t.TempDir()} {
		if _, _, err := Open(path, sealKey, ""); err == nil {
			t.Error(path)
		}
	}
}

func FuzzContent(f *testing.F) {
	p, err := New(content())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.encoded())
	f.Add([]byte(`{"base":{},"mode":"normal"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeContent(data)
		if err != nil {
			return
		}
		p, err := New(c)
		if err != nil {
			return
		}
		again, err := decodeContent(p.encoded())
		if err != nil {
			t.Fatalf("%s: %v", p.encoded(), err)
		}
		q, err := New(again)
		if err != nil || q.digest != p.digest {
			t.Fatalf("%v: another digest of %s", err, p.encoded())
		}
		if out, err := p.JSON(JSONOptions{}); err != nil || !json.Valid(out) {
			t.Fatal(err)
		}
	})
}
