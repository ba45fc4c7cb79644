package kubeadm

import (
	"cmp"
	"fmt"

	"github.com/kplan/kplan/modules/resource"
)

// This file is what an older cluster left on a machine that is to be of a control
// plane. What kplan has begun itself, it goes on with.

// leftovers are what was found of one; endpoint is where the cluster is to be
// reached, "" where that is not known yet.
func (m *machine) leftovers(endpoint string) (list []resource.Finding) {
	switch {
	case m.begun:
	case !m.standing && m.etcdData:
		list = append(list, resource.Finding{
			Name: "data of etcd", Error: true,
			Msg:    etcdData + " is there, with the data of an etcd, and no control plane that it is of",
			Advice: "It is never written over. Look at what it is, and make sure that nobody needs it or that it is saved; then move it away, as `kubeadm reset` does where etcd's static pod is there still.",
		})
	case m.standing && !m.ours && !m.Recorded:
		list = append(list, resource.Finding{
			Name: "control plane",
			Msg:  fmt.Sprintf("a control plane stands there that kplan did not make (its authority is %s, its API server %s)", m.ca, cmp.Or(m.server, "unknown")),
			Advice: "Apply takes it over as it stands, and hosts of the control plane and workers that are new join it. " +
				"Where that cluster is not meant, take the host out of the spec, or make sure that nobody needs the cluster and run `kubeadm reset` on the machine.",
		})
		if endpoint != "" && m.server != "" && !alike(endpoint, m.server) {
			list = append(list, resource.Finding{
				Name: "endpoint", Error: true, Advice: ofAnother,
				Msg: fmt.Sprintf("the endpoint of the cluster that stands is %q, and %q is asked for", m.server, endpoint),
			})
		}
	}
	return list
}
