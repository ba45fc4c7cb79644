package linux

import (
	"context"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var symlink = resource.Define[Symlink]("symlink")

// Symlink is a symbolic link: where it points.
//
// Its directory must be there; what it points to need not be. A target that
// does not begin with a slash is taken from the link's directory. Another link
// at the path is replaced in one step, so that the path is never missing; a
// file or directory there is an error, and stays. Delete removes the link, and
// never what it points to.
//
//	resource "symlink" "java" {
//	  on     = hosts
//	  path   = "/opt/java"
//	  target = "/opt/jdk-21.0.5"
//	}
type Symlink struct {
	Path   string `cty:"path" kplan:"id"`         // absolute
	Target string `cty:"target" kplan:"required"` // absolute, or from the link's directory
}

// Validate implements resource.Validator.
func (s Symlink) Validate(unknown func(string) bool) error {
	if !unknown("path") {
		if err := checkPath("path", s.Path); err != nil {
			return err
		}
		if s.Path == "/" {
			return &resource.FieldError{Field: "path", Msg: "The root directory cannot be a link. Write the path of a link in it."}
		}
	}
	if !unknown("target") && (s.Target == "" || strings.ContainsAny(s.Target, "\x00\n")) {
		return &resource.FieldError{Field: "target", Msg: fmt.Sprintf("%q is no target of a link. Write a path on one line, such as \"/opt/jdk-21.0.5\".", s.Target)}
	}
	return nil
}

// Claims implements resource.Claimer.
func (s Symlink) Claims() []string { return []string{"path " + s.Path} }

// Read makes one call.
func (s Symlink) Read(ctx context.Context, h host.Host) (*Symlink, error) {
	files, err := host.Read(ctx, h, s.Path)
	if err != nil || files[0] == nil {
		return nil, err
	}
	if files[0].Kind != host.KindSymlink {
		return nil, &host.OpError{Op: "manage the link", Path: s.Path, Msg: "a " + describeKind(files[0]) + " stands there"}
	}
	return &Symlink{Path: s.Path, Target: files[0].Target}, nil
}

// Apply makes one call. Without a link to replace, ln(1) refuses whatever came
// to the path meanwhile; with one, it renames a new link over it.
func (s Symlink) Apply(ctx context.Context, h host.Host, prior *Symlink) error {
	_, err := host.Exec(ctx, h, "ln", either(prior == nil, "-sT", "-sfT"), "--", s.Target, s.Path)
	return err
}

// Delete implements resource.Deleter.
func (s Symlink) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: s.Path})
	return err
}
