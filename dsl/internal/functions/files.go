package functions

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"
)

// The limits of what one module reads.
const (
	MaxFile  = 1 << 20  // bytes of one file
	MaxFiles = 16 << 20 // bytes of all files
	maxNames = 100_000  // entries that fileset looks at
)

var (
	errOutside    = errors.New("the path leads outside the spec's directory")
	errAbsolute   = errors.New("the path is absolute. " + relative)
	errNotRegular = errors.New("the path names what is not a regular file")
	errNotText    = errors.New("it is no text in UTF-8")
	errNoFile     = errors.New("there is no such file")
	errListed     = errors.New("the plan holds its name alone, since nothing read the file when it was made")
	errClosed     = errors.New("no function reads values of variables or the state, which may hold secrets")
)

// relative is what a path is, and what to do with a file that has none such.
const relative = "A path is written from the directory of the spec or module that it stands in, such as files/motd.txt; a file that is elsewhere has to be copied there"

// valuesSuffix of the files that hold values of variables.
const valuesSuffix = ".kplanvars.hcl"

// Files is the files that the functions of one module may read: those below
// its directory, or those that a saved plan recorded. Several goroutines may
// use it.
type Files struct {
	root *os.Root // nil where the files are recorded
	// Files and directories that no function reads or lists; files of values are
	// so wherever they are.
	closed []string
	names  []string // of recorded files: all that listings found, sorted

	mu     sync.Mutex
	read   map[string]*File // by path; of a plan's, also those not read yet
	listed map[string]bool  // by path
	total  int
}

// File is one file that was read.
type File struct {
	Path    string // relative to the directory of the module, with slashes
	Content []byte
	Secret  bool // every use was in a sensitive value
	used    bool
}

// OpenFiles is the files below the directory dir. Close it.
func OpenFiles(dir string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Files{root: root, read: map[string]*File{}, listed: map[string]bool{}}, nil
}

// RecordedFiles is files by path, as a saved plan or a module inside the binary
// holds them. names are those that Listed gives: there may be more than have
// content, and fewer.
func RecordedFiles(content map[string][]byte, names []string) *Files {
	f := &Files{read: map[string]*File{}, names: slices.Sorted(slices.Values(names)), listed: map[string]bool{}}
	for name, b := range content {
		f.read[name] = &File{Path: name, Content: b}
	}
	return f
}

// Close ends the reading of files; what was read stays.
func (f *Files) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// CloseOff keeps functions from reading and listing what is at or below the
// path name, which is relative and clean. It is to be called before any does.
func (f *Files) CloseOff(name string) { f.closed = append(f.closed, name) }

// isClosed reports whether no function may read or list name.
func (f *Files) isClosed(name string) bool {
	return strings.HasSuffix(name, valuesSuffix) || slices.ContainsFunc(f.closed, func(c string) bool {
		return name == c || strings.HasPrefix(name, c+"/")
	})
}

// Listed is the paths that listings have found so far, sorted. A directory in
// which one found nothing is among them, with a slash behind it, so that it is
// known to be there.
func (f *Files) Listed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.listed))
}

// found notes that a listing has the path name.
func (f *Files) found(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed[name] = true
}

// Read is the files that functions have read so far, by path.
func (f *Files) Read() []File {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []File
	for _, file := range f.read {
		if file.used {
			out = append(out, *file)
		}
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// content is what the file name holds; fresh, if it was not read before. The
// use is secret if the value that it becomes is.
func (f *Files) content(name string, secret bool) (content []byte, fresh bool, err error) {
	clean, err := local(name)
	if err != nil {
		return nil, false, err
	}
	if f.isClosed(clean) {
		return nil, false, errClosed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file := f.read[clean]
	if file == nil {
		b, err := f.open(clean)
		if err != nil {
			return nil, false, hinted(err, name)
		}
		if f.total += len(b); f.total > MaxFiles {
			return nil, false, errors.New("the files of the spec hold more than 16 MiB together")
		}
		file = &File{Path: clean, Content: b}
		f.read[clean] = file
	}
	fresh = !file.used
	file.Secret = secret && (fresh || file.Secret)
	file.used = true
	return file.Content, fresh, nil
}

// local is name without detours, which lead nowhere but below the directory.
func local(name string) (string, error) {
	if name == "" {
		return "", errNotRegular
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("%w: its name holds a control character", errNotRegular)
	}
	if path.IsAbs(name) {
		return "", errAbsolute
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", errOutside
	}
	return path.Clean(filepath.ToSlash(name)), nil
}

// hinted is err with what to do about a name that is one elsewhere.
func hinted(err error, name string) error {
	switch {
	case !errors.Is(err, errNoFile):
	case strings.HasPrefix(name, "~"):
		return fmt.Errorf("%w, and ~ is no home directory here. %s", err, relative)
	case strings.Contains(name, "://"):
		return fmt.Errorf("%w, and no file is read from the network. Fetch it and keep it beside the spec, such as in files/motd.txt", err)
	}
	return err
}

// open reads a file from the directory. It does not open what is not a regular
// file, of which some would never be read to an end; and opens what it found to
// be one without waiting, since that can be another by then.
func (f *Files) open(name string) ([]byte, error) {
	if f.root == nil {
		if _, listed := slices.BinarySearch(f.names, name); listed {
			return nil, errListed
		}
		return nil, errNoFile
	}
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, reason(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = file.Close() }() // read only
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if info.Size() > MaxFile {
		return nil, errors.New("the file is larger than 1 MiB")
	}
	b, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, reason(err)
	case len(b) > MaxFile:
		return nil, errors.New("the file is larger than 1 MiB")
	}
	return b, nil
}

// reason is why a file cannot be read, without the path of the directory.
func reason(err error) error {
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errNoFile
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%w: its links lead in a circle", errNotRegular)
	case errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG):
		return errNotRegular
	case strings.Contains(err.Error(), "escapes from parent"): // os has no name for this error
		return errOutside
	case errors.As(err, &p):
		return p.Err
	}
	return err
}

// list is the paths of all regular files below dir that functions may read.
func (f *Files) list(dir string) ([]string, error) {
	if f.isClosed(dir) {
		return nil, errClosed
	}
	if f.root == nil {
		if i, _ := slices.BinarySearch(f.names, dir+"/"); dir != "." && (i == len(f.names) || !strings.HasPrefix(f.names[i], dir+"/")) {
			return nil, errors.New("there is no such directory")
		}
		return slices.DeleteFunc(slices.Clone(f.names), func(name string) bool { return f.isClosed(name) || strings.HasSuffix(name, "/") }), nil
	}
	info, err := f.root.Stat(dir)
	if err != nil {
		return nil, reason(err)
	}
	if !info.IsDir() {
		return nil, errors.New("the path is not a directory")
	}
	var out []string
	entries := 0
	err = fs.WalkDir(f.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return reason(err)
		}
		if f.isClosed(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entries++; entries > maxNames {
			return errors.New("the directory holds more than 100,000 files")
		}
		if d.Type().IsRegular() {
			out = append(out, name)
		}
		return nil
	})
	return out, err
}
