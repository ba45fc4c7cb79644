package linux

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var line = resource.Define[Line]("line", resource.Merges)

// Line is one line of a file, found by a regular expression; the rest of the
// file, its owner and its mode stay.
//
// The last line that matches becomes the line; earlier ones that match stay.
// Where none matches, the line is put at the end. The new line is to match, too,
// so that it is found again; anchor the expression with ^ so that it finds
// nothing else. The file must be there when the step comes: a line never makes
// one. A file resource with content at the path would take the line away again.
// Delete removes all lines that match.
//
//	resource "line" "umask" {
//	  on    = hosts
//	  path  = "/etc/login.defs"
//	  match = "^UMASK\\s"
//	  line  = "UMASK 027"
//	}
type Line struct {
	Path  string `cty:"path" kplan:"id"`       // absolute
	Match string `cty:"match" kplan:"id"`      // regular expression (RE2), for some part of the line
	Line  string `cty:"line" kplan:"required"` // the whole line, without its end
}

// Validate implements resource.Validator.
func (l Line) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	if !unknown("path") {
		if err := checkPath("path", l.Path); err != nil {
			return err
		}
	}
	if !unknown("line") && strings.ContainsAny(l.Line, "\r\n\x00") {
		return bad("line", "The line %q holds a line break or a null character. Write one resource for each line.", l.Line)
	}
	if unknown("match") {
		return nil
	}
	match, err := regexp.Compile(l.Match)
	switch {
	case err != nil:
		return bad("match", "%q is no regular expression: %s. Write one as RE2 has it, such as \"^UMASK\\\\s\".", l.Match, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	case match.MatchString(""):
		return bad("match", "%q matches an empty line. Write an expression for the one line that is meant, such as \"^UMASK\\\\s\".", l.Match)
	case !unknown("line") && !match.MatchString(l.Line):
		return bad("line", "%q does not match %q, so it would be put into the file again and again. Write a line that does, or another expression.", l.Line, l.Match)
	}
	return nil
}

// Claims implements resource.Claimer. Other lines of the file may be others'.
func (l Line) Claims() []string { return []string{"line " + l.Path + " " + l.Match} }

// maxLineFile is how large a file may be that a line of is managed, in bytes.
const maxLineFile = 16 << 20

// open reads the file in one call; nil where there is none.
func (l Line) open(ctx context.Context, h host.Host) (*host.File, error) {
	res, err := h.Do(ctx, host.ReadFile{Path: l.Path, Limit: maxLineFile})
	switch {
	case err != nil || res[0].File == nil:
		return nil, err
	case res[0].File.Kind != host.KindFile:
		return nil, l.refuse("a " + describeKind(res[0].File) + " stands there")
	case res[0].File.Content == nil:
		return nil, l.refuse("it is larger than 16 MiB")
	}
	return res[0].File, nil
}

func (l Line) refuse(msg string) error {
	return &host.OpError{Op: "manage a line of", Path: l.Path, Msg: msg}
}

// Read makes one call.
func (l Line) Read(ctx context.Context, h host.Host) (*Line, error) {
	file, err := l.open(ctx, h)
	if err != nil || file == nil {
		return nil, err
	}
	line, found := parseLines(string(file.Content)).find(regexp.MustCompile(l.Match))
	if !found {
		return nil, nil
	}
	return &Line{Path: l.Path, Match: l.Match, Line: line}, nil
}

// Apply makes two calls, since the other lines are kept.
func (l Line) Apply(ctx context.Context, h host.Host, _ *Line) error {
	file, err := l.open(ctx, h)
	if err != nil {
		return err
	}
	if file == nil {
		return l.refuse("there is no such file; let a file or package resource bring it, and depend on that")
	}
	return l.write(ctx, h, file, parseLines(string(file.Content)).with(regexp.MustCompile(l.Match), l.Line))
}

func (l Line) write(ctx context.Context, h host.Host, file *host.File, text textLines) error {
	_, err := h.Do(ctx, host.WriteFile{
		Path: l.Path, Content: []byte(text.String()), Mode: file.Mode, Owner: file.Owner, Group: file.Group,
	})
	return err
}

// Delete implements resource.Deleter.
func (l Line) Delete(ctx context.Context, h host.Host) error {
	file, err := l.open(ctx, h)
	if err != nil || file == nil {
		return err
	}
	return l.write(ctx, h, file, parseLines(string(file.Content)).without(regexp.MustCompile(l.Match)))
}
