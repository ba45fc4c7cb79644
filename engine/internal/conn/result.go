package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
)

// results makes of the answers to one call what host.Host promises.
func results(ops []host.Op, first int, answers map[int]answer) ([]host.Result, error) {
	res := make([]host.Result, 0, len(ops))
	for i, op := range ops {
		a, ok := answers[first+i]
		if !ok {
			return res, fmt.Errorf("%w: %w", host.ErrLost, errMarker)
		}
		r, err := result(op, a)
		if err != nil {
			return res, err
		}
		res = append(res, r)
	}
	return res, nil
}

func result(op host.Op, a answer) (host.Result, error) {
	if a.out.word == "absent" {
		return host.Result{}, nil
	}
	code, err := status(a)
	if err != nil {
		return host.Result{}, err
	}
	failed := func(name, path string) error {
		if code == 0 {
			return nil
		}
		msg := message(a.err)
		if msg == "" {
			msg = fmt.Sprintf("status %d", code)
		}
		return &host.OpError{Op: name, Path: path, Msg: msg}
	}
	switch op := op.(type) {
	case host.ReadFile:
		if err := failed("read", op.Path); err != nil {
			return host.Result{}, err
		}
		f, err := file(op, a.out)
		return host.Result{File: f}, err
	case host.WriteFile:
		return host.Result{}, failed("write", op.Path)
	case host.MakeDir:
		return host.Result{}, failed("make directory", op.Path)
	case host.Remove:
		return host.Result{}, failed("remove", op.Path)
	case host.Query:
		return command(op.Argv, op.AnyExit, code, a)
	case host.Run:
		return command(op.Argv, op.AnyExit, code, a)
	case host.Restart:
		why := message(a.err)
		if why == "" {
			why = fmt.Sprintf("status %d", code)
		}
		return host.Result{}, fmt.Errorf("the machine refused to restart: %s", why)
	}
	return host.Result{}, fmt.Errorf("operation %T is not known", op)
}

// status is the exit status that a marker holds, or the word in its place.
func status(a answer) (int, error) {
	switch a.out.word {
	case "fenced":
		if msg := message(a.err); msg != "" {
			return 0, fmt.Errorf("%w (%s)", host.ErrFenced, msg)
		}
		return 0, host.ErrFenced
	case "interrupted":
		return 0, host.ErrInterrupted
	case "failed":
		return 0, fmt.Errorf("the machine could not start the command: %s", message(a.err))
	}
	code, err := strconv.Atoi(a.out.word)
	if err != nil || code < 0 || code > 255 {
		return 0, fmt.Errorf("%w: %w", host.ErrLost, errMarker)
	}
	return code, nil
}

func command(argv []string, anyExit bool, code int, a answer) (host.Result, error) {
	out := output(a, code)
	if code != 0 && !anyExit {
		return host.Result{}, &host.ExitError{Argv: argv, Output: out}
	}
	return host.Result{Output: out}, nil
}

func output(a answer, code int) host.Output {
	o := host.Output{Stdout: a.out.data, Stderr: a.err.data, Code: code, Truncated: a.out.truncated || a.err.truncated}
	if len(o.Stdout) > streamCap { // a larger file in the same frame raised the cap
		o.Stdout, o.Truncated = o.Stdout[:streamCap], true
	}
	return o
}

var errStat = errors.New("the machine's stat(1) gave something else than was asked for")

// file reads what the function file of shell.sh wrote.
func file(op host.ReadFile, out mark) (*host.File, error) {
	line, rest, ok := bytes.Cut(out.data, []byte{'\n'})
	fields := strings.Split(string(line), ":")
	if !ok || len(fields) != 6 {
		return nil, &host.OpError{Op: "read", Path: op.Path, Msg: errStat.Error()}
	}
	raw, err1 := strconv.ParseUint(fields[0], 16, 32)
	size, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil {
		return nil, &host.OpError{Op: "read", Path: op.Path, Msg: errStat.Error()}
	}
	f := &host.File{
		Path: op.Path, Kind: kind(raw), Mode: fileMode(raw), Size: size,
		Owner: named(fields[4], fields[2]), Group: named(fields[5], fields[3]),
	}
	limit := limitOf(op)
	switch {
	case f.Kind == host.KindSymlink:
		f.Target = string(rest)
	case f.Kind == host.KindDir && op.List:
		if out.truncated {
			return nil, &host.OpError{Op: "read", Path: op.Path, Msg: "it holds more names than kplan reads"}
		}
		f.Entries = entries(rest)
	case f.Kind == host.KindFile && size > limit:
		sum, _, _ := strings.Cut(string(rest), " ")
		if f.SHA256 = strings.TrimPrefix(sum, `\`); len(f.SHA256) != 64 {
			return nil, &host.OpError{Op: "read", Path: op.Path, Msg: "the machine's sha256sum(1) gave no digest"}
		}
	case f.Kind == host.KindFile:
		// A file of /proc has size 0, and one may grow while it is read.
		if int64(len(rest)) > limit {
			return nil, &host.OpError{Op: "read", Path: op.Path, Msg: fmt.Sprintf("it is larger than %d bytes, and than it says", limit)}
		}
		f.Content = append([]byte{}, rest...)
	}
	return f, nil
}

func entries(b []byte) []string {
	names := strings.Split(string(b), "\x00")
	names = names[:len(names)-1]
	slices.Sort(names)
	return names
}

// named is the name of an owner, or the number where stat(1) knows no name.
func named(name, number string) string {
	if name == "UNKNOWN" || name == "" {
		return number
	}
	return name
}

// kind and fileMode read st_mode, inode(7).
func kind(raw uint64) host.Kind {
	switch raw & 0xf000 {
	case 0x8000:
		return host.KindFile
	case 0x4000:
		return host.KindDir
	case 0xa000:
		return host.KindSymlink
	}
	return host.KindOther
}

func fileMode(raw uint64) fs.FileMode {
	m := fs.FileMode(raw & 0o777)
	if raw&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if raw&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if raw&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}
