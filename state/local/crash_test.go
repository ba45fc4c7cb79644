package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/backendtest"
)

func onFS(f fsys) *Backend {
	return &Backend{parent: "/", dir: "/.kplan", version: "1.0.0", fs: f, now: time.Now, spare: 1 << 10}
}

// told is what a caller was told: which results are durable, and how far the
// file system was then.
type told struct {
	results map[int]int // object to the operation after which it is durable
	tried   map[int]bool
	serial  map[int64]int
	epoch   map[int64]int
	all     bool // the last End had no error
	key     []byte
	keyAt   int
}

// work does two runs and a save, as far as it gets; ops says how many
// operations were made so far.
func work(b *Backend, ops func() int) *told {
	ctx := context.Background()
	t := &told{results: map[int]int{}, tried: map[int]bool{}, serial: map[int64]int{}, epoch: map[int64]int{}}
	if key, err := b.Key(ctx, true); err == nil {
		t.key, t.keyAt = key, ops()
	}
	for run := range 2 {
		l, err := b.Lock(ctx, 0, state.Holder{})
		if err != nil {
			continue
		}
		t.epoch[l.Snapshot().Epoch] = ops()
		id := fmt.Sprintf("r%d", run)
		j, err := l.Begin(ctx, id, "d", 4)
		if err != nil {
			_ = l.Release()
			continue
		}
		t.all = false
		for n := range 4 {
			n += 4 * run
			if j.Intent(ctx, backendtest.Intent(id, n)) != nil {
				continue
			}
			t.tried[n] = true
			if j.Result(ctx, backendtest.Result(id, n)) == nil {
				t.results[n] = ops()
			}
		}
		if j.End(ctx, true, nil) == nil {
			for n := range t.tried {
				if n/4 == run && t.results[n] == 0 {
					t.results[n] = ops() // the end recorded what the journal could not
				}
			}
			t.serial[l.Snapshot().Serial] = ops()
		}
		if run == 0 {
			if l.Save(ctx, l.Snapshot()) == nil {
				t.serial[l.Snapshot().Serial] = ops()
			}
		}
		_ = l.Release()
	}
	return t
}

// holds checks that what was told before operation k is there.
func (d *told) holds(t *testing.T, f fsys, k int, what string) {
	t.Helper()
	ctx := context.Background()
	seen, readErr := onFS(f).Read(ctx)
	l, err := onFS(f).Lock(ctx, 0, state.Holder{})
	if err != nil || readErr != nil {
		t.Fatalf("%s: %v, %v", what, err, readErr)
	}
	s := l.Snapshot()
	if seen.Lineage != "" && (seen.Serial != s.Serial || len(seen.Objects) != len(s.Objects)) {
		t.Fatalf("%s: a reader saw serial %d with %d objects, the writer serial %d with %d", what, seen.Serial, len(seen.Objects), s.Serial, len(s.Objects))
	}
	for n, at := range d.results {
		if at <= k && at > 0 {
			if _, ok := s.Objects[backendtest.Address(n)]; !ok {
				t.Fatalf("%s: the result of %d, durable since %d, is lost", what, n, at)
			}
		}
	}
	for a := range s.Objects {
		if n, _ := a.Key.Int(); !d.tried[n] {
			t.Fatalf("%s: the result of %d was never written", what, n)
		}
	}
	for serial, at := range d.serial {
		if at <= k && s.Serial < serial {
			t.Fatalf("%s: serial %d was durable, there is %d", what, serial, s.Serial)
		}
	}
	for epoch, at := range d.epoch {
		if at <= k && s.Epoch <= epoch {
			t.Fatalf("%s: epoch %d was used, and now %d", what, epoch, s.Epoch)
		}
	}
	if key, err := onFS(f).Key(ctx, false); d.key != nil && d.keyAt <= k && !bytes.Equal(key, d.key) {
		t.Fatalf("%s: another key (%v)", what, err)
	}
	// What is there can be worked with.
	j, err := l.Begin(ctx, "after", "d", 1)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := errors.Join(j.Result(ctx, backendtest.Result("after", 99)), j.End(ctx, true, nil), l.Release()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestPowerLoss loses power behind every operation, many times, with what was
// not synced missing, torn or reordered; with -short in a tenth of the states.
func TestPowerLoss(t *testing.T) {
	m := newMemFS()
	did := work(onFS(m), func() int { return len(m.log) })
	if len(did.results) != 8 || len(did.serial) != 3 {
		t.Fatalf("%+v", did)
	}
	total := len(m.log)
	each := 25000/total + 1
	if testing.Short() {
		each = 20
	}
	r := rand.New(rand.NewPCG(7, 8))
	states := 0
	for k := range total + 1 {
		for i := range each {
			did.holds(t, m.crash(k, r, i%2 == 0), k, fmt.Sprintf("power lost after %d of %d operations (%d)", k, total, i))
			states++
		}
	}
	t.Logf("%d operations, %d states", total, states)
}

// slowFS syncs slowly, so that records of many goroutines gather.
type slowFS struct{ fsys }

type slowFile struct{ file }

func (s slowFS) Create(p string) (file, error) {
	f, err := s.fsys.Create(p)
	return slowFile{f}, err
}

func (f slowFile) Sync() error {
	time.Sleep(time.Millisecond)
	return f.file.Sync()
}

// TestGroupCommit has many goroutines record at once: when a call returns,
// its record is durable, whoever wrote it.
func TestGroupCommit(t *testing.T) {
	ctx := context.Background()
	m := newMemFS()
	l, err := onFS(slowFS{m}).Lock(ctx, 0, state.Holder{})
	ok(t, err)
	j, err := l.Begin(ctx, "r", "d", 64)
	ok(t, err)
	var mu sync.Mutex
	at := map[int]int{}
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			if err := j.Result(ctx, backendtest.Result("r", n)); err != nil {
				t.Error(err)
			}
			m.mu.Lock()
			k := len(m.log)
			m.mu.Unlock()
			mu.Lock()
			defer mu.Unlock()
			at[n] = k
		})
	}
	wg.Wait()
	r := rand.New(rand.NewPCG(1, 1))
	for n, k := range at {
		for range 8 {
			s, err := onFS(m.crash(k, r, true)).Read(ctx)
			ok(t, err)
			if _, there := s.Objects[backendtest.Address(n)]; !there {
				t.Fatalf("result %d is not durable when its call has returned", n)
			}
		}
	}
}

// TestFaults fails every operation, once and from then on.
func TestFaults(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		for at := 1; ; at++ {
			m := newMemFS()
			f := &faultFS{fsys: m, at: at, sticky: sticky}
			did := work(onFS(f), func() int { return len(m.log) })
			what := fmt.Sprintf("operation %d failed, sticky %v", at, sticky)
			did.holds(t, m.crash(len(m.log), rand.New(rand.NewPCG(uint64(at), 9)), true), len(m.log), what+", then power was lost")
			m.locks = map[string]*memLock{}
			did.holds(t, m, len(m.log), what)
			if f.count < at {
				t.Logf("%d operations, sticky %v", at-1, sticky)
				break
			}
		}
	}
}

// journalOf builds the bytes of a journal, and the number of records at each
// end of a frame.
func journalOf(t testing.TB, steps int) (data []byte, ends map[int]int) {
	t.Helper()
	codec := state.NewCodec()
	chain := uint32(0)
	ends = map[int]int{0: 0}
	n := 0
	add := func(records ...state.Record) {
		var payload, f []byte
		var err error
		for _, r := range records {
			if payload, err = codec.Append(payload, r); err != nil {
				t.Fatal(err)
			}
		}
		f, chain = frame(payload, chain)
		data = append(data, f...)
		n += len(records)
		ends[len(data)] = n
	}
	add(state.Record{Begin: &state.Begin{Run: "r", Lineage: "l", Steps: steps}})
	for i := range steps {
		in, res := backendtest.Intent("r", i), backendtest.Result("r", i)
		if i%3 == 0 {
			add(state.Record{Intent: &in}, state.Record{Result: &res})
			continue
		}
		add(state.Record{Intent: &in})
		add(state.Record{Result: &res})
	}
	add(state.Record{End: &state.End{Complete: true}})
	return data, ends
}

// TestTruncated cuts a journal of 100 steps at every byte: what is read is the
// whole frames before, bare and with the zeros of reserved room behind. With
// -short it cuts at every seventh.
func TestTruncated(t *testing.T) {
	data, ends := journalOf(t, 100)
	want := 0
	room := make([]byte, len(data)+4096)
	cuts := 0
	count := func(cut []byte) (int, error) {
		n := 0
		_, err := scan(cut, func(_ int, payload []byte) error {
			n += bytes.Count(payload, []byte("\n"))
			return nil
		})
		return n, err
	}
	for i := range len(data) + 1 {
		if n, ok := ends[i]; ok {
			want = n
		}
		if testing.Short() && i%7 != 0 {
			continue
		}
		for _, cut := range [][]byte{data[:i], append(append(room[:0], data[:i]...), make([]byte, min(2048, 1+len(data)-i))...)} {
			// A frame is whole when only its padding is missing.
			got, err := count(cut)
			if err != nil || (got != want && !padded(data, ends, i, got)) {
				t.Fatalf("cut at %d: %d records instead of %d, %v", i, got, want, err)
			}
			if i%97 == 0 {
				if records, err := parse(cut); err != nil || len(records) != got {
					t.Fatalf("cut at %d: %d records instead of %d, %v", i, len(records), got, err)
				}
			}
			cuts++
		}
	}
	t.Logf("%d bytes, %d cuts", len(data), cuts)
}

func padded(data []byte, ends map[int]int, i, n int) bool {
	for end := i; end < i+align && end <= len(data); end++ {
		if ends[end] == n && n > 0 {
			return true
		}
	}
	return false
}

// TestFlipped changes every bit of a journal, which is an error each time, and
// of the room behind it, which nothing of it is lost by. With -short it changes
// one bit of each byte.
func TestFlipped(t *testing.T) {
	data, ends := journalOf(t, 6)
	all := ends[len(data)]
	flips := 0
	withRoom := append(bytes.Clone(data), make([]byte, 256)...)
	for i := range withRoom {
		for bit := range 8 {
			if testing.Short() && bit != i%8 {
				continue
			}
			withRoom[i] ^= 1 << bit
			records, err := parse(withRoom)
			if i < len(data) && err == nil {
				t.Fatalf("bit %d of byte %d: accepted", bit, i)
			}
			if i >= len(data) && (err != nil || len(records) != all) {
				t.Fatalf("bit %d of byte %d, behind the end: %v", bit, i, err)
			}
			withRoom[i] ^= 1 << bit
			flips++
		}
	}
	t.Logf("%d flips", flips)
}

// TestMissing removes and swaps whole frames.
func TestMissing(t *testing.T) {
	data, ends := journalOf(t, 6)
	var at []int
	for i := range len(data) + 1 {
		if _, ok := ends[i]; ok {
			at = append(at, i)
		}
	}
	for i := 1; i+2 < len(at); i++ {
		without := append(bytes.Clone(data[:at[i]]), data[at[i+1]:]...)
		if _, err := parse(without); err == nil {
			t.Errorf("frame %d removed: accepted", i)
		}
		var bad *frameError
		blank := bytes.Clone(data)
		clear(blank[at[i]:at[i+1]])
		if _, err := parse(blank); !errors.As(err, &bad) || bad.offset != at[i] || bad.later != ends[len(data)]-ends[at[i+1]] {
			t.Errorf("frame %d zero: %v", i, err)
		}
	}
}

func FuzzJournal(f *testing.F) {
	data, _ := journalOf(f, 3)
	f.Add(data)
	f.Add(append(bytes.Clone(data), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, _ := parse(data)
		s := state.NewSnapshot("l")
		for _, r := range records {
			if s.Fold(r) != nil {
				return
			}
		}
	})
}
