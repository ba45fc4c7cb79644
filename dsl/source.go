package dsl

import (
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

	"github.com/kplan/kplan/dsl/internal/functions"
)

// suffix of the files of a spec; varsSuffix of the files of variable values
// that are read unasked.
const (
	suffix     = ".kplan.hcl"
	varsSuffix = ".auto.kplanvars.hcl"

	valuesSuffix = ".kplanvars.hcl" // of all that hold such values
)

// maxFile bounds what is read of one file: one byte more than the parser takes.
const maxFile = 4<<20 + 1

// location is a directory of a spec: its own or that of a module.
type location struct {
	embedded bool   // within kplan itself
	path     string // slash-separated and clean; "." is the spec's directory
}

// file is the name of a file of the location, as ranges and bundles have it.
func (l location) file(name string) string {
	p := path.Join(l.path, name)
	if !l.embedded && strings.HasPrefix(p, "kplan/") {
		return "./" + p
	}
	return p
}

// within is the name in the location of a file that l.file names.
func (l location) within(shown string) (string, bool) {
	rel := strings.TrimPrefix(shown, "./")
	if l.path != "." {
		var ok bool
		if rel, ok = strings.CutPrefix(rel, l.path+"/"); !ok {
			return "", false
		}
	}
	return rel, l.file(rel) == shown
}

// join is the location that source names in a module at l.
func (l location) join(source string) (location, error) {
	if rest, ok := strings.CutPrefix(source, "kplan/"); ok {
		p := path.Clean(source)
		if rest == "" || p != source {
			return location{}, errors.New("a module of kplan's is written kplan/NAME")
		}
		return location{embedded: true, path: p}, nil
	}
	if source != "." && source != ".." && !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") {
		return location{}, errors.New("a source is a directory that begins with ./, or a module of kplan's such as kplan/kubernetes")
	}
	p := path.Join(l.path, source)
	if p == ".." || strings.HasPrefix(p, "../") || l.embedded && !strings.HasPrefix(p, "kplan/") {
		return location{}, errors.New("it is outside the spec's directory")
	}
	return location{embedded: l.embedded, path: p}, nil
}

// source is where the files of a spec and of its modules are.
type source interface {
	// list names the files in the location, sorted.
	list(location) ([]string, error)
	// read reads a file of the location.
	read(l location, name string) ([]byte, error)
	// functions is the files that functions in the module there may read;
	// secret says for values that are only used as sensitive ones.
	functions(l location, secret bool) (*functions.Files, error)
}

// disk is a source in a directory, and out of kplan itself.
type disk struct {
	dir      string
	root     *os.Root
	embedded fs.FS
}

func (d disk) fs(l location) (fs.FS, error) {
	if !l.embedded {
		return d.root.FS(), nil
	}
	if d.embedded == nil {
		return nil, fs.ErrNotExist
	}
	return d.embedded, nil
}

func (d disk) list(l location) ([]string, error) {
	files, err := d.fs(l)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(files, l.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func (d disk) read(l location, name string) ([]byte, error) {
	files, err := d.fs(l)
	if err != nil {
		return nil, err
	}
	return readRegular(files, path.Join(l.path, name))
}

func (d disk) functions(l location, _ bool) (*functions.Files, error) {
	if !l.embedded {
		return functions.OpenFiles(filepath.Join(d.dir, filepath.FromSlash(l.path)))
	}
	files, err := d.fs(l)
	if err != nil {
		return nil, err
	}
	content := map[string][]byte{}
	err = fs.WalkDir(files, l.path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, p)
		content[strings.TrimPrefix(p, l.path+"/")] = b
		return err
	})
	return functions.RecordedFiles(content, slices.Collect(maps.Keys(content))), err
}

// readRegular reads a regular file, and not more than a parser would take of
// it. It looks before it opens, since opening a pipe would wait.
func readRegular(files fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// specFiles is those of names that hold blocks.
func specFiles(names []string) []string {
	return only(names, func(n string) bool { return strings.HasSuffix(n, suffix) })
}

func only(names []string, keep func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.HasPrefix(n, ".") || !keep(n)
	})
}

// reason is what went wrong with a file, without the path that the message has
// already, and with the words of the language.
func reason(err error) string {
	if strings.Contains(err.Error(), "path escapes") {
		return "it is outside the spec's directory"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
