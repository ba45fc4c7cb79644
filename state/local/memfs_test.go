package local

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// memFS is a file system in memory that remembers every operation, so that
// what a loss of power may leave can be built from any prefix of them.
type memFS struct {
	mu    sync.Mutex
	nodes []*node
	log   []op
	locks map[string]*memLock
}

type node struct {
	dir     bool
	entries map[string]int // of a directory: names to nodes
	data    []byte
	clock   int
}

type opKind int

const (
	opEntry opKind = iota // name in dir is node, -1 for none
	opRename
	opWrite
	opReserve
	opSync // of a file or a directory
)

type op struct {
	kind     opKind
	dir      int
	name, to string
	dir2     int
	node     int
	off      int64
	data     []byte
}

func newMemFS() *memFS {
	m := &memFS{locks: map[string]*memLock{}}
	m.add(true)
	return m
}

func (m *memFS) add(dir bool) int {
	m.nodes = append(m.nodes, &node{dir: dir, entries: map[string]int{}})
	return len(m.nodes) - 1
}

func (m *memFS) find(path string) (int, error) {
	n := 0
	for _, elem := range strings.Split(strings.Trim(path, "/"), "/") {
		if elem == "" {
			continue
		}
		next, ok := m.nodes[n].entries[elem]
		if !ok {
			return 0, &fs.PathError{Op: "find", Path: path, Err: fs.ErrNotExist}
		}
		n = next
	}
	return n, nil
}

func (m *memFS) do(o op) {
	m.log = append(m.log, o)
	apply(m.nodes, o)
	for _, n := range []int{o.dir, o.dir2, o.node} {
		if n >= 0 {
			m.nodes[n].clock = len(m.log)
		}
	}
}

func apply(nodes []*node, o op) {
	switch o.kind {
	case opEntry:
		if o.node < 0 {
			delete(nodes[o.dir].entries, o.name)
			return
		}
		nodes[o.dir].entries[o.name] = o.node
	case opRename:
		delete(nodes[o.dir].entries, o.name)
		nodes[o.dir2].entries[o.to] = o.node
	case opWrite:
		n := nodes[o.node]
		if end := int(o.off) + len(o.data); end > len(n.data) {
			n.data = append(n.data, make([]byte, end-len(n.data))...)
		}
		copy(n.data[o.off:], o.data)
	case opReserve:
		n := nodes[o.node]
		if int(o.off) > len(n.data) {
			n.data = append(n.data, make([]byte, int(o.off)-len(n.data))...)
		}
	case opSync:
	}
}

// crash is what the disk may hold when power is lost behind the first k
// operations. Nothing that was synced is missing. Of the rest each write is
// there, missing or torn, and each change of a directory there or missing; in
// order says that a directory keeps a prefix of its changes.
func (m *memFS) crash(k int, r *rand.Rand, inOrder bool) *memFS {
	out := &memFS{locks: map[string]*memLock{}}
	for _, n := range m.nodes {
		out.nodes = append(out.nodes, &node{dir: n.dir, entries: map[string]int{}})
	}
	synced := map[int]int{} // node to the last sync of it
	for i, o := range m.log[:k] {
		if o.kind == opSync {
			synced[o.node] = i
		}
	}
	lost := map[int]bool{} // directories that lost a change
	for i, o := range m.log[:k] {
		switch o.kind {
		case opEntry, opRename:
			durable := i < synced[o.dir] || (o.kind == opRename && i < synced[o.dir2])
			if !durable && (r.IntN(2) == 0 || (inOrder && lost[o.dir])) {
				lost[o.dir] = true
				continue
			}
		case opWrite, opReserve:
			if i < synced[o.node] {
				break
			}
			if o.kind == opReserve {
				if r.IntN(2) == 0 {
					continue
				}
				break
			}
			o.data = tear(o.data, o.off, r)
			if len(o.data) == 0 {
				continue
			}
		case opSync:
			continue
		}
		apply(out.nodes, o)
	}
	return out
}

// tear keeps all, nothing, the beginning, or some sectors.
func tear(data []byte, off int64, r *rand.Rand) []byte {
	switch r.IntN(4) {
	case 0:
		return data
	case 1:
		return nil
	case 2:
		return data[:r.IntN(len(data)+1)]
	}
	data = bytes.Clone(data)
	for i := 0; i < len(data); {
		end := min(len(data), i+sector-int((off+int64(i))%sector))
		if r.IntN(2) == 0 {
			clear(data[i:end])
		}
		i = end
	}
	return data
}

func (m *memFS) locked(path string) (int, int, string, error) {
	d, err := m.find(filepath.Dir(path))
	if err != nil {
		return 0, 0, "", err
	}
	n, ok := m.nodes[d].entries[filepath.Base(path)]
	if !ok {
		n = -1
	}
	return d, n, filepath.Base(path), nil
}

func (m *memFS) Open(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(path)
	if err != nil {
		return nil, err
	}
	if m.nodes[n].dir {
		return nil, errors.New("it is a directory")
	}
	return &memFile{m, n}, nil
}

func (m *memFS) make(path string, dir bool) (int, error) {
	d, n, name, err := m.locked(path)
	if err != nil {
		return 0, err
	}
	if n >= 0 {
		return 0, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	n = m.add(dir)
	m.do(op{kind: opEntry, dir: d, dir2: -1, name: name, node: n})
	return n, nil
}

func (m *memFS) Create(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.make(path, false)
	return &memFile{m, n}, err
}

func (m *memFS) Mkdir(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.make(path, true)
	return err
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, n, name, err := m.locked(from)
	if err != nil || n < 0 {
		return errors.Join(err, fs.ErrNotExist)
	}
	d2, _, name2, err := m.locked(to)
	if err != nil {
		return err
	}
	m.do(op{kind: opRename, dir: d, name: name, dir2: d2, to: name2, node: n})
	return nil
}

func (m *memFS) Link(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(from)
	if err != nil {
		return err
	}
	d, there, name, err := m.locked(to)
	if err != nil {
		return err
	}
	if there >= 0 {
		return fs.ErrExist
	}
	m.do(op{kind: opEntry, dir: d, dir2: -1, name: name, node: n})
	return nil
}

func (m *memFS) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, n, name, err := m.locked(path)
	if err != nil || n < 0 {
		return errors.Join(err, fs.ErrNotExist)
	}
	m.do(op{kind: opEntry, dir: d, dir2: -1, name: name, node: -1})
	return nil
}

func (m *memFS) List(path string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range m.nodes[n].entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (m *memFS) Lstat(path string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(path)
	return memInfo{m.nodes[n], len(m.nodes[n].data), m.nodes[n].clock}, err
}

func (m *memFS) SyncDir(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(path)
	if err == nil {
		m.do(op{kind: opSync, dir: -1, dir2: -1, node: n})
	}
	return err
}

type memLock struct {
	m    *memFS
	path string
}

func (l *memLock) Note([]byte) error { return nil }

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.m.locks[l.path] == l {
		delete(l.m.locks, l.path)
	}
	return nil
}

func (m *memFS) Lock(path string, _ bool) (lock, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[path] != nil {
		return nil, false, nil
	}
	l := &memLock{m, path}
	m.locks[path] = l
	return l, true, nil
}

type memFile struct {
	m *memFS
	n int
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	data := f.m.nodes[f.n].data
	n := 0
	if off < int64(len(data)) {
		n = copy(b, data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.do(op{kind: opWrite, dir: -1, dir2: -1, node: f.n, off: off, data: bytes.Clone(b)})
	return len(b), nil
}

func (f *memFile) Reserve(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.do(op{kind: opReserve, dir: -1, dir2: -1, node: f.n, off: size})
	return nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.do(op{kind: opSync, dir: -1, dir2: -1, node: f.n})
	return nil
}

func (f *memFile) Close() error { return nil }

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n := f.m.nodes[f.n]
	return memInfo{n, len(n.data), n.clock}, nil
}

type memInfo struct {
	n     *node
	size  int
	clock int
}

func (i memInfo) Name() string       { return "" }
func (i memInfo) Size() int64        { return int64(i.size) }
func (i memInfo) ModTime() time.Time { return time.Unix(int64(i.clock), 0) }
func (i memInfo) IsDir() bool        { return i.n.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.n.dir {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

var errInjected = errors.New("injected")

// faultFS fails the n-th operation that can fail, once or from then on.
type faultFS struct {
	fsys
	mu     sync.Mutex
	count  int
	at     int
	sticky bool
}

func (f *faultFS) hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	return f.count == f.at || (f.sticky && f.count > f.at)
}

func (f *faultFS) fail(do func() error) error {
	if f.hit() {
		return errInjected
	}
	return do()
}

func (f *faultFS) Open(p string) (file, error)   { return f.open(p, f.fsys.Open) }
func (f *faultFS) Create(p string) (file, error) { return f.open(p, f.fsys.Create) }
func (f *faultFS) open(p string, do func(string) (file, error)) (file, error) {
	if f.hit() {
		return nil, errInjected
	}
	in, err := do(p)
	return &faultFile{in, f}, err
}

func (f *faultFS) Mkdir(p string) error { return f.fail(func() error { return f.fsys.Mkdir(p) }) }

func (f *faultFS) Rename(a, b string) error {
	return f.fail(func() error { return f.fsys.Rename(a, b) })
}

func (f *faultFS) Link(a, b string) error { return f.fail(func() error { return f.fsys.Link(a, b) }) }

func (f *faultFS) Remove(p string) error { return f.fail(func() error { return f.fsys.Remove(p) }) }

func (f *faultFS) SyncDir(p string) error { return f.fail(func() error { return f.fsys.SyncDir(p) }) }

func (f *faultFS) List(p string) ([]string, error) {
	if f.hit() {
		return nil, errInjected
	}
	return f.fsys.List(p)
}

type faultFile struct {
	file
	f *faultFS
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	if f.f.hit() {
		return 0, errInjected
	}
	return f.file.ReadAt(b, off)
}

func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	if f.f.hit() {
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, errInjected
	}
	return f.file.WriteAt(b, off)
}
func (f *faultFile) Sync() error  { return f.f.fail(f.file.Sync) }
func (f *faultFile) Close() error { return f.f.fail(f.file.Close) }
func (f *faultFile) Reserve(n int64) error {
	return f.f.fail(func() error { return f.file.Reserve(n) })
}
