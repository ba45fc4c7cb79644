package state

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty/json"

	"github.com/kplan/kplan/dsl/addr"
)

// Record is one entry of a journal: exactly one field is set. Folding the
// records of a run, in order, into the snapshot that it began with gives the
// snapshot after it.
type Record struct {
	Begin  *Begin
	Intent *Intent
	Result *Result
	Host   *Host
	End    *End
}

// Begin is the first record of a journal: which run, of what state, to carry
// out which plan.
type Begin struct {
	Run     string    `json:"run"`
	Lineage string    `json:"lineage"`
	Serial  int64     `json:"serial"` // of the snapshot that the run began with
	Epoch   int64     `json:"epoch"`
	Digest  string    `json:"digest"` // of the plan
	Steps   int       `json:"steps"`
	Version string    `json:"kplan_version"`
	Time    time.Time `json:"time"`
}

// End is the last record of a journal.
type End struct {
	Complete bool
	Time     time.Time
	Outputs  map[string]json.SimpleJSONValue // nil keeps those recorded
}

// NewLineage returns a new random name of a state, a UUID of version 4
// (RFC 9562).
func NewLineage() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// NewSnapshot is the empty state of a lineage; "" is the state that was never
// written.
func NewSnapshot(lineage string) *Snapshot {
	return &Snapshot{
		Lineage: lineage, Hosts: map[string]Host{}, Objects: map[addr.Instance]Object{}, Owed: map[addr.Instance][]Debt{},
		Outputs: map[string]json.SimpleJSONValue{}, Interrupted: map[addr.Instance]Intent{},
	}
}

// Clone is a copy whose maps may be changed.
func (s *Snapshot) Clone() *Snapshot {
	c := *s
	c.Hosts = own(s.Hosts)
	c.Objects = own(s.Objects)
	c.Outputs = own(s.Outputs)
	c.Interrupted = own(s.Interrupted)
	c.Owed = own(s.Owed)
	return &c
}

func own[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// Debts are the refreshes that a is owed, whether it is recorded or not.
func (s *Snapshot) Debts(a addr.Instance) []Debt {
	if o, ok := s.Objects[a]; ok {
		return o.Debts
	}
	return s.Owed[a]
}

// Fold brings one record of a journal into the snapshot. Where it fails, the
// snapshot is as before.
//
//   - Begin raises the serial by one: a run that has begun is a new state,
//     whether it ends or is cut off.
//   - An Intent is Interrupted until a Result of the same object.
//   - A Result that Records sets or removes the object. Debts of an object
//     outlive its being set; Pays clears them, its own Owes come after.
//   - Debts of an address that has no record wait in Owed for it.
func (s *Snapshot) Fold(r Record) error {
	switch {
	case r.Begin != nil:
		b := r.Begin
		if b.Lineage != s.Lineage || b.Serial != s.Serial {
			return fmt.Errorf("the run %s began with serial %d of lineage %s, but the state is serial %d of lineage %s",
				b.Run, b.Serial, b.Lineage, s.Serial, s.Lineage)
		}
		s.Serial++
		s.Epoch = max(s.Epoch, b.Epoch)
		next := Applied{Run: b.Run, Digest: b.Digest, Running: true, Steps: b.Steps}
		if s.Applied.Digest == b.Digest && !s.Applied.Complete {
			next.Concluded = s.Applied.Concluded
		}
		s.Applied = next
	case r.Intent != nil:
		s.Interrupted[r.Intent.Addr] = *r.Intent
	case r.Result != nil:
		return s.foldResult(*r.Result)
	case r.Host != nil && r.Host.Forgotten:
		delete(s.Hosts, r.Host.Name)
	case r.Host != nil:
		s.Hosts[r.Host.Name] = *r.Host
	case r.End != nil:
		s.Applied.Complete, s.Applied.Ended, s.Applied.Running = r.End.Complete, r.End.Time, false
		if r.End.Outputs != nil {
			s.Outputs = maps.Clone(r.End.Outputs)
		}
	default:
		return fmt.Errorf("an empty record")
	}
	return nil
}

func (s *Snapshot) foldResult(r Result) error {
	owes := make(map[addr.Instance]Debt, len(r.Owes))
	for text, d := range r.Owes {
		a, err := addr.Parse(text)
		if err != nil {
			return fmt.Errorf("a debt of %s: %w", r.Addr, err)
		}
		owes[a] = d
	}
	delete(s.Interrupted, r.Addr)
	if r.Step > 0 { // what was found right has no step
		s.Applied.Done++
	}
	if r.Concludes {
		at, found := slices.BinarySearch(s.Applied.Concluded, r.Step)
		if !found {
			s.Applied.Concluded = slices.Insert(slices.Clone(s.Applied.Concluded), at, r.Step)
		}
	}

	debts := s.Debts(r.Addr)
	if r.Pays {
		debts = nil
	}
	delete(s.Owed, r.Addr)
	o, recorded := s.Objects[r.Addr]
	if r.Records {
		recorded = r.Object != nil
		if recorded {
			o = *r.Object
			o.Addr = r.Addr
			if !r.Pays {
				debts = union(debts, o.Debts)
			}
		} else {
			debts = nil // nothing is owed to what is not there
		}
	}
	s.setDebts(r.Addr, o, recorded, debts)
	for a, d := range owes {
		o, recorded := s.Objects[a]
		s.setDebts(a, o, recorded, union(s.Debts(a), []Debt{d}))
	}
	return nil
}

func (s *Snapshot) setDebts(a addr.Instance, o Object, recorded bool, debts []Debt) {
	delete(s.Owed, a)
	switch {
	case recorded:
		o.Debts = debts
		s.Objects[a] = o
	default:
		delete(s.Objects, a)
		if len(debts) > 0 {
			s.Owed[a] = debts
		}
	}
}

func union(a, b []Debt) []Debt {
	out := slices.Clone(a)
	for _, d := range b {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}
