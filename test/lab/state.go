package lab

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// runDir is the same for everybody on the host, as the network namespace is: there is one lab at a time, wherever its
// files are.
const runDir = "/run/kplan-lab"

// state is what has to be known to bring a lab down that another process brought up. No file: no lab is up.
type state struct {
	Boot     string            // of the host; a lab does not outlive it
	Dir      string            // the cache directory in use
	Image    string            // digest of the image that the machines run
	Machines int               // how many there are
	Sysctls  map[string]string // the host's, from before
	NetnsDir bool              // the lab made the mount /run/netns
	Subtree  []string          // cgroup v2 controllers that the lab turned on at the root
}

func statePath() string { return filepath.Join(runDir, "state.json") }

// loadState returns nil where no lab is up.
func loadState() (*state, error) {
	data, err := os.ReadFile(statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s cannot be read (remove it if no lab is up): %w", statePath(), err)
	}
	if s.Boot != bootID() {
		return nil, nil
	}
	return &s, nil
}

func (s *state) save() error {
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	tmp := statePath() + ".tmp"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, statePath())
}

// bootID tells one boot of the host from another.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// Lock waits until nobody else uses the lab and returns what lets go of it. It also ends with the process. Whoever calls
// Up, Down, Reset or a power switch holds it.
func (l *Lab) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(runDir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	fd := int(f.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.Name())
		l.say("waiting for another user of the lab (process %s)", cmp.Or(string(holder), "unknown"))
		for {
			if err = syscall.Flock(fd, syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Append(nil, os.Getpid()), 0)
	return func() { f.Close() }, nil
}
