// Package std is the modules that come with kplan: specs, readable as every
// other. It knows nothing of what they hold.
package std

import "embed"

// Modules holds each module at its source: kplan/NAME.
//
//go:embed kplan
var Modules embed.FS
