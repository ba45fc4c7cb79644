package linux

import (
	"context"
	"unicode/utf8"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var file = resource.Define[File]("file")

// File is a regular file: what is in it, who owns it, who may read it.
//
// It is written whole and atomically. Its directory must be there; make it with
// a directory resource. A new file is empty, of root, with mode 0644, where the
// block does not say otherwise; of one that is there, what the block does not
// set stays as it is. A symbolic link at the path is replaced by the file; a
// directory there is an error. Delete removes the file.
//
//	resource "file" "motd" {
//	  on      = hosts
//	  path    = "/etc/motd"
//	  content = "Managed by kplan.\n"
//	  mode    = "0644"
//	}
type File struct {
	Path             string  `cty:"path" kplan:"id"`                                 // absolute
	Content          *string `cty:"content"`                                         // text; of a file of the spec: file("motd")
	SensitiveContent *string `cty:"sensitive_content" kplan:"sensitive,for=content"` // instead of content, never shown
	Owner            *string `cty:"owner"`                                           // name, or number in quotes
	Group            *string `cty:"group"`                                           // name, or number in quotes
	Mode             *string `cty:"mode"`                                            // four octal digits in quotes: "0644"
}

// Validate implements resource.Validator.
func (f File) Validate(unknown func(string) bool) error {
	if !unknown("path") {
		if err := checkPath("path", f.Path); err != nil {
			return err
		}
	}
	if f.Content != nil && f.SensitiveContent != nil { // a message about what is sensitive would not be shown
		return &resource.FieldError{Field: "content", Msg: "Both content and sensitive_content are set. Write one of them."}
	}
	if err := checkName("owner", f.Owner); err != nil {
		return err
	}
	if err := checkName("group", f.Group); err != nil {
		return err
	}
	return checkMode("mode", f.Mode)
}

// Claims implements resource.Claimer.
func (f File) Claims() []string { return []string{"path " + f.Path} }

// wanted is the content that the file is to have; nil where it is not managed.
func (f File) wanted() *string {
	if f.SensitiveContent != nil {
		return f.SensitiveContent
	}
	return f.Content
}

// Read makes one call. Content is read where it is managed only: what else is
// in a file may be a secret. It is null where it is no text, or larger than
// wanted and than host.DefaultLimit.
func (f File) Read(ctx context.Context, h host.Host) (*File, error) {
	read := host.ReadFile{Path: f.Path}
	want := f.wanted()
	if want != nil {
		read.Limit = max(host.DefaultLimit, int64(len(*want)))
	}
	found, err := readOwned(ctx, h, read, f.Owner, f.Group)
	if err != nil || found == nil {
		return nil, err
	}
	if found.Kind == host.KindSymlink && want != nil {
		return &File{Path: f.Path}, nil // mode and owner of a link say nothing
	}
	if found.Kind != host.KindFile {
		return nil, &host.OpError{Op: "manage the file", Path: f.Path, Msg: "a " + describeKind(found) + " stands there"}
	}
	mode := formatMode(found.Mode)
	got := &File{Path: f.Path, Owner: &found.Owner, Group: &found.Group, Mode: &mode}
	if want != nil && found.Content != nil && utf8.Valid(found.Content) {
		text := string(found.Content)
		if f.SensitiveContent != nil {
			got.SensitiveContent = &text
		} else {
			got.Content = &text
		}
	}
	return got, nil
}

// Apply makes one call.
func (f File) Apply(ctx context.Context, h host.Host, prior *File) error {
	want := f.wanted()
	if prior == nil {
		prior = &File{}
		if want == nil {
			want = new(string)
		}
	}
	have := prior.wanted()
	if want != nil && (have == nil || *have != *want) {
		_, err := h.Do(ctx, host.WriteFile{
			Path: f.Path, Content: []byte(*want), Mode: parseMode(or("0644", f.Mode, prior.Mode)),
			Owner: or("root", f.Owner, prior.Owner), Group: or("root", f.Group, prior.Group),
		})
		return err
	}
	_, err := h.Do(ctx, changeOwned(f, prior)...)
	return err
}

// changeOwned gives the file another owner and mode. The mode comes last, since
// chown(2) takes setuid and setgid away.
func changeOwned(want File, prior *File) []host.Op {
	var ops []host.Op
	owner, group := or("", want.Owner, prior.Owner), or("", want.Group, prior.Group)
	if owner != or("", prior.Owner) || group != or("", prior.Group) {
		ops = append(ops, host.Run{Argv: []string{"chown", "--", owner + ":" + group, want.Path}})
	}
	return append(ops, host.Run{Argv: []string{"chmod", "--", or("0644", want.Mode, prior.Mode), want.Path}})
}

// Delete implements resource.Deleter.
func (f File) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: f.Path})
	return err
}
