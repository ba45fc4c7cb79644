package local

import (
	"io"
	"io/fs"
)

// fsys is the part of a file system that the backend uses, so that tests can
// break it. Names are paths. Everything made is for its owner only.
type fsys interface {
	// Open opens a regular file for reading; anything else, also a symbolic
	// link, is an error.
	Open(name string) (file, error)
	// Create makes a file that must not be there.
	Create(name string) (file, error)
	Mkdir(name string) error
	Rename(from, to string) error
	Link(from, to string) error
	Remove(name string) error
	// List returns the names in a directory, sorted.
	List(name string) ([]string, error)
	Lstat(name string) (fs.FileInfo, error)
	// SyncDir makes durable which names are in a directory.
	SyncDir(name string) error
	// Lock tries to lock a file, which it makes where there is none; false
	// where the lock is taken. The lock ends with its process.
	Lock(name string, exclusive bool) (lock, bool, error)
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
	// Reserve makes the file size bytes long, with room on disk for all of
	// them, and zeros where nothing was written.
	Reserve(size int64) error
}

// lock is a lock that is held.
type lock interface {
	io.Closer // releases it
	// Note replaces the content of the lock's file.
	Note(text []byte) error
}
