// Package container is the resource types about the container runtime: what
// containerd and crictl are told, and the images that containerd has.
//
// It knows files and commands of the machine, and nothing of how they are
// reached. The doc comment of a type is its documentation: what `kplan explain`
// prints and the pages of docs/ show.
package container

import "github.com/kplan/kplan/modules/resource"

// Types lists the resource types of this package.
func Types() []*resource.Type {
	return []*resource.Type{
		containerImage,
		containerd,
		crictlConfig,
	}
}
