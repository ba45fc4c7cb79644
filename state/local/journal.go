package local

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/kplan/kplan/state"
)

// The room that is reserved before the first step, so that a full disk
// strikes then and not in the middle of the work.
const (
	stepRoom   = 2 << 10  // for each step: intent and result
	spareRoom  = 1 << 20  // for what is larger
	tailRoom   = 64 << 10 // for the results of steps that run, and the end
	endRoom    = 4 << 10  // that is left to the end alone
	frameRoom  = headerSize + align
	maxBatch   = 4 << 20 // a frame takes no more records from here on
	maxPayload = 32 << 20
)

var runRE = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

// journal is one run. Records of goroutines that come while a frame is being
// written go into the next frame together, and share its fsync.
//
// A record is not given up because its context is: what was done stays to be
// recorded.
type journal struct {
	l  *lease
	id string
	f  file

	writing sync.Mutex // held while a frame is written

	// Under l.mu:
	base   int64 // serial that the run began with
	codec  *state.Codec
	queue  []*batch // to be written, in order; the last one takes records
	room   int64    // reserved
	used   int64    // at most, by all records so far
	open   int64    // intents without a result
	ended  bool
	failed error // the file cannot be written any more

	// Under writing:
	offset int64
	chain  uint32
}

type batch struct {
	payload []byte
	err     error
	done    chan struct{}
}

// Begin makes the journal, with its room and its first record durable.
func (l *lease) Begin(ctx context.Context, run, digest string, steps int) (state.Journal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !runRE.MatchString(run) || steps < 0 {
		return nil, fmt.Errorf("%q with %d steps is not a run", run, steps)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return nil, err
	}
	begin := &state.Begin{
		Run: run, Lineage: l.snap.Lineage, Serial: l.snap.Serial, Epoch: l.snap.Epoch,
		Digest: digest, Steps: steps, Version: l.b.version, Time: l.b.now(),
	}
	j := &journal{l: l, id: run, base: l.snap.Serial, codec: state.NewCodec(), room: int64(steps)*stepRoom + l.b.spare + tailRoom}
	payload, err := j.codec.Append(nil, state.Record{Begin: begin})
	if err != nil {
		return nil, err
	}
	if err := j.create(payload); err != nil {
		return nil, fmt.Errorf("the journal of the run cannot be made: %w", err)
	}
	if err := l.snap.Fold(state.Record{Begin: begin}); err != nil {
		return nil, err
	}
	l.run = j
	return j, nil
}

func (j *journal) create(payload []byte) error {
	b := j.l.b
	path := b.path(journalDir, j.id+".wal")
	f, err := b.fs.Create(path)
	if err != nil {
		return err
	}
	j.f = f
	if err = f.Reserve(j.room); err == nil {
		err = j.write(payload)
	}
	if err == nil {
		err = b.fs.SyncDir(b.path(journalDir))
	}
	if err == nil {
		j.used = j.offset
		return nil
	}
	_ = f.Close()
	if removeErr := b.discard(path); removeErr != nil {
		// Whether this run has begun is not known now.
		j.l.failed = errors.Join(err, removeErr)
	}
	return err
}

// write writes one frame and makes it durable.
func (j *journal) write(payload []byte) error {
	data, chain := frame(payload, j.chain)
	if _, err := j.f.WriteAt(data, j.offset); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.offset += int64(len(data))
	j.chain = chain
	return nil
}

func (j *journal) Intent(_ context.Context, intents ...state.Intent) error {
	records := make([]state.Record, len(intents))
	for i := range intents {
		records[i].Intent = &intents[i]
	}
	return j.record(int64(len(intents)), records)
}

func (j *journal) Result(_ context.Context, results ...state.Result) error {
	records := make([]state.Record, len(results))
	for i := range results {
		records[i].Result = &results[i]
	}
	return j.record(-int64(len(results)), records)
}

func (j *journal) Host(_ context.Context, h state.Host) error {
	return j.record(0, []state.Record{{Host: &h}})
}

// record returns when the records are durable. open is how many steps they
// open, or close where it is negative.
func (j *journal) record(open int64, records []state.Record) error {
	if len(records) == 0 {
		return nil
	}
	b, leads, err := j.add(open, records)
	if err != nil {
		return err
	}
	if !leads {
		<-b.done
		return b.err
	}
	// Each leader writes one batch, though it may be that of another.
	j.writing.Lock()
	j.writeNext()
	j.writing.Unlock()
	<-b.done
	return b.err
}

// writeNext writes the first batch that waits, if any does. writing is held.
func (j *journal) writeNext() bool {
	j.l.mu.Lock()
	if len(j.queue) == 0 {
		j.l.mu.Unlock()
		return false
	}
	b := j.queue[0]
	j.queue = j.queue[1:]
	b.err = j.failed
	j.l.mu.Unlock()
	defer close(b.done)
	if b.err != nil {
		return true
	}
	if err := j.write(b.payload); err != nil {
		b.err = fmt.Errorf("the journal cannot be written: %w", err)
		j.l.mu.Lock()
		j.failed = b.err
		j.l.mu.Unlock()
	}
	return true
}

// add puts the records into the next frame; the first to do so leads it.
func (j *journal) add(open int64, records []state.Record) (b *batch, leads bool, err error) {
	j.l.mu.Lock()
	defer j.l.mu.Unlock()
	if j.ended {
		return nil, false, fmt.Errorf("the run %s has ended", j.id)
	}
	var payload []byte
	for _, r := range records {
		if payload, err = j.codec.Append(payload, r); err != nil {
			j.codec = state.NewCodec() // it knows types now that are not written
			return nil, false, err
		}
	}
	if len(payload) > maxPayload {
		j.codec = state.NewCodec()
		return nil, false, fmt.Errorf("a record of %d bytes is more than the limit of %d", len(payload), maxPayload)
	}
	if err := j.makeRoom(int64(len(payload))+frameRoom, open); err != nil {
		j.codec = state.NewCodec()
		if open >= 0 {
			return nil, false, err
		}
		// The step was done: End still tries to record it.
		return nil, false, errors.Join(err, j.fold(records))
	}
	j.open = max(0, j.open+open) // a forget has no intent
	if err := j.fold(records); err != nil {
		return nil, false, err
	}
	if j.failed != nil {
		return nil, false, j.failed
	}
	if n := len(j.queue); n > 0 && len(j.queue[n-1].payload)+len(payload) <= maxBatch {
		b = j.queue[n-1]
	} else {
		b, leads = &batch{done: make(chan struct{})}, true
		j.queue = append(j.queue, b)
	}
	b.payload = append(b.payload, payload...)
	return b, leads, nil
}

func (j *journal) fold(records []state.Record) error {
	for _, r := range records {
		if err := j.l.snap.Fold(r); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom reserves more where what was reserved does not suffice. An intent
// leaves room for the results of all steps that run, a result for the end.
func (j *journal) makeRoom(need, open int64) error {
	keep := int64(endRoom)
	if open >= 0 {
		keep = tailRoom + stepRoom*(j.open+open)
	}
	if j.used+need+keep > j.room && j.failed == nil {
		room := j.used + need + keep + j.l.b.spare
		if err := j.f.Reserve(room); err != nil {
			return fmt.Errorf("the journal needs more room: %w", err)
		}
		j.room = room
	}
	j.used += need
	return nil
}
