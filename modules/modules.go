// Package modules is the list of resource types, and their documentation.
//
// It knows which types there are. What they do stands in the packages under
// modules/internal.
package modules

import (
	"cmp"
	"slices"

	"github.com/kplan/kplan/modules/internal/container"
	"github.com/kplan/kplan/modules/internal/kube"
	"github.com/kplan/kplan/modules/internal/kubeadm"
	"github.com/kplan/kplan/modules/internal/linux"
	"github.com/kplan/kplan/modules/resource"
)

// All lists the resource types, sorted by name.
func All() []*resource.Type {
	types := slices.Concat(container.Types(), kube.Types(), kubeadm.Types(), linux.Types())
	slices.SortFunc(types, func(a, b *resource.Type) int { return cmp.Compare(a.Name, b.Name) })
	return types
}

// Lookup finds a resource type by name.
func Lookup(name string) (*resource.Type, bool) {
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}
