// Package state answers the one question that a machine cannot: what did we
// own? It holds the snapshot of recorded objects, the journal of a run, and
// the contract of a backend. It knows nothing of resource types, specs or
// machines.
package state

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
)

// Object is one recorded object.
type Object struct {
	Addr addr.Instance `json:"-"`
	// Attrs is the object as last read after a step, as JSON with its cty
	// type; sensitive attributes are null.
	Attrs json.SimpleJSONValue `json:"attrs"`
	// Secrets are keyed digests of the sensitive attributes.
	Secrets map[string]string `json:"secrets,omitempty"`
	// Origin is "created" or "adopted".
	Origin string `json:"origin"`
	// Needs are the addresses that the object was built on, sorted: a delete
	// goes the other way.
	Needs []string `json:"needs,omitempty"`
	// InputDigest of an act.
	InputDigest string `json:"input_digest,omitempty"`
	// Debts are refreshes that the object is owed, each with the run and
	// address that caused it.
	Debts []Debt `json:"debts,omitempty"`
	// KeepOnDestroy is lifecycle { destroy = false }.
	KeepOnDestroy bool `json:"keep_on_destroy,omitempty"`
	// PreventDestroy is lifecycle { prevent_destroy = true }.
	PreventDestroy bool `json:"prevent_destroy,omitempty"`
}

// Debt is a refresh that is owed: a restart after a changed file.
type Debt struct {
	Run   string `json:"run"`
	Cause string `json:"cause"` // address
}

// Host is one recorded machine.
type Host struct {
	Name       string     `json:"-"`
	Address    string     `json:"address"`
	Connection Connection `json:"connection"` // how it was last reached; no secret
	HostKey    string     `json:"host_key"`   // authorized_keys form
	MachineID  string     `json:"machine_id"`
	// Forgotten stands in a journal only: nothing is recorded of the host any more.
	Forgotten bool `json:"gone,omitempty"`
}

// Connection is how a machine was reached, without secrets, for deleting what
// was on a host that the spec does not name any more.
type Connection struct {
	Local          bool   `json:"local,omitempty"` // it is the machine that kplan runs on
	Host           string `json:"host"`
	Port           int    `json:"port"`
	User           string `json:"user"`
	PrivateKeyFile string `json:"private_key_file,omitempty"`
	Agent          bool   `json:"agent,omitempty"`
	KnownHostsFile string `json:"known_hosts_file,omitempty"`
	Become         string `json:"become,omitempty"`
	BecomeUser     string `json:"become_user,omitempty"`
	Bastion        string `json:"bastion,omitempty"` // host name
}

// Snapshot is the recorded state: a value. Its maps are never nil.
type Snapshot struct {
	Lineage string
	Serial  int64
	Epoch   int64
	Hosts   map[string]Host
	Objects map[addr.Instance]Object
	Outputs map[string]json.SimpleJSONValue // not the sensitive ones
	// Owed are debts of addresses that have no record yet; they become debts
	// of the object when it gets one. Debts finds either.
	Owed map[addr.Instance][]Debt
	// Interrupted are the intents of a run that ended without their results,
	// by address.
	Interrupted map[addr.Instance]Intent
	// Applied is the digest of the plan that the last run applied, and whether
	// all of it was done; Run its id.
	Applied Applied
}

// Applied is the last run that applied a plan.
type Applied struct {
	Run      string    `json:"run"`
	Digest   string    `json:"digest"`
	Complete bool      `json:"complete"`
	Ended    time.Time `json:"ended,omitzero"`
	// Concluded are the steps that ended as the plan promised, ascending: of
	// this run, and of those before it that were cut off in the same plan.
	Concluded []int `json:"concluded,omitempty"`
	// Running is a run that has not written its end: cut off, or under way.
	Running bool `json:"running,omitempty"`
	// Done counts the results that the run recorded, of so many Steps.
	Done  int `json:"done,omitempty"`
	Steps int `json:"steps,omitempty"`
}

// Intent is what a run was about to do, recorded before it did.
type Intent struct {
	Run   string        `json:"run"`
	Step  int           `json:"step"`
	Addr  addr.Instance `json:"-"`
	Host  string        `json:"host"`
	Class string        `json:"class"` // once, or repeatable
	// Action is the action of the step.
	Action string `json:"action"`
	// Input tells what the act is done for: of an act the digest of its inputs,
	// of a thing that of its action and address. First is the digest of what
	// stood there before, "" for nothing.
	Input string `json:"input"`
	First string `json:"first"`
	// BootID is the boot that the host was in.
	BootID string `json:"boot_id"`
	Epoch  int64  `json:"epoch"`
}

// Result is how a step ended, with what is to be recorded of it.
type Result struct {
	Run     string        `json:"run"`
	Step    int           `json:"step"`
	Addr    addr.Instance `json:"-"`
	Outcome string        `json:"outcome"`
	// Object is what is recorded from now on; nil removes the record. It is
	// only looked at where Records is true.
	Object  *Object `json:"object,omitempty"`
	Records bool    `json:"records"`
	// Owes are debts that the step's change lays on other objects.
	Owes map[string]Debt `json:"owes,omitempty"`
	// Concludes says that the step ended as the plan promised, so that applying
	// the same plan again leaves it alone.
	Concludes bool `json:"concludes,omitempty"`
	// Pays says that the step paid the object's debts.
	Pays bool `json:"pays,omitempty"`
}

// Backend is a place where state is kept.
type Backend interface {
	// Read returns the snapshot with the valid prefix of a journal folded in,
	// without a lock. A state that was never written is an empty snapshot with
	// Lineage "". A damaged one is a *DamagedError.
	Read(ctx context.Context) (*Snapshot, error)
	// Share takes the shared lock of plan and drift, waiting for up to wait;
	// then *LockedError. The function releases it.
	Share(ctx context.Context, wait time.Duration) (release func() error, err error)
	// Lock takes the exclusive lock, waiting for up to wait; then
	// *LockedError. It creates the state where there is none, and raises the
	// epoch, durably.
	Lock(ctx context.Context, wait time.Duration, who Holder) (Lease, error)
	// Key returns the key that seals plans and digests secrets: 32 bytes. With
	// create it makes state and key where there is none; otherwise nil.
	Key(ctx context.Context, create bool) ([]byte, error)
}

// Caretaker is what people do with a place where state is kept, beside runs.
type Caretaker interface {
	// History lists the generations that are kept, newest first; the first is
	// the state now.
	History(ctx context.Context) ([]Generation, error)
	// Repair mends a damaged state, and says what it did. It sets aside what is
	// damaged, and removes nothing.
	Repair(ctx context.Context, who Holder) (said []string, err error)
	// Unlock frees the lock of the holder with this id, where it is gone; it
	// fails with *LockedError where it is not.
	Unlock(ctx context.Context, id string) error
}

// Generation is a state that was replaced, or the one now.
type Generation struct {
	Path    string // where it is, for messages
	Serial  int64
	Epoch   int64
	Hosts   int
	Objects int
	// Applied is the run that made it; zero where a command did, such as
	// `kplan state rm`.
	Applied Applied
	Written time.Time
	Current bool
	// Err says that it is damaged; then only Path and Serial are known.
	Err error
}

// Lease is the exclusive right to write state; only it has Save and a journal.
type Lease interface {
	// Snapshot is the state as of the lock, with the new epoch.
	Snapshot() *Snapshot
	// Begin starts the journal of a run for a plan digest and so many steps,
	// with the room that it needs reserved on disk.
	Begin(ctx context.Context, run, digest string, steps int) (Journal, error)
	// Save replaces the snapshot: serial + 1, written atomically, the one
	// before kept as a generation.
	Save(ctx context.Context, s *Snapshot) error
	// Release ends the lease.
	Release() error
}

// Journal records one run. Its methods may be called by many goroutines; each
// returns when its record is durable, records of one moment sharing one fsync.
type Journal interface {
	Intent(ctx context.Context, i ...Intent) error
	Result(ctx context.Context, r ...Result) error
	Host(ctx context.Context, h Host) error
	// End writes the end of the run and folds the journal into a new snapshot.
	// Outputs are recorded with it.
	End(ctx context.Context, complete bool, outputs map[string]json.SimpleJSONValue) error
}

// Holder says who holds a lock.
type Holder struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}
