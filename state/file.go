package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/state/value"
)

// Format is the version of state.json that this kplan writes. It reads no
// other.
const Format = 1

// MaxSize bounds a state that is read, in bytes.
const MaxSize = 512 << 20

// file is state.json. Objects, hosts and interrupted intents are sorted, so
// that a diff of two states can be read.
type file struct {
	Format      int                        `json:"format"`
	Version     string                     `json:"kplan_version"`
	Lineage     string                     `json:"lineage"`
	Serial      int64                      `json:"serial"`
	Epoch       int64                      `json:"epoch"`
	Applied     Applied                    `json:"applied"`
	Hosts       []namedHost                `json:"hosts"`
	Types       map[string]json.RawMessage `json:"types"` // cty type by resource type
	Objects     []object                   `json:"objects"`
	Outputs     map[string]output          `json:"outputs"`
	Owed        []owed                     `json:"owed"`
	Interrupted []intent                   `json:"interrupted"`
}

type owed struct {
	Address string `json:"address"`
	Debts   []Debt `json:"debts"`
}

// The last line but one holds the digest of all bytes before it.
const (
	trailerStart = ",\n  \"digest\": \"sha256:"
	trailerEnd   = "\"\n}\n"
)

// Encode writes a snapshot as state.json: canonical JSON, closed by a digest
// of the bytes before it. Equal snapshots give equal bytes.
func Encode(s *Snapshot, version string) ([]byte, error) {
	f := file{
		Format: Format, Version: version, Lineage: s.Lineage, Serial: s.Serial, Epoch: s.Epoch, Applied: s.Applied,
		Hosts: []namedHost{}, Types: map[string]json.RawMessage{}, Objects: []object{}, Owed: []owed{}, Interrupted: []intent{},
	}
	f.Applied.Ended = wall(f.Applied.Ended)
	for _, name := range slices.Sorted(maps.Keys(s.Hosts)) {
		f.Hosts = append(f.Hosts, namedHost{name, s.Hosts[name]})
	}
	c := NewCodec()
	for _, a := range slices.SortedFunc(maps.Keys(s.Objects), addr.Compare) {
		o, t, err := c.encodeObject(a, s.Objects[a])
		if err != nil {
			return nil, err
		}
		// The first object of a resource type gives the type for all.
		if _, ok := f.Types[a.Type]; !ok && len(o.Type) > 0 {
			f.Types[a.Type], o.Type = o.Type, nil
			c.types[a.Type] = t
		}
		f.Objects = append(f.Objects, o)
	}
	for _, a := range slices.SortedFunc(maps.Keys(s.Owed), addr.Compare) {
		f.Owed = append(f.Owed, owed{a.String(), s.Owed[a]})
	}
	for _, a := range slices.SortedFunc(maps.Keys(s.Interrupted), addr.Compare) {
		f.Interrupted = append(f.Interrupted, intent{a.String(), s.Interrupted[a]})
	}
	var err error
	if f.Outputs, err = encodeOutputs(own(s.Outputs)); err != nil {
		return nil, err
	}
	text, err := value.JSON(f)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(2 * len(text))
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n}"))
	sum := sha256.Sum256(body)
	body = append(body, trailerStart...)
	body = append(body, hex.EncodeToString(sum[:])...)
	return append(body, trailerEnd...), nil
}

// Decode reads what Encode wrote. Anything else is a *DamagedError, or a
// *NewerError where a newer kplan wrote it; path stands in them.
func Decode(path string, b []byte) (*Snapshot, error) {
	damaged := func(format string, args ...any) error {
		return &DamagedError{Path: path, Msg: fmt.Sprintf(format, args...), Fix: "kplan state repair"}
	}
	if len(b) == 0 {
		return nil, damaged("it is empty")
	}
	body, ok := verify(b)
	if n, version := formatOf(b); n > Format {
		return nil, &NewerError{Path: path, Format: n, Version: version}
	}
	if !ok {
		return nil, damaged("its digest is not that of its content: it was cut or changed")
	}
	var f file
	if err := value.ReadJSON(append(slices.Clip(body), "\n}"...), &f); err != nil {
		return nil, damaged("%v", err)
	}
	s, err := f.snapshot()
	if err != nil {
		return nil, damaged("%v", err)
	}
	return s, nil
}

// verify returns the bytes before the trailer, and whether its digest is
// theirs.
func verify(b []byte) ([]byte, bool) {
	n := len(trailerStart) + 2*sha256.Size + len(trailerEnd)
	if len(b) < n {
		return nil, false
	}
	body, trailer := b[:len(b)-n], string(b[len(b)-n:])
	sum := sha256.Sum256(body)
	return body, trailer == trailerStart+hex.EncodeToString(sum[:])+trailerEnd
}

// formatOf looks for a format in what may be of a version yet unknown.
func formatOf(b []byte) (int, string) {
	var f struct {
		Format  int    `json:"format"`
		Version string `json:"kplan_version"`
	}
	// The first lines are enough: the format comes first in every version.
	if m := headRE.FindSubmatch(b[:min(len(b), 200)]); m != nil {
		_ = json.Unmarshal([]byte("{"+string(m[1])+"}"), &f)
	}
	return f.Format, f.Version
}

var (
	headRE    = regexp.MustCompile(`^\{\s*("format":\s*[0-9]{1,9},\s*"kplan_version":\s*"[^"\\]*")`)
	lineageRE = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// snapshot checks what the types of the fields do not.
func (f *file) snapshot() (*Snapshot, error) {
	switch {
	case f.Format != Format:
		return nil, fmt.Errorf("its format is %d", f.Format)
	case !lineageRE.MatchString(f.Lineage):
		return nil, fmt.Errorf("its lineage is %q", f.Lineage)
	case f.Serial < 0:
		return nil, fmt.Errorf("its serial is %d", f.Serial)
	case f.Epoch < 0:
		return nil, fmt.Errorf("its epoch is %d", f.Epoch)
	}
	s := NewSnapshot(f.Lineage)
	s.Serial, s.Epoch, s.Applied = f.Serial, f.Epoch, f.Applied
	last := ""
	for i, h := range f.Hosts {
		if i > 0 && strings.Compare(last, h.Name) >= 0 {
			return nil, fmt.Errorf("host %q is out of order", h.Name)
		}
		last = h.Name
		h.Host.Name = h.Name
		s.Hosts[h.Name] = h.Host
	}
	types := NewCodec()
	for name, raw := range f.Types {
		t, err := value.DecodeType(raw)
		if err != nil {
			return nil, fmt.Errorf("type %s: %w", name, err)
		}
		types.types[name] = t
	}
	var order ordered
	for _, w := range f.Objects {
		a, err := order.next(w.Address)
		if err != nil {
			return nil, err
		}
		c := types
		if len(w.Type) > 0 {
			c = NewCodec() // its own type is not that of those after it
		}
		if s.Objects[a], err = c.decodeObject(a, w); err != nil {
			return nil, err
		}
	}
	order = ordered{}
	for _, w := range f.Owed {
		a, err := order.next(w.Address)
		if err != nil {
			return nil, err
		}
		s.Owed[a] = w.Debts
	}
	order = ordered{}
	for _, w := range f.Interrupted {
		a, err := order.next(w.Address)
		if err != nil {
			return nil, err
		}
		w.Intent.Addr = a
		s.Interrupted[a] = w.Intent
	}
	outputs, err := decodeOutputs(f.Outputs)
	if err != nil {
		return nil, err
	}
	s.Outputs = own(outputs)
	return s, nil
}

// ordered parses addresses that come in strictly ascending order.
type ordered struct {
	last addr.Instance
	any  bool
}

func (o *ordered) next(text string) (addr.Instance, error) {
	a, err := addr.Parse(text)
	if err != nil {
		return a, err
	}
	if o.any && addr.Compare(o.last, a) >= 0 {
		return a, fmt.Errorf("%s is out of order", a)
	}
	o.last, o.any = a, true
	return a, nil
}
