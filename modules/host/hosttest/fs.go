package hosttest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// What the kernel says, as coreutils print it.
const (
	noEntry    = "No such file or directory"
	notDir     = "Not a directory"
	isDir      = "Is a directory"
	notEmpty   = "Directory not empty"
	fileExists = "File exists"
	notAllowed = "Operation not permitted"
)

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// node is a file, directory or symbolic link. Owners are numbers, as on disk.
type node struct {
	kind     host.Kind
	mode     fs.FileMode
	uid, gid int
	content  []byte
	target   string
	proc     bool // of /proc: written by commands only
}

// tree is a file system: nodes by clean absolute path.
type tree map[string]*node

// find is the clean path at which p stands once the symbolic links in its
// directories are followed, and the node there. A last element that is a link
// is followed if follow is set. The reason is noEntry or notDir where a
// directory on the way is missing.
func (t tree) find(p string, follow bool) (clean string, n *node, reason string) {
	parts := strings.Split(strings.Trim(path.Clean(p), "/"), "/")
	clean = "/"
	for hops := 0; len(parts) > 0; {
		if parts[0] == "" || parts[0] == "." {
			parts = parts[1:]
			continue
		}
		dir := t[clean]
		if dir == nil {
			return clean, nil, noEntry
		}
		if dir.kind != host.KindDir {
			return clean, nil, notDir
		}
		next := path.Join(clean, parts[0])
		parts = parts[1:]
		n := t[next]
		if n == nil || n.kind != host.KindSymlink || (len(parts) == 0 && !follow) {
			clean = next
			continue
		}
		if hops++; hops > 40 {
			return next, nil, "Too many levels of symbolic links"
		}
		target := n.target
		if !path.IsAbs(target) {
			target = path.Join(clean, target)
		}
		parts = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), parts...)
		clean = "/"
	}
	return clean, t[clean], ""
}

func (t tree) entries(dir string) []string {
	names := []string{}
	for p := range t {
		if p != "/" && path.Dir(p) == dir {
			names = append(names, path.Base(p))
		}
	}
	slices.Sort(names)
	return names
}

// idOf is the number of a user or group by the passwd(5) or group(5) database
// in content; numbers stand for themselves, and "" is root.
func idOf(name string, content []byte) (int, bool) {
	if name == "" {
		return 0, true
	}
	for line := range strings.Lines(string(content)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) > 2 && f[0] == name {
			id, err := strconv.Atoi(f[2])
			return id, err == nil
		}
	}
	id, err := strconv.Atoi(name)
	return id, err == nil && id >= 0
}

// nameOf is the name of a number by the same databases, or the number.
func nameOf(id int, content []byte) string {
	for line := range strings.Lines(string(content)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) > 2 && f[2] == strconv.Itoa(id) {
			return f[0]
		}
	}
	return strconv.Itoa(id)
}

func (m *Machine) database(p string) []byte {
	if n := m.tree[p]; n != nil {
		return n.content
	}
	return nil
}

func (m *Machine) owner(op, p, user, group string) (uid, gid int, err error) {
	uid, ok := idOf(user, m.database("/etc/passwd"))
	if !ok {
		return 0, 0, &host.OpError{Op: op, Path: p, Msg: "invalid user: '" + user + "'"}
	}
	gid, ok = idOf(group, m.database("/etc/group"))
	if !ok {
		return 0, 0, &host.OpError{Op: op, Path: p, Msg: "invalid group: '" + group + "'"}
	}
	return uid, gid, nil
}

func (m *Machine) readFile(op host.ReadFile) *host.File {
	clean, n, _ := m.tree.find(op.Path, false)
	if n == nil {
		return nil
	}
	f := &host.File{
		Path: op.Path, Kind: n.kind, Mode: n.mode, Target: n.target, Size: int64(len(n.content)),
		Owner: nameOf(n.uid, m.database("/etc/passwd")), Group: nameOf(n.gid, m.database("/etc/group")),
	}
	limit := op.Limit
	if limit == 0 {
		limit = host.DefaultLimit
	}
	switch {
	case n.kind == host.KindFile && f.Size > limit:
		sum := sha256.Sum256(n.content)
		f.SHA256 = hex.EncodeToString(sum[:])
	case n.kind == host.KindFile:
		f.Content = append([]byte{}, n.content...)
	case n.kind == host.KindDir && op.List:
		f.Entries = m.tree.entries(clean)
	}
	return f
}

func (m *Machine) writeFile(op host.WriteFile) error {
	refuse := func(msg string) error { return &host.OpError{Op: "write", Path: op.Path, Msg: msg} }
	dir, parent, reason := m.tree.find(path.Dir(op.Path), true)
	switch {
	case reason != "":
		return refuse(reason)
	case parent == nil:
		return refuse(noEntry)
	case parent.kind != host.KindDir:
		return refuse(notDir)
	}
	uid, gid, err := m.owner("write", op.Path, op.Owner, op.Group)
	if err != nil {
		return err
	}
	p := path.Join(dir, path.Base(op.Path))
	if old := m.tree[p]; old != nil && old.kind == host.KindDir {
		return refuse(isDir)
	} else if old != nil && old.proc {
		return refuse(notAllowed)
	}
	m.tree[p] = &node{kind: host.KindFile, mode: op.Mode & modeBits, uid: uid, gid: gid, content: append([]byte{}, op.Content...)}
	return nil
}

func (m *Machine) makeDir(op host.MakeDir) error {
	refuse := func(msg string) error { return &host.OpError{Op: "make directory", Path: op.Path, Msg: msg} }
	clean, n, reason := m.tree.find(op.Path, false)
	if reason != "" {
		return refuse(reason)
	}
	if parent := m.tree[path.Dir(clean)]; parent == nil {
		return refuse(noEntry)
	} else if parent.kind != host.KindDir {
		return refuse(notDir)
	}
	if n != nil && n.kind != host.KindDir {
		return refuse(fileExists)
	}
	uid, gid, err := m.owner("make directory", op.Path, op.Owner, op.Group)
	if err != nil {
		return err
	}
	m.tree[clean] = &node{kind: host.KindDir, mode: op.Mode & modeBits, uid: uid, gid: gid}
	return nil
}

func (m *Machine) remove(p string) error {
	clean, n, _ := m.tree.find(p, false)
	if n == nil {
		return nil
	}
	if n.kind == host.KindDir && len(m.tree.entries(clean)) > 0 {
		return &host.OpError{Op: "remove", Path: p, Msg: notEmpty}
	}
	if n.proc {
		return &host.OpError{Op: "remove", Path: p, Msg: notAllowed}
	}
	delete(m.tree, clean)
	return nil
}
