package linux

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var packageType = resource.Define[Package]("package")

// Package is a package of the distribution: whether it is installed, in which
// version, and whether upgrades leave it alone.
//
// A version is installed exactly, also where that is a downgrade; without one,
// what is installed stays. Where the package or its version is not found, the
// package lists are brought up to date first. Questions are not asked, changed
// configuration files are kept, other packages are not removed for it, and a
// package manager that is at work is waited for. It may start the services that
// it brings. Delete removes the package and keeps its configuration files.
// Only apt is known so far.
//
//	resource "package" "kubelet" {
//	  on      = hosts
//	  name    = "kubelet"
//	  version = "1.34.4-1.1"
//	  hold    = true
//	}
type Package struct {
	Name             string  `cty:"name" kplan:"id"`                    // as apt knows it
	Version          *string `cty:"version"`                            // in full, as `apt-cache madison` lists it
	State            string  `cty:"state" kplan:"default=present"`      // present or absent
	Hold             *bool   `cty:"hold"`                               // upgrades leave it alone
	InstalledVersion *string `cty:"installed_version" kplan:"computed"` // what is there
}

const (
	present = "present"
	absent  = "absent"
	// brokenState is a package whose installation was cut off.
	brokenState = "half installed"
)

var (
	packageName    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$`)
	packageVersion = regexp.MustCompile(`^[A-Za-z0-9.+:~-]+$`) // deb-version(7)
)

// Validate implements resource.Validator.
func (p Package) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	switch name, version, has := strings.Cut(p.Name, "="); {
	case unknown("name"):
	case has:
		return bad("name", "The name holds a version. Write name = %q and version = %q.", name, version)
	case !packageName.MatchString(p.Name):
		return bad("name", "%q is no name of a package. Write it in lower case, as apt knows it, such as \"kubelet\".", p.Name)
	}
	switch {
	case p.Version != nil && !packageVersion.MatchString(*p.Version):
		return bad("version", "%q is no version. Write it in full, as `apt-cache madison` lists it, such as \"1.34.4-1.1\".", *p.Version)
	case !unknown("state") && p.State != present && p.State != absent:
		return bad("state", "%q is no state of a package. Write \"present\" or \"absent\".", p.State)
	case p.State == absent && p.Version != nil:
		return bad("version", "A package that is to be absent has no version. Leave the version out.")
	case p.State == absent && is(p.Hold):
		return bad("hold", "A package that is to be absent cannot be held. Leave hold out.")
	}
	return nil
}

// Claims implements resource.Claimer.
func (p Package) Claims() []string { return []string{"package " + p.Name} }

// Semaphores implements resource.Semaphorer.
func (p Package) Semaphores() []string { return []string{"package manager"} }

// Read makes one call. The status is that of dpkg-query(1): wanted, status,
// error; the version follows.
func (p Package) Read(ctx context.Context, h host.Host) (*Package, error) {
	res, err := h.Do(ctx, host.Query{
		Argv: []string{"dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}\n", "--", p.Name}, AnyExit: true,
	})
	if err != nil {
		return nil, err
	}
	out := res[0].Output
	switch out.Code {
	case 0, 1:
	case 126, 127:
		return nil, errors.New("the machine has no dpkg; packages are managed with apt only so far")
	default:
		return nil, &host.ExitError{Argv: []string{"dpkg-query"}, Output: out}
	}
	if got := parseStatus(string(out.Stdout)); got != nil {
		got.Name = p.Name
		return got, nil
	}
	if p.State == absent {
		hold := false
		return &Package{Name: p.Name, State: absent, Hold: &hold}, nil
	}
	return nil, nil
}

// parseStatus reads the first line of a package that is there, whole or not;
// nil where there is none.
func parseStatus(text string) *Package {
	for line := range strings.Lines(text) {
		status, version, _ := strings.Cut(strings.TrimSpace(line), "|")
		if len(status) < 2 || strings.ContainsRune("nc", rune(status[1])) {
			continue
		}
		hold, state := status[0] == 'h', present
		if status[1] != 'i' || len(strings.TrimSpace(status)) > 2 {
			state = brokenState
		}
		return &Package{State: state, Version: &version, Hold: &hold, InstalledVersion: &version}
	}
	return nil
}

// Apply makes one call.
func (p Package) Apply(ctx context.Context, h host.Host, prior *Package) error {
	hold := p.Hold
	if hold == nil && prior != nil {
		hold = prior.Hold
	}
	if p.State == absent {
		return apt(ctx, h, "remove", p.Name, "", false)
	}
	return apt(ctx, h, "install", p.Name, or("", p.Version), is(hold))
}

// Delete implements resource.Deleter.
func (p Package) Delete(ctx context.Context, h host.Host) error {
	return apt(ctx, h, "remove", p.Name, "", false)
}

// Keeps implements resource.Keeper.
func (p Package) Keeps(resource.Outlook) string {
	if p.State == absent {
		return "the package is not installed"
	}
	return ""
}

// apt runs script.Apt. Its errors name apt-get, whose messages they carry.
func apt(ctx context.Context, h host.Host, action, name, version string, hold bool) error {
	_, err := h.Do(ctx, host.Run{
		Argv:     []string{"/bin/sh", "-c", script.Apt, "kplan", action, name, version, either(hold, "hold", "unhold")},
		Detached: true,
	})
	if exit, ok := errors.AsType[*host.ExitError](err); ok {
		err = &host.ExitError{Argv: []string{"apt-get"}, Output: exit.Output}
	}
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", action, name, err)
	}
	return nil
}
