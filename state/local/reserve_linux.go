package local

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Reserve uses fallocate(2), which fails with ENOSPC where the room is not
// there, and else keeps it.
func (f osFile) Reserve(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size) //nolint:gosec // a descriptor is small
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return f.fill(size)
		}
		return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
}
