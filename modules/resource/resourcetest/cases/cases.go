// Package cases is what the laws of package resourcetest are tried with: for
// each resource type the objects that show all it can do. They run on a machine
// in memory and on real ones alike, so they name only what both have.
package cases

import (
	"slices"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// All lists the cases of all types.
func All() []resourcetest.Case {
	return slices.Concat(files, system, packages, runtime, acts, kubeadm, clusters)
}

// run prepares a machine with a command.
func run(argv ...string) host.Op { return host.Run{Argv: argv} }
