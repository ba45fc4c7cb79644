package kubeadm

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what an older cluster left on a machine that is to be of a control
// plane. What kplan has begun itself, it goes on with.

// leftFiles are read beside kubeletFile, as far as to know that they are there;
// but the authority, whole.
var leftFiles = []string{sumsFile, caFile, adminFile, apiserverFile, kubeletConfigFile, etcdData}

// askLeftovers asks a machine for them; the kubeconfigs hold keys.
func askLeftovers() (ops []host.Op) {
	for _, file := range []string{adminFile, kubeletFile} {
		ops = append(ops, host.Query{Argv: []string{"sed", "-n", serverOf, file}, AnyExit: true})
	}
	for _, file := range leftFiles {
		read := host.ReadFile{Path: file}
		if file != caFile {
			read.Limit = 1
		}
		ops = append(ops, read)
	}
	return ops
}

// left takes the answer to askLeftovers in; kubelet is kubeletFile.
func (m *machine) left(res []host.Result, kubelet *host.File) {
	m.made = made{begun: m.begun, files: map[string]*host.File{kubeletFile: kubelet}}
	for i, file := range leftFiles {
		m.made.files[file] = res[i+2].File
	}
	server := res[0].Output
	if m.made.isWorker() {
		server = res[1].Output
	}
	m.server = strings.TrimSpace(string(server.Stdout))
}

// isWorker reports whether kubeadm has made the machine a worker.
func (m made) isWorker() bool {
	there := func(p string) bool { return m.files[p] != nil }
	return !m.begun && there(kubeletFile) && there(caFile) && there(kubeletConfigFile) && !there(adminFile) && !there(apiserverFile)
}

// leftovers are what was found of one; endpoint is where the cluster is to be
// reached, "" where that is not known yet.
func (m *machine) leftovers(endpoint string) (list []resource.Finding) {
	cluster := fmt.Sprintf("(its authority is %s, its API server %s)", cmp.Or(pinned(text(m.made.files[caFile])), "unknown"), cmp.Or(m.server, "unknown"))
	switch {
	case m.begun:
	case !m.standing && m.made.files[etcdData] != nil && m.made.files[apiserverFile] == nil && m.made.files[adminFile] == nil:
		list = append(list, resource.Finding{
			Name: "data of etcd", Error: true,
			Msg:    etcdData + " is there, with the data of an etcd, and no control plane that it is of",
			Advice: "It is never written over. Look at what it is, and make sure that nobody needs it or that it is saved; then move it away, as `kubeadm reset` does where etcd's static pod is there still.",
		})
	case m.made.isWorker():
		list = append(list, resource.Finding{
			Name: "worker", Error: true,
			Msg: "the machine is a worker of a cluster already " + cluster,
			Advice: "kubeadm makes no control plane of a worker. Where that is a cluster of this spec, take the host out of it, apply, and put it in again. " +
				"Otherwise make sure that the machine is needed there no more and run `kubeadm reset` on it, or take the host out of the spec.",
		})
	case m.standing && !m.made.ours() && !m.Recorded:
		list = append(list, resource.Finding{
			Name: "control plane",
			Msg:  "a control plane stands there that kplan did not make " + cluster,
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
