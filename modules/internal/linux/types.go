// Package linux is the resource types of a Linux machine: its files, kernel
// parameters, packages and services.
//
// It knows files and commands of the machine, and nothing of how they are
// reached. The doc comment of a type is its documentation: what `kplan explain`
// prints and the pages of docs/ show.
package linux

import "github.com/kplan/kplan/modules/resource"

// Types lists the resource types of this package.
func Types() []*resource.Type {
	return []*resource.Type{
		directory,
		execAct,
		file,
		hostname,
		hostsFile,
		kernelModule,
		line,
		packageRepository,
		packageType,
		reboot,
		service,
		swap,
		symlink,
		sysctl,
		systemdUnit,
	}
}
