package local

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
)

// write makes a file with content, durable. It is not seen under its name
// after a crash unless its directory is synced too.
func (b *Backend) write(path string, content []byte) error {
	f, err := b.fs.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync() // a failed fsync is final: the next one may lie
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// replace puts content at path, atomically and durably: whoever reads path,
// also after a crash, finds the old content or the new. moved says that the
// new one may be what is found, also where an error is returned.
func (b *Backend) replace(path string, content []byte) (moved bool, err error) {
	dir := filepath.Dir(path)
	tmp := filepath.Join(dir, tmpPrefix+filepath.Base(path)+"-"+random())
	if err := b.write(tmp, content); err != nil {
		_ = b.fs.Remove(tmp)
		return false, err
	}
	if err := b.fs.Rename(tmp, path); err != nil {
		_ = b.fs.Remove(tmp)
		return false, err
	}
	return true, b.fs.SyncDir(dir)
}

// readFile reads a regular file of up to limit bytes.
func (b *Backend) readFile(path string, limit int64) ([]byte, error) {
	f, err := b.fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than the limit of %d", path, fi.Size(), limit)
	}
	data := make([]byte, fi.Size())
	n, err := f.ReadAt(data, 0)
	if err == io.EOF {
		err = nil
	}
	return data[:n], err
}

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
