package plans

import (
	"archive/zip"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/state/value"
)

// FileFormat is the version of saved plans that this kplan writes. It reads no
// other.
const FileFormat = 2

const (
	maxFile    = 64 << 20  // of a saved plan
	maxContent = 512 << 20 // of what is in one, where the seal is ours
	maxForeign = 64 << 20  // where it is not
	maxEntries = 20000
	keySize    = 32
)

// File is what stands in a saved plan beside the plan.
type File struct {
	Meta Meta
	// Sources are the files that the plan was made from, by slash-separated
	// path: spec/… and files/…. Base.Spec is their FilesDigest.
	Sources map[string][]byte
	// State is the recorded state that the plan was made from, as read, empty
	// where there was none. Base.State is its BytesDigest.
	State []byte
}

// Meta is what a plan was made with. Base.Variables is its Digest.
type Meta struct {
	// Version is that of the kplan that wrote the plan.
	Version string
	// Variables that are not sensitive, wholly known.
	Variables map[string]cty.Value
	// Secrets are keyed digests of sensitive variables ("var.NAME") and of
	// files that were only used as sensitive ("file.PATH").
	Secrets map[string]string
	// Options of planning, such as target, exclude and replace.
	Options map[string][]string
	// Schemas are schema versions by resource type.
	Schemas map[string]int
}

type wireMeta struct {
	Format    int                  `json:"format"`
	Version   string               `json:"kplan_version"`
	Variables map[string]wireValue `json:"variables,omitempty"`
	Secrets   map[string]string    `json:"secrets,omitempty"`
	Options   map[string][]string  `json:"options,omitempty"`
	Schemas   map[string]int       `json:"schemas,omitempty"`
}

type wireValue struct {
	Type  json.RawMessage `json:"type"`
	Value json.RawMessage `json:"value"`
}

func (m Meta) encode() ([]byte, error) {
	w := wireMeta{Format: FileFormat, Version: m.Version, Secrets: m.Secrets, Options: m.Options, Schemas: m.Schemas}
	for name, v := range m.Variables {
		data, err := value.EncodeKnown(v)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		t, err := value.EncodeType(v.Type())
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		if w.Variables == nil {
			w.Variables = map[string]wireValue{}
		}
		w.Variables[name] = wireValue{t, data}
	}
	return value.JSON(w)
}

func decodeMeta(data []byte) (Meta, error) {
	var head struct {
		Format  int    `json:"format"`
		Version string `json:"kplan_version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Meta{}, &SealError{Msg: "it does not say what it is"}
	}
	if head.Format != FileFormat {
		return Meta{}, &FormatError{Format: head.Format, Version: head.Version}
	}
	var w wireMeta
	if err := value.ReadJSON(data, &w); err != nil {
		return Meta{}, err
	}
	m := Meta{Version: w.Version, Secrets: w.Secrets, Options: w.Options, Schemas: w.Schemas}
	for name, v := range w.Variables {
		t, err := value.DecodeType(v.Type)
		if err != nil {
			return Meta{}, err
		}
		if m.Variables == nil {
			m.Variables = map[string]cty.Value{}
		}
		if m.Variables[name], err = value.Decode(v.Value, t, nil); err != nil {
			return Meta{}, err
		}
	}
	return m, nil
}

// Digest is the digest of all but the version of kplan.
func (m Meta) Digest() (string, error) {
	m.Version = ""
	data, err := m.encode()
	return BytesDigest(data), err
}

// The comment of the zip is the seal: it ends the file, and its last 64
// characters are the HMAC-SHA256 of all bytes before them.
var sealPrefix = fmt.Sprintf("kplan plan %d hmac-sha256:", FileFormat)

var sealRE = regexp.MustCompile(`kplan plan ([0-9]{1,9}) [a-z0-9-]+:[0-9a-f]{64}$`)

// Encode gives the bytes of a saved plan, sealed with key. The same plan, file
// and key give the same bytes. It fails where Base holds other digests
// than those of the file.
func Encode(p *Plan, f *File, key []byte) ([]byte, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a key of %d bytes cannot seal a plan", len(key))
	}
	if err := p.holds(f, false); err != nil {
		return nil, err
	}
	meta, err := f.Meta.encode()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	size := 0
	add := func(name string, content []byte) error {
		size += len(content)
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	}
	for _, e := range []struct {
		name    string
		content []byte
	}{{"meta.json", meta}, {"plan.json", p.encoded()}, {"state.json", f.State}} {
		if err := add(e.name, e.content); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Sources)) {
		if !isSource(name) {
			return nil, fmt.Errorf("%q cannot be the name of a source in a plan", name)
		}
		if err := add(name, f.Sources[name]); err != nil {
			return nil, err
		}
	}
	if err := z.SetComment(sealPrefix + strings.Repeat("0", 2*sha256.Size)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	data := b.Bytes()
	if len(data) > maxFile || size > maxContent || len(f.Sources)+3 > maxEntries {
		return nil, fmt.Errorf("the plan takes %d bytes in %d files, more than a saved plan may hold", len(data), len(f.Sources)+3)
	}
	at := len(data) - 2*sha256.Size
	copy(data[at:], seal(data[:at], key))
	return data, nil
}

func seal(data, key []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(data) // never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// holds checks that the plan names what is in the file. Where it does not have
// to name all, a digest that Base does not give is no difference.
func (p *Plan) holds(f *File, all bool) error {
	meta, err := f.Meta.Digest()
	if err != nil {
		return err
	}
	for _, d := range []struct{ what, want, is string }{
		{"sources", p.c.Base.Spec, FilesDigest(f.Sources)},
		{"variables", p.c.Base.Variables, meta},
		{"state", p.c.Base.State, BytesDigest(f.State)},
	} {
		if d.want != d.is && (all || d.want != "") {
			return fmt.Errorf("the plan was made from other %s than stand beside it", d.what)
		}
	}
	return nil
}

func isSource(name string) bool {
	return (strings.HasPrefix(name, "spec/") || strings.HasPrefix(name, "files/")) && fs.ValidPath(name) && !strings.ContainsAny(name, "\\\x00")
}

// Read reads a saved plan of size bytes. Anything but exactly what Encode gave
// for the same key is a *SealError; a file of another format is a
// *FormatError. Where expect is not "", the plan must have that digest, and
// then a seal of another key, or a key that is nil, does not matter, if Base
// holds all its digests: then that digest names all that is in the file. Everything stays in memory.
func Read(r io.ReaderAt, size int64, key []byte, expect string) (*Plan, *File, error) {
	least := int64(len(sealPrefix) + 2*sha256.Size)
	if size < least || size > maxFile {
		return nil, nil, &SealError{Msg: fmt.Sprintf("a file of %d bytes is not a saved plan", size)}
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), data); err != nil {
		return nil, nil, err
	}
	at := len(data) - 2*sha256.Size
	if !bytes.HasSuffix(data[:at], []byte(sealPrefix)) {
		if m := sealRE.FindSubmatch(data[max(0, at-64):]); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			return nil, nil, &FormatError{Format: n}
		}
		return nil, nil, &SealError{Msg: "it is not a saved plan, or not all of one"}
	}
	ours := len(key) == keySize && hmac.Equal([]byte(seal(data[:at], key)), data[at:])
	switch {
	case !ours && expect == "" && len(key) != keySize:
		return nil, nil, &SealError{Msg: "there is no key here that could have sealed it", Foreign: true}
	case !ours && expect == "":
		return nil, nil, &SealError{Msg: "it was changed, or another state's key sealed it", Foreign: true}
	}
	limit := int64(maxForeign)
	if ours {
		limit = maxContent
	}
	p, f, err := parse(data, limit, !ours)
	if err != nil {
		return nil, nil, err
	}
	if expect != "" && p.digest != expect {
		return nil, nil, &SealError{Msg: fmt.Sprintf("its digest is %s, not the expected %s", p.digest, expect), Foreign: true}
	}
	return p, f, nil
}
