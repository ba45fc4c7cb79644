// Package deviations is the attribute by which a type that owns a file whole
// tells what it found there beside its settings: deviations.
//
// It knows what the attribute says. It knows no file.
package deviations

import (
	"strings"

	"github.com/kplan/kplan/modules/resource"
)

// Summary is the attribute for what was found, "" for nothing. It is by name
// only: the values may be secrets.
func Summary(odd []string) string {
	const most = 5
	if len(odd) > most+1 {
		odd = append(odd[:most:most], "and more")
	}
	return strings.Join(odd, ", ")
}

// Refuse is the error of a spec that sets the attribute; nil where it does not.
func Refuse(set string) error {
	if set == "" {
		return nil
	}
	return &resource.FieldError{Field: "deviations", Msg: "Deviations are found, not wanted. Leave the attribute out."}
}
