//go:build unix

package local

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// osFS is the file system of the operating system.
type osFS struct{}

type osFile struct{ *os.File }

func (osFS) Open(name string) (file, error) {
	// Without O_NONBLOCK a FIFO would be waited for (open(2)).
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it is not a regular file")}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Create(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Mkdir(name string) error                { return os.Mkdir(name, 0o700) }
func (osFS) Rename(from, to string) error           { return os.Rename(from, to) }
func (osFS) Link(from, to string) error             { return os.Link(from, to) }
func (osFS) Remove(name string) error               { return os.Remove(name) }
func (osFS) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

func (osFS) List(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir opens the directory and calls fsync on it: without that a rename or
// a new file may be gone after a loss of power, though the file was synced
// (fsync(2)).
func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

type osLock struct{ *os.File }

// Lock uses flock(2): the lock belongs to the open file, and the kernel
// releases it when the last process that has it open ends, however it ends.
// The file is never removed or replaced, or two could be locked at once.
func (osFS) Lock(name string, exclusive bool) (lock, bool, error) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, false, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB) //nolint:gosec // a descriptor is small
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		return osLock{f}, true, nil
	}
	_ = f.Close()
	if err == unix.EWOULDBLOCK {
		return nil, false, nil
	}
	return nil, false, &fs.PathError{Op: "flock", Path: name, Err: err}
}

func (l osLock) Note(text []byte) error {
	if err := l.Truncate(0); err != nil {
		return err
	}
	_, err := l.WriteAt(text, 0)
	return err
}

// fill is Reserve where the file system cannot: it writes zeros.
func (f osFile) fill(size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for pos := fi.Size(); pos < size; {
		n := min(int64(len(zeros)), size-pos)
		if _, err := f.WriteAt(zeros[:n], pos); err != nil {
			return err
		}
		pos += n
	}
	return nil
}
