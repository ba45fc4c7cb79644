package plans

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write writes a saved plan to path, mode 0600, atomically: a temporary file
// in the same directory, synced, renamed over what was there, and the
// directory synced (rename(2), fsync(2)).
func Write(path string, p *Plan, f *File, key []byte) error {
	data, err := Encode(p, f, key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".kplan-plan-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // the error is what matters
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open reads the saved plan at path, as Read does.
func Open(path string, key []byte, expect string) (*Plan, *File, error) {
	fi, err := os.Stat(path) // before it is opened: opening a FIFO would wait
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, &SealError{Path: path, Msg: "it is not a regular file"}
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = r.Close() }() // it was only read
	p, f, err := Read(r, fi.Size(), key, expect)
	var s *SealError
	var format *FormatError
	switch {
	case errors.As(err, &s):
		s.Path = path
	case errors.As(err, &format):
		format.Path = path
	case err != nil:
		err = fmt.Errorf("%s: %w", path, err)
	}
	return p, f, err
}
