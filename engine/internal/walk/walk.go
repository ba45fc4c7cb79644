// Package walk runs tasks in the order of a graph: each when all that it waits
// for has ended well, as many at once as lanes and semaphores admit. It knows
// ids, lanes, semaphores and outcomes, and nothing of what a task does.
package walk

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
)

// Task is one node of the graph. Tasks are named by their index.
type Task struct {
	// After are the tasks that must have ended well before; each has a lower
	// index.
	After []int
	// Lane admits one task at a time; "" marks a barrier, which ends by itself
	// once what it waits for has ended, and is never visited.
	Lane string
	// Holds are semaphores that the task takes.
	Holds []string
	// Batch is common to tasks of one lane that are visited at once, as one,
	// where they are ready at once; they hold the same semaphores. "" for a task
	// that is visited by itself.
	Batch string
}

// Never is the cause of tasks that were left out because the walk was stopped.
const Never = -1

// Visitor does the work of a walk.
type Visitor struct {
	// Visit does tasks, mostly one, in a goroutine of its own, and reports of
	// each whether it ended well. ctx is the walk's.
	Visit func(ctx context.Context, tasks []int) (well []bool)
	// Skip is told of a task that is not visited: cause is the task that
	// failed first on the way to it, or Never. It is called by the goroutine
	// that called Run.
	Skip func(i, cause int)
	// Stop, once closed, lets nothing new start. What runs, ends.
	Stop <-chan struct{}
	// Parallel bounds the tasks that run at once, those of a batch as one; at
	// least 1.
	Parallel int
	// Limits say how many tasks a semaphore admits at once; 1 where it is not
	// named.
	Limits map[string]int
}

// Run walks the tasks and returns when all have been visited or skipped and
// none runs any more.
//
// One goroutine, the caller's, does the bookkeeping. Ready tasks wait in a
// heap, the longest remaining path first and the lower index on a tie, so that
// with Parallel 1 the order is always the same.
func Run(ctx context.Context, tasks []Task, v Visitor) {
	w := &walker{
		tasks: tasks, v: v,
		pending: make([]int, len(tasks)),
		next:    make([][]int, len(tasks)),
		length:  make([]int, len(tasks)),
		cause:   make([]int, len(tasks)),
		taken:   map[string]int{},
		waiting: map[string][]int{},
		batches: map[batchKey][]int{},
		ended:   make(chan end),
	}
	w.prepare()
	w.run(ctx)
}

type end struct {
	tasks []int
	well  []bool
}

type batchKey struct{ lane, batch string }

type walker struct {
	tasks   []Task
	v       Visitor
	pending []int   // what each task still waits for; -1 once it was begun or skipped
	next    [][]int // who waits for each task
	length  []int   // tasks on the longest path from each to an end
	cause   []int   // first failed task before each; Never where there is none

	ready   []int              // heap; may hold tasks that were begun in a batch
	batches map[batchKey][]int // ready tasks, by batch
	taken   map[string]int     // lanes and semaphores in use: by how many
	waiting map[string][]int   // ready tasks set aside until one is free
	running int
	ended   chan end
	stopped bool
}

func (w *walker) prepare() {
	for i, t := range w.tasks {
		w.pending[i] = len(t.After)
		w.cause[i] = Never
		for _, a := range t.After {
			w.next[a] = append(w.next[a], i)
		}
	}
	for i := len(w.tasks) - 1; i >= 0; i-- {
		longest := 0
		for _, n := range w.next[i] {
			longest = max(longest, w.length[n])
		}
		w.length[i] = longest
		if w.tasks[i].Lane != "" {
			w.length[i]++
		}
	}
	for i := range w.tasks {
		if w.pending[i] == 0 {
			w.admit(i)
		}
	}
}

// admit makes task i one of those that are ready.
func (w *walker) admit(i int) {
	heap.Push(w, i)
	if t := w.tasks[i]; t.Batch != "" {
		k := batchKey{t.Lane, t.Batch}
		w.batches[k] = append(w.batches[k], i)
	}
}

func (w *walker) run(ctx context.Context) {
	for {
		w.start(ctx)
		if w.running == 0 {
			break
		}
		select {
		case e := <-w.ended:
			w.conclude(e)
		case <-w.v.Stop:
			w.stop()
		case <-ctx.Done():
			w.stop()
			w.conclude(<-w.ended) // visits see the same context and end
		}
	}
	for i := range w.tasks {
		if w.pending[i] >= 0 && w.tasks[i].Lane != "" {
			w.v.Skip(i, Never)
		}
	}
}

func (w *walker) conclude(e end) {
	w.running--
	w.release(e.tasks[0])
	for n, i := range e.tasks {
		w.finish(i, e.well[n], i)
	}
}

func (w *walker) stop() {
	w.stopped = true
	w.v.Stop = nil
}

// start begins every ready task that a lane and its semaphores admit.
func (w *walker) start(ctx context.Context) {
	select {
	case <-w.v.Stop:
		w.stop()
	default:
	}
	for len(w.ready) > 0 && ctx.Err() == nil {
		i := w.ready[0]
		if w.tasks[i].Lane == "" {
			heap.Pop(w)
			w.finish(i, true, i)
			continue
		}
		if w.stopped || w.running >= max(w.v.Parallel, 1) {
			return
		}
		heap.Pop(w)
		if w.pending[i] < 0 {
			continue
		}
		if busy, ok := w.busy(i); ok {
			w.waiting[busy] = append(w.waiting[busy], i)
			continue
		}
		w.taken[laneKey(w.tasks[i])]++
		for _, s := range w.tasks[i].Holds {
			w.taken[s]++
		}
		batch := w.batch(i)
		for _, j := range batch {
			w.pending[j] = -1
		}
		w.running++
		go func() { w.ended <- end{batch, w.v.Visit(ctx, batch)} }()
	}
}

// batch is task i and the others of its batch that are ready.
func (w *walker) batch(i int) []int {
	if w.tasks[i].Batch == "" {
		return []int{i}
	}
	k := batchKey{w.tasks[i].Lane, w.tasks[i].Batch}
	batch := w.batches[k]
	delete(w.batches, k)
	slices.SortFunc(batch, w.compare)
	return batch
}

func laneKey(t Task) string { return "\x00lane " + t.Lane }

// busy names a lane or semaphore that task i has to wait for.
func (w *walker) busy(i int) (string, bool) {
	t := w.tasks[i]
	if k := laneKey(t); w.taken[k] > 0 {
		return k, true
	}
	for _, s := range t.Holds {
		if w.taken[s] >= max(w.v.Limits[s], 1) {
			return s, true
		}
	}
	return "", false
}

func (w *walker) release(i int) {
	t := w.tasks[i]
	for _, k := range append([]string{laneKey(t)}, t.Holds...) {
		w.taken[k]--
		for _, j := range w.waiting[k] {
			heap.Push(w, j)
		}
		delete(w.waiting, k)
	}
}

// finish ends task i and passes its outcome on: a task that waited for one
// that did not end well is skipped, with the first cause.
func (w *walker) finish(i int, well bool, cause int) {
	w.pending[i] = -1
	for _, n := range w.next[i] {
		w.pending[n]--
		if !well && w.cause[n] == Never {
			w.cause[n] = cause
		}
		if w.pending[n] > 0 {
			continue
		}
		if w.cause[n] == Never {
			w.admit(n)
			continue
		}
		if w.tasks[n].Lane != "" {
			w.v.Skip(n, w.cause[n])
		}
		w.finish(n, false, w.cause[n])
	}
}

// Len, Less, Swap, Push and Pop make the ready tasks a heap.

func (w *walker) Len() int { return len(w.ready) }

func (w *walker) Less(a, b int) bool { return w.compare(w.ready[a], w.ready[b]) < 0 }

// compare orders tasks i and j: the longer remaining path first.
func (w *walker) compare(i, j int) int {
	return cmp.Or(cmp.Compare(w.length[j], w.length[i]), cmp.Compare(i, j))
}

func (w *walker) Swap(a, b int) { w.ready[a], w.ready[b] = w.ready[b], w.ready[a] }

// Push adds a ready task, for container/heap.
func (w *walker) Push(x any) { w.ready = append(w.ready, x.(int)) }

// Pop removes the last ready task, for container/heap.
func (w *walker) Pop() any {
	last := w.ready[len(w.ready)-1]
	w.ready = w.ready[:len(w.ready)-1]
	return last
}
