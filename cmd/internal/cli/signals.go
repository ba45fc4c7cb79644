package cli

import (
	"context"
	"os"
	"sync"
)

// signals turns the user's requests to end into two words: stop, which starts
// nothing new, and cancel. Where nothing is under way that has to be finished
// the first request cancels.
type signals struct {
	mu       sync.Mutex
	cancel   context.CancelFunc
	stop     chan struct{}
	stopped  bool
	graceful func() // says that the run is being finished; nil where nothing is
}

func newSignals(cancel context.CancelFunc) *signals {
	return &signals{cancel: cancel, stop: make(chan struct{})}
}

// watch takes signals until the function that it returns is called.
func (s *signals) watch(in <-chan os.Signal) func() {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for {
			select {
			case <-done:
				return
			case <-in:
				s.arrived()
			}
		}
	}()
	return func() { close(done); wait.Wait() }
}

func (s *signals) arrived() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		s.cancel()
		return
	}
	s.stopped = true
	close(s.stop)
	if s.graceful == nil {
		s.cancel()
		return
	}
	s.graceful()
}

// finishing makes the next request stop instead of cancel; say tells the user.
// The function that it returns ends that.
func (s *signals) finishing(say func()) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graceful = say
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.graceful = nil
	}
}

// asked reports whether there was a request to end.
func (s *signals) asked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}
