//go:build unix && !linux

package local

// Reserve writes zeros: not every system has fallocate.
func (f osFile) Reserve(size int64) error { return f.fill(size) }
