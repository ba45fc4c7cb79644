package linux

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// special are the bits of chmod(1) above the permissions.
var special = []struct {
	bit  uint64
	mode fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// parseMode reads a mode that checkMode has accepted.
func parseMode(s string) fs.FileMode {
	bits, _ := strconv.ParseUint(s, 8, 12)
	mode := fs.FileMode(bits) & fs.ModePerm
	for _, s := range special {
		if bits&s.bit != 0 {
			mode |= s.mode
		}
	}
	return mode
}

// formatMode writes a mode as four octal digits.
func formatMode(m fs.FileMode) string {
	bits := uint64(m & fs.ModePerm)
	for _, s := range special {
		if m&s.mode != 0 {
			bits |= s.bit
		}
	}
	return fmt.Sprintf("%04o", bits)
}

var fourDigits = regexp.MustCompile(`^[0-7]{4}$`)

// checkMode accepts four octal digits. HCL has no octal numbers: a bare 0644
// arrives as "644".
func checkMode(field string, mode *string) error {
	if mode == nil || fourDigits.MatchString(*mode) {
		return nil
	}
	msg := fmt.Sprintf("%q is no mode. Write four octal digits in quotes, such as \"0644\".", *mode)
	if regexp.MustCompile(`^[0-7]{3}$`).MatchString(*mode) {
		msg = fmt.Sprintf("The mode %q has three digits. Write %q, with the quotes.", *mode, "0"+*mode)
	}
	return &resource.FieldError{Field: field, Msg: msg}
}

// checkPath accepts a clean absolute path: one spelling of each, so that two
// owners of a path are found.
func checkPath(field, p string) error {
	switch clean := path.Clean(p); {
	case strings.ContainsAny(p, "\x00\n"):
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf("The path %q holds a line break or a null character. Write a path of one line.", p)}
	case p == "":
		return &resource.FieldError{Field: field, Msg: "The path is empty. Write it from the root, such as \"/etc/motd\"."}
	case !path.IsAbs(p):
		from := either(strings.Contains(p, "/"), "/", "/etc")
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf("The path %q is not absolute. Write it from the root, such as %q.", p, path.Join(from, path.Clean("/"+p)))}
	case clean != p:
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf("The path %q has a shorter spelling. Write %q.", p, clean)}
	}
	return nil
}

// checkName accepts the name or number of a user or group.
func checkName(field string, name *string) error {
	if name == nil || *name != "" && !strings.ContainsAny(*name, ": \t\n/") && (*name)[0] != '-' {
		return nil
	}
	return &resource.FieldError{Field: field, Msg: fmt.Sprintf("%q is no name of a user or group. Write a name such as \"root\", or a number such as \"1000\".", *name)}
}

func isNumber(name *string) bool {
	if name == nil {
		return false
	}
	_, err := strconv.ParseUint(*name, 10, 32)
	return err == nil
}

// readOwned reads what stands at p in one call. An owner that is wanted as a
// number is given as a number, even where the machine has a name for it.
func readOwned(ctx context.Context, h host.Host, read host.ReadFile, owner, group *string) (*host.File, error) {
	ops := []host.Op{read}
	if isNumber(owner) || isNumber(group) {
		ops = append(ops, host.Query{Argv: []string{"stat", "-c", "%u %g", "--", read.Path}, AnyExit: true})
	}
	res, err := h.Do(ctx, ops...)
	if err != nil || res[0].File == nil {
		return nil, err
	}
	f := res[0].File
	if len(ops) == 2 && res[1].Output.Code == 0 {
		uid, gid, _ := strings.Cut(strings.TrimSpace(string(res[1].Output.Stdout)), " ")
		if isNumber(owner) {
			f.Owner = uid
		}
		if isNumber(group) {
			f.Group = gid
		}
	}
	return f, nil
}

// describeKind is what stands at a path, in words.
func describeKind(f *host.File) string {
	switch f.Kind {
	case host.KindSymlink:
		return "symbolic link to " + f.Target
	case host.KindOther:
		return "device, pipe or socket"
	}
	return string(f.Kind)
}
