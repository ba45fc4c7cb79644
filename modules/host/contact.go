package host

import "time"

// Contact is what a first look at a machine shows: who it is, what it is, and
// what earlier runs left on it.
type Contact struct {
	MachineID string // /etc/machine-id
	BootID    string // /proc/sys/kernel/random/boot_id
	UID       int    // who the session acts as, after become
	// Ahead is how far the machine's clock is ahead of the one here, negative
	// where it is behind: what the way to it took is given in its favour. 0
	// where it did not tell.
	Ahead   time.Duration
	Facts   Facts
	Fence   *Fence   // nil: no run has acted here
	Receipt *Receipt // nil: no apply has finished here
	Acts    []Act    // detached acts whose directories are still there, sorted by id
}

// Facts are properties of a machine that a spec may refer to. Keys of the
// same names stand in the language (docs/language.md).
type Facts struct {
	OS             string   `cty:"os"`         // ID of os-release(5), such as debian
	OSVersion      string   `cty:"os_version"` // VERSION_ID of os-release(5), such as 12
	Arch           string   `cty:"arch"`       // uname -m
	Kernel         string   `cty:"kernel"`     // uname -r
	Hostname       string   `cty:"hostname"`
	CPUs           int      `cty:"cpus"`
	MemoryMiB      int      `cty:"memory_mib"`
	MachineID      string   `cty:"machine_id"`
	CgroupVersion  int      `cty:"cgroup_version"`
	PackageManager string   `cty:"package_manager"` // apt, dnf, yum, "" where none is known
	ServiceManager string   `cty:"service_manager"` // systemd, or "" where it is not running
	Interfaces     []string `cty:"interfaces"`      // "eth0 10.0.2.15/24", sorted
}

// Fence says which run may act on the machine. An act with a lower epoch of
// the same lineage is refused.
type Fence struct {
	Lineage string `json:"lineage"`
	Epoch   int64  `json:"epoch"`
	Run     string `json:"run"`
}

// Receipt says which run last finished on the machine.
type Receipt struct {
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
	Epoch   int64  `json:"epoch"`
	Run     string `json:"run"`
	Digest  string `json:"digest"` // of the plan
}

// ActID names a detached act: the run, its step, and which of the step's acts
// it is. Session.Act is given the id of the first; each further one counts N on.
type ActID struct {
	Run  string
	Step int
	N    int
}

// ActState is where a detached act stands.
type ActState string

// The states of a detached act.
const (
	ActRunning     ActState = "running"
	ActDone        ActState = "done"
	ActInterrupted ActState = "interrupted" // not running, and no exit status was written
)

// Act is a detached act found on a machine.
type Act struct {
	ID     ActID
	State  ActState
	BootID string // of the boot that it was started in
	Code   int    // exit status, where State is ActDone
}
