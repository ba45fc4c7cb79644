package linux

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var (
	unitName     = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]+$`)
	unitSuffixes = []string{".service", ".socket", ".timer", ".path", ".mount", ".automount", ".swap", ".target", ".slice", ".scope", ".device"}
)

// checkUnit accepts the name of a unit, with or without its suffix.
func checkUnit(field, name string) error {
	if unitName.MatchString(name) && name[0] != '-' {
		return nil
	}
	return &resource.FieldError{Field: field, Msg: fmt.Sprintf("%q is no name of a unit. Write it as systemctl lists it, such as \"containerd.service\".", name)}
}

// fullUnit is the full name of a unit: .service where it has no suffix.
func fullUnit(name string) string {
	if slices.Contains(unitSuffixes, path.Ext(name)) {
		return name
	}
	return name + ".service"
}

// systemctl runs systemctl(1).
func systemctl(args ...string) host.Run {
	return host.Run{Argv: append([]string{"systemctl"}, args...)}
}

// properties reads the NAME=value lines of systemctl show.
func properties(text string) map[string]string {
	p := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			p[name] = value
		}
	}
	return p
}
