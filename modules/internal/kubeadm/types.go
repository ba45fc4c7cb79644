// Package kubeadm is the resource types of a Kubernetes cluster that kubeadm
// makes: its control plane and its workers.
//
// It knows kubeadm's commands and files (kubeadm(1), and the reference at
// kubernetes.io/docs/reference/setup-tools/kubeadm), and nothing of what runs
// in a cluster. The doc comment of a type is its documentation.
package kubeadm

import (
	"embed"

	"github.com/kplan/kplan/modules/resource"
)

// Source is this package's own source: the documentation of its types.
//
//go:embed *.go
var Source embed.FS

// Types lists the resource types of this package.
func Types() []*resource.Type {
	return []*resource.Type{
		controlPlane,
		join,
		kubeadmConfig,
		kubeadmAddon,
		etcdSnapshot,
		kubeConfig,
	}
}
