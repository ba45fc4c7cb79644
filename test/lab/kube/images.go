package kube

import (
	"context"
	"os"
	"path/filepath"

	"github.com/kplan/kplan/test/lab/kube/registry"
)

// An image of programs. Those that call iptables, or a shell, stand on a small Debian.
type image struct {
	names      []string
	onDebian   bool
	programs   map[string]string // path → program
	entrypoint []string
}

// images have the names and tags that kubeadm and flannel's manifest ask for. CoreDNS has a name in registry.k8s.io and
// another under an imageRepository.
var images = []image{
	{[]string{"kube-apiserver:v" + Version}, false, in("usr/local/bin", "kube-apiserver"), nil},
	{[]string{"kube-controller-manager:v" + Version}, false, in("usr/local/bin", "kube-controller-manager"), nil},
	{[]string{"kube-scheduler:v" + Version}, false, in("usr/local/bin", "kube-scheduler"), nil},
	{[]string{"kube-proxy:v" + Version}, true, in("usr/local/bin", "kube-proxy"), nil},
	{[]string{"etcd:3.6.5-0"}, true, in("usr/local/bin", "etcd", "etcdctl", "etcdutl"), nil},
	{[]string{"coredns:v1.12.1", "coredns/coredns:v1.12.1"}, false, in("", "coredns"), []string{"/coredns"}},
	{[]string{"pause:3.10.1"}, false, in("", "pause"), []string{"/pause"}},
	{[]string{"flannel-io/flannel:v0.28.4"}, true, in("opt/bin", "flanneld"), []string{"/opt/bin/flanneld"}},
	{[]string{"flannel-io/flannel-cni-plugin:v1.9.1-flannel1"}, true, in("", "flannel"), nil},
	{[]string{"library/busybox:1.35", "busybox:1.35"}, true, nil, nil},
}

// in puts programs into a directory of an image.
func in(dir string, names ...string) map[string]string {
	files := map[string]string{}
	for _, n := range names {
		files[filepath.Join(dir, n)] = n
	}
	return files
}

// images writes the images. The script of the packages has left the tar of the small Debian; it is a blob from here on.
func (p *Payload) images(_ context.Context, site string) error {
	debianTar := filepath.Join(site, "debian.tar")
	var write []registry.Image
	for _, i := range images {
		w := registry.Image{Names: i.names, Entrypoint: i.entrypoint, Files: map[string]string{}}
		if i.onDebian {
			w.Base = debianTar
		}
		for path, program := range i.programs {
			w.Files[path] = filepath.Join(p.bin, program)
		}
		write = append(write, w)
	}
	if err := registry.Write(filepath.Join(site, "blobs"), write); err != nil {
		return err
	}
	return os.Remove(debianTar)
}
