package linux

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var directory = resource.Define[Directory]("directory")

// Directory is a directory: that it is there, who owns it, who may enter it.
//
// Its parent must be there; make it with a directory resource of its own. A new
// one is of root, with mode 0755, where the block does not say otherwise. What
// is in it is not managed. Delete removes it when it is empty; where something
// stays in it that the plan does not delete, it is forgotten instead.
//
//	resource "directory" "etcd" {
//	  on   = role.control-plane
//	  path = "/var/lib/etcd"
//	  mode = "0700"
//	}
type Directory struct {
	Path    string   `cty:"path" kplan:"id"`                  // absolute
	Owner   *string  `cty:"owner"`                            // name, or number in quotes
	Group   *string  `cty:"group"`                            // name, or number in quotes
	Mode    *string  `cty:"mode"`                             // four octal digits in quotes: "0755"
	Entries []string `cty:"entries" kplan:"computed,passing"` // names in it, the first hundred
}

// maxEntries bounds what a record holds of a large directory.
const maxEntries = 100

// Validate implements resource.Validator.
func (d Directory) Validate(unknown func(string) bool) error {
	if !unknown("path") {
		if err := checkPath("path", d.Path); err != nil {
			return err
		}
		if d.Path == "/" {
			return &resource.FieldError{Field: "path", Msg: "The root directory is always there. Write the path of a directory in it."}
		}
	}
	if err := checkName("owner", d.Owner); err != nil {
		return err
	}
	if err := checkName("group", d.Group); err != nil {
		return err
	}
	return checkMode("mode", d.Mode)
}

// Claims implements resource.Claimer.
func (d Directory) Claims() []string { return []string{"path " + d.Path} }

// Read makes one call.
func (d Directory) Read(ctx context.Context, h host.Host) (*Directory, error) {
	found, err := readOwned(ctx, h, host.ReadFile{Path: d.Path, List: true}, d.Owner, d.Group)
	if err != nil || found == nil {
		return nil, err
	}
	if found.Kind != host.KindDir {
		return nil, &host.OpError{Op: "manage the directory", Path: d.Path, Msg: "a " + describeKind(found) + " stands there"}
	}
	mode := formatMode(found.Mode)
	got := &Directory{Path: d.Path, Owner: &found.Owner, Group: &found.Group, Mode: &mode, Entries: found.Entries}
	if len(got.Entries) > maxEntries {
		got.Entries = append(got.Entries[:maxEntries:maxEntries], "…")
	}
	return got, nil
}

// Apply makes one call.
func (d Directory) Apply(ctx context.Context, h host.Host, prior *Directory) error {
	if prior == nil {
		prior = &Directory{}
	}
	_, err := h.Do(ctx, host.MakeDir{
		Path: d.Path, Mode: parseMode(or("0755", d.Mode, prior.Mode)),
		Owner: or("root", d.Owner, prior.Owner), Group: or("root", d.Group, prior.Group),
	})
	return err
}

// Delete implements resource.Deleter.
func (d Directory) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: d.Path})
	return err
}

// Keeps implements resource.Keeper: rmdir(2) needs an empty directory.
func (d Directory) Keeps(o resource.Outlook) string {
	var stay []string
	for _, name := range d.Entries {
		if !o.Deleted("path " + path.Join(d.Path, name)) {
			stay = append(stay, name)
		}
	}
	if claimed := o.Claimed("path " + d.Path + "/"); claimed != "" && len(stay) == 0 {
		stay = append(stay, strings.TrimPrefix(claimed, "path "+d.Path+"/"))
	}
	switch len(stay) {
	case 0:
		return ""
	case 1:
		return stay[0] + " stays in it"
	case 2:
		return stay[0] + " and " + stay[1] + " stay in it"
	}
	return fmt.Sprintf("%s, %s and %d more stay in it", stay[0], stay[1], len(stay)-2)
}
