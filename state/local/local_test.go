package local

import (
	"testing"

	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/backendtest"
)

// kill ends a lease as the death of its process does: the kernel closes its
// files.
func kill(l state.Lease) {
	le := l.(*lease)
	le.mu.Lock()
	defer le.mu.Unlock()
	if le.run != nil {
		le.run.abandon()
	}
	_ = le.lock.Close()
	le.lock = nil
}

func TestLaws(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backendtest.Place {
		dir := t.TempDir()
		return backendtest.Place{Open: func() state.Backend { return New(dir, "1.0.0") }, Kill: kill}
	})
}
