// Package kube makes what a Kubernetes cluster is installed from, and offers it to the machines of package lab, which have no
// way to the internet: packages, images and manifests, all from the one address 10.0.2.1. README.md says how long that takes.
//
// Everything is built from Go modules of the module proxy, at the versions in source/*/go.mod, and from Debian's packages. It
// knows nothing of kplan, and package lab knows nothing of it.
//
// # What the machines find
//
//	http://10.0.2.1/core:/stable:/v1.34/deb/  kubelet, kubeadm, kubectl at 1.34.4-1.1, and kubernetes-cni; signed, laid out as on pkgs.k8s.io
//	http://10.0.2.1/debian/                   containerd and the tools that a node needs, with what they depend on; signed
//	http://10.0.2.1/kube-flannel.yml          flannel's own manifest, as released
//	http://10.0.2.1:5000/                     a registry of images, by their names in all the registries that they come from
//
// Each of the package repositories is flat, with its key beside it in Release.key. The registry answers for registry.k8s.io,
// ghcr.io and docker.io: a containerd whose certs.d/_default names it as a mirror pulls what manifests say as they say it.
// To kubeadm it can be given as imageRepository as well.
package kube

// Version is that of Kubernetes, without the v. It is the one in source/kubernetes/go.mod.
const Version = "1.34.4"
