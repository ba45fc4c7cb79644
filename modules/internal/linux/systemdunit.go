package linux

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var systemdUnit = resource.Define[SystemdUnit]("systemd_unit", resource.Batches(applyUnits))

// SystemdUnit is a unit of systemd by its files: the unit itself, and drop-ins
// that change it.
//
// The unit is /etc/systemd/system/NAME, which comes before one of the same name
// that a package brought. Without content only the drop-ins in NAME.d are
// managed, and the unit may be anybody's. Drop-ins that kplan writes begin with
// "# Written by kplan."; one that is dropped from drop_ins goes, those of others
// stay. systemd reads its files again at once, and once for all units of a
// machine that wait for nothing more; files that it has not read yet count as
// empty. Whether the unit is enabled and runs is up to a service resource; with
// on_change it restarts. Delete removes what is managed, and leaves what runs
// running.
//
//	resource "systemd_unit" "kubelet" {
//	  on       = hosts
//	  name     = "kubelet.service"
//	  drop_ins = { "20-proxy.conf" = "[Service]\nEnvironment=NO_PROXY=10.0.0.0/8\n" }
//	}
type SystemdUnit struct {
	Name    string            `cty:"name" kplan:"id"` // of the unit; .service where it has no suffix
	Content *string           `cty:"content"`         // of the unit file
	DropIns map[string]string `cty:"drop_ins"`        // contents by file name, which ends with .conf
}

var dropInName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9:_.@-]*\.conf$`)

// Validate implements resource.Validator.
func (u SystemdUnit) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	if !unknown("name") {
		if err := checkUnit("name", u.Name); err != nil {
			return err
		}
	}
	switch {
	case u.Content != nil && strings.TrimSpace(*u.Content) == "":
		return bad("content", "The content is empty, which masks a unit. Leave it out for drop-ins only, or write a service resource with masked = true.")
	case u.Content == nil && len(u.DropIns) == 0 && !unknown("content") && !unknown("drop_ins"):
		return bad("content", "The unit has neither content nor drop-ins. Write content, drop_ins or both.")
	}
	for _, name := range dropIns(u.DropIns).names() {
		if !dropInName.MatchString(name) {
			return bad("drop_ins", "%q is no file name of a drop-in. Write one that ends with .conf, such as \"10-proxy.conf\".", name)
		}
	}
	return nil
}

func (u SystemdUnit) file() string { return "/etc/systemd/system/" + fullUnit(u.Name) }

func (u SystemdUnit) dir() string { return u.file() + ".d" }

// Claims implements resource.Claimer. Of two resources for one unit, each would
// take the other's drop-ins for some that were dropped.
func (u SystemdUnit) Claims() []string {
	claims := []string{"files of the unit " + fullUnit(u.Name)}
	if u.Content != nil {
		claims = append(claims, "path "+u.file())
	}
	for _, name := range dropIns(u.DropIns).names() {
		claims = append(claims, "path "+path.Join(u.dir(), name))
	}
	return claims
}

// Read makes one call, and one more where there are drop-ins beside those that
// are wanted.
func (u SystemdUnit) Read(ctx context.Context, h host.Host) (*SystemdUnit, error) {
	wanted := dropIns(u.DropIns)
	res, err := h.Do(ctx, append([]host.Op{
		host.Query{Argv: []string{"systemctl", "show", "--property=NeedDaemonReload", "--", fullUnit(u.Name)}, AnyExit: true},
		host.ReadFile{Path: u.file()},
	}, wanted.reads(u.dir())...)...)
	if err != nil {
		return nil, err
	}
	got := &SystemdUnit{Name: u.Name}
	if u.Content != nil && res[1].File != nil {
		text := string(res[1].File.Content)
		got.Content = &text
	}
	if u.DropIns != nil {
		found, err := wanted.found(ctx, h, u.dir(), res[2:])
		if err != nil {
			return nil, err
		}
		got.DropIns = found
	}
	if got.Content == nil && len(got.DropIns) == 0 {
		return nil, nil
	}
	if properties(string(res[0].Output.Stdout))["NeedDaemonReload"] == "yes" {
		if got.Content != nil {
			got.Content = new(string)
		}
		for name := range got.DropIns {
			got.DropIns[name] = ""
		}
	}
	return got, nil
}

// Apply makes one call.
func (u SystemdUnit) Apply(ctx context.Context, h host.Host, prior *SystemdUnit) error {
	return applyUnits(ctx, h, []resource.Change[SystemdUnit]{{Want: u, Prior: prior}})
}

// applyUnits makes one call. systemd reads the files of all units again, whichever
// were changed: it is told once, when all of them are written.
func applyUnits(ctx context.Context, h host.Host, changes []resource.Change[SystemdUnit]) error {
	var ops []host.Op
	for _, c := range changes {
		ops = append(ops, c.Want.write(c.Prior)...)
	}
	_, err := h.Do(ctx, append(ops, systemctl("daemon-reload"))...)
	return err
}

// write makes the files of prior, nil where there are none, those of u.
func (u SystemdUnit) write(prior *SystemdUnit) (ops []host.Op) {
	if prior == nil {
		prior = &SystemdUnit{}
	}
	if u.Content != nil {
		ops = append(ops, host.WriteFile{Path: u.file(), Content: []byte(*u.Content), Mode: 0o644})
	}
	if u.DropIns != nil {
		ops = append(ops, dropIns(u.DropIns).write(u.dir(), prior.DropIns)...)
	}
	return ops
}

// Delete implements resource.Deleter.
func (u SystemdUnit) Delete(ctx context.Context, h host.Host) error {
	ops := dropIns(u.DropIns).remove(u.dir())
	if u.Content != nil {
		ops = append(ops, host.Remove{Path: u.file()})
	}
	_, err := h.Do(ctx, append(ops, systemctl("daemon-reload"))...)
	return err
}
