package conn

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// check refuses what cannot be sent as it is meant.
func check(ops []host.Op, readOnly bool) error {
	for _, op := range ops {
		if op.Acts() && readOnly {
			return host.ErrReadOnly
		}
		if run, ok := op.(host.Run); ok && run.Detached && len(ops) > 1 {
			return errors.New("a detached operation must be alone in its call; this is a bug in kplan")
		}
		if _, ok := op.(host.Restart); ok && len(ops) > 1 {
			return errors.New("a restart must be alone in its call; this is a bug in kplan")
		}
		if err := checkOp(op); err != nil {
			return err
		}
	}
	return nil
}

func checkOp(op host.Op) error {
	switch op := op.(type) {
	case host.ReadFile:
		return checkPath("read", op.Path)
	case host.Query:
		return checkArgv(op.Argv)
	case host.WriteFile:
		return errors.Join(checkPath("write", op.Path), checkOwner("write", op.Path, op.Owner, op.Group))
	case host.MakeDir:
		return errors.Join(checkPath("make directory", op.Path), checkOwner("make directory", op.Path, op.Owner, op.Group))
	case host.Remove:
		return checkPath("remove", op.Path)
	case host.Run:
		return checkRun(op)
	case host.Restart:
		return nil
	default:
		return fmt.Errorf("operation %T is not known to the connection; this is a bug in kplan", op)
	}
}

func checkPath(op, path string) error {
	if !strings.HasPrefix(path, "/") {
		return &host.OpError{Op: op, Path: path, Msg: "the path is not absolute"}
	}
	if strings.ContainsRune(path, 0) {
		return &host.OpError{Op: op, Path: path, Msg: "the path holds a NUL"}
	}
	return nil
}

var account = regexp.MustCompile(`^[^-:\s\x00][^:\s\x00]*$`)

func checkOwner(op, path string, names ...string) error {
	for _, n := range names {
		if n != "" && !account.MatchString(n) {
			return &host.OpError{Op: op, Path: path, Msg: strconv.Quote(n) + " is no name of a user or group"}
		}
	}
	return nil
}

func checkArgv(argv []string) error {
	if len(argv) == 0 || argv[0] == "" {
		return errors.New("a command without a program; this is a bug in kplan")
	}
	// The shell's exec would take it for an option.
	if argv[0][0] == '-' {
		return errors.New("the name of a program begins with a dash")
	}
	return noNUL(argv...)
}

// envName is a name of POSIX (XBD 8.1), but not one of the shell program's.
var envName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]{2,})$`)

// kept are names that a shell does not let change, or would act upon.
var kept = map[string]bool{
	"UID": true, "EUID": true, "PPID": true, "BASHOPTS": true, "SHELLOPTS": true,
	"BASH_VERSINFO": true, "IFS": true, "OPTIND": true,
}

func checkRun(op host.Run) error {
	if err := checkArgv(op.Argv); err != nil {
		return err
	}
	for _, pair := range op.Env {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok:
			return errors.New("a pair of the environment has no =") // it may be a secret: not shown
		case !envName.MatchString(name) || kept[name]:
			return fmt.Errorf("%q cannot be set in the environment of a command", name)
		case strings.ContainsRune(value, 0):
			return fmt.Errorf("the environment's %s holds a NUL", name)
		}
	}
	if op.Dir != "" && op.Dir[0] != '/' {
		return fmt.Errorf("the working directory %q is not absolute", op.Dir)
	}
	if op.User != "" && !account.MatchString(op.User) {
		return fmt.Errorf("%q is no name of a user", op.User)
	}
	return noNUL(op.Dir)
}

func noNUL(words ...string) error {
	for _, w := range words {
		if strings.ContainsRune(w, 0) {
			return errors.New("an argument holds a NUL")
		}
	}
	return nil
}

// render appends op, which check has passed.
func (f *frame) render(op host.Op) {
	switch op := op.(type) {
	case host.ReadFile:
		limit := limitOf(op)
		f.limit = max(f.limit, int(limit)+metadataSize)
		f.op(false, fmt.Sprintf("file %s %d %s", quote(op.Path), limit, flag(op.List)))
	case host.Query:
		f.op(op.AnyExit, "query "+quoteAll(op.Argv...))
	case host.WriteFile:
		dir := op.Path[:strings.LastIndexByte(op.Path, '/')+1]
		f.op(false, strings.Join([]string{
			"write", quote(op.Path), quote(dir + ".kplan." + nonce()), mode(op.Mode),
			quote(op.Owner), quote(op.Group), f.body(op.Content),
		}, " "))
	case host.MakeDir:
		path := op.Path
		for len(path) > 1 && strings.HasSuffix(path, "/") {
			path = path[:len(path)-1]
		}
		f.op(false, strings.Join([]string{"dir", quote(path), mode(op.Mode), quote(op.Owner), quote(op.Group)}, " "))
	case host.Remove:
		f.op(false, "gone "+quote(op.Path))
	case host.Run:
		f.run(op)
	case host.Restart:
		f.op(false, "restart")
	}
	f.acts = f.acts || op.Acts()
}

// run appends an inline command: the environment's values and the input follow
// as bodies.
func (f *frame) run(op host.Run) {
	words := []string{"run", quote(workDir(op)), quote(op.User), "", strconv.Itoa(len(op.Env))}
	for _, pair := range op.Env {
		name, value, _ := strings.Cut(pair, "=")
		words = append(words, name, f.body([]byte(value)))
	}
	input := make([]byte, base64.StdEncoding.EncodedLen(len(op.Stdin)))
	base64.StdEncoding.Encode(input, op.Stdin)
	words[3] = f.body(input)
	f.op(op.AnyExit, strings.Join(words, " ")+" "+quoteAll(op.Argv...))
}

func workDir(op host.Run) string {
	if op.Dir == "" {
		return "/"
	}
	return op.Dir
}

func limitOf(op host.ReadFile) int64 {
	if op.Limit <= 0 {
		return host.DefaultLimit
	}
	return min(op.Limit, maxLimit)
}

const (
	maxLimit     = 1 << 30
	metadataSize = 4 << 10 // the line of stat before a file's content, and one byte more of that
)

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// mode is m in five octal digits: GNU chmod keeps the setgid bit of a directory
// where there are fewer (chmod(1)).
func mode(m fs.FileMode) string {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return fmt.Sprintf("%05o", bits)
}
