// Package kube is the resource types of what is inside a Kubernetes cluster:
// its objects, the marks on its nodes, and whether it works.
//
// They are on a machine of the control plane, and speak to the API by that
// machine's kubectl with its administrator's file. A machine without either has
// no cluster yet: there is nothing to read, and a plan creates all of it. It
// knows nothing of how a cluster comes to be.
package kube

import "github.com/kplan/kplan/modules/resource"

// Types lists the resource types of this package.
func Types() []*resource.Type {
	return []*resource.Type{health, manifest, node}
}
