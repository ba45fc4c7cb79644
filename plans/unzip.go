package plans

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// parse reads the zip of a saved plan, of whose content at most limit bytes
// are unpacked. A foreign one must name all its content by digests. What is not exactly as Encode writes it is a *SealError.
func parse(data []byte, limit int64, foreign bool) (*Plan, *File, error) {
	entries, err := unzip(data, limit)
	if err != nil {
		return nil, nil, &SealError{Msg: err.Error()}
	}
	f := &File{Sources: map[string][]byte{}}
	for _, name := range []string{"meta.json", "plan.json", "state.json"} {
		if _, ok := entries[name]; !ok {
			return nil, nil, &SealError{Msg: name + " is missing in it"}
		}
	}
	if f.Meta, err = decodeMeta(entries["meta.json"]); err != nil {
		return nil, nil, sealed(err)
	}
	if again, err := f.Meta.encode(); err != nil || !bytes.Equal(again, entries["meta.json"]) {
		return nil, nil, &SealError{Msg: "its meta.json is not written as kplan writes it"}
	}
	f.State = entries["state.json"]
	for name, content := range entries {
		if isSource(name) {
			f.Sources[name] = content
		}
	}
	c, err := decodeContent(entries["plan.json"])
	if err != nil {
		return nil, nil, sealed(err)
	}
	p, err := New(c)
	if err != nil {
		return nil, nil, sealed(err)
	}
	if !bytes.Equal(p.encoded(), entries["plan.json"]) {
		return nil, nil, &SealError{Msg: "its plan is not written as kplan writes it"}
	}
	if err := p.holds(f, foreign); err != nil {
		return nil, nil, sealed(err)
	}
	return p, f, nil
}

// sealed makes a *SealError of what is not one yet.
func sealed(err error) error {
	var s *SealError
	var f *FormatError
	if errors.As(err, &s) || errors.As(err, &f) {
		return err
	}
	return &SealError{Msg: err.Error()}
}

func unzip(data []byte, limit int64) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("it has %d files, more than the limit of %d", len(z.File), maxEntries)
	}
	entries := make(map[string][]byte, len(z.File))
	for _, e := range z.File {
		switch e.Name {
		case "meta.json", "plan.json", "state.json":
		default:
			if !isSource(e.Name) {
				return nil, fmt.Errorf("it has a file %q", e.Name)
			}
		}
		if _, twice := entries[e.Name]; twice {
			return nil, fmt.Errorf("it has the file %q twice", e.Name)
		}
		content, err := inflate(e, limit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		limit -= int64(len(content))
		entries[e.Name] = content
	}
	return entries, nil
}

// inflate reads an entry, whatever size it claims, up to limit bytes.
func inflate(e *zip.File, limit int64) ([]byte, error) {
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it is read from memory
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("there is more in it than may be unpacked")
	}
	return content, nil
}
