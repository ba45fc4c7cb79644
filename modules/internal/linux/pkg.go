package linux

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var packageType = resource.Define[Package]("package", resource.Batches(applyPackages))

// Package is a package of the distribution: whether it is installed, in which
// version, and whether upgrades leave it alone.
//
// A version is installed exactly, also where that is a downgrade; without one,
// what is installed stays. Where the package or its version is not found, the
// package lists are brought up to date first. Questions are not asked, changed
// configuration files are kept, other packages are not removed for it, and a
// package manager that is at work is waited for. Packages of a machine that wait
// for nothing more are installed together, in one transaction. It may start the
// services that it brings. Delete removes the package and keeps its configuration files.
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

// Read makes one call.
func (p Package) Read(ctx context.Context, h host.Host) (*Package, error) {
	found, err := askDpkg(ctx, h, p.Name)
	if err != nil {
		return nil, err
	}
	if found != nil {
		state := either(found.whole, present, brokenState)
		return &Package{Name: p.Name, State: state, Version: &found.version, Hold: &found.held, InstalledVersion: &found.version}, nil
	}
	if p.State == absent {
		hold := false
		return &Package{Name: p.Name, State: absent, Hold: &hold}, nil
	}
	return nil, nil
}

// Apply makes one call.
func (p Package) Apply(ctx context.Context, h host.Host, prior *Package) error {
	return apt(ctx, h, p.held(prior))
}

// held is the package with the hold that it stays with.
func (p Package) held(prior *Package) Package {
	if p.Hold == nil && prior != nil {
		p.Hold = prior.Hold
	}
	return p
}

// applyPackages makes one call.
func applyPackages(ctx context.Context, h host.Host, changes []resource.Change[Package]) error {
	packages := make([]Package, len(changes))
	for i, c := range changes {
		packages[i] = c.Want.held(c.Prior)
	}
	return apt(ctx, h, packages...)
}

// Delete implements resource.Deleter.
func (p Package) Delete(ctx context.Context, h host.Host) error {
	return apt(ctx, h, Package{Name: p.Name, State: absent})
}

// Keeps implements resource.Keeper.
func (p Package) Keeps(resource.Outlook) string {
	if p.State == absent {
		return "the package is not installed"
	}
	return ""
}
