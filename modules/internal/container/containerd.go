package container

import (
	"context"
	"maps"
	"path"
	"slices"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/deviations"
	"github.com/kplan/kplan/modules/resource"
)

var containerd = resource.Define[Containerd]("containerd")

// Containerd is how containerd is configured as the runtime of Kubernetes.
//
// It owns /etc/containerd/config.toml whole, in the format that the version
// wants; /etc/containerd/certs.d/HOST/hosts.toml of each registry that it
// names; and, with proxy, a drop-in of containerd.service. Whatever else stands
// in these files shows in deviations and goes with the next apply. A mirror is
// asked for images, and never pushed to; the registry itself comes after its
// mirrors, by https unless it is one of its own mirrors; "_default" stands for
// every registry that has none. A registry that is dropped from the map loses
// its file, where kplan wrote it. The package is installed by a package
// resource, and a service with on_change starts containerd again. Delete
// removes the files.
//
//	resource "containerd" "runtime" {
//	  on            = hosts
//	  version       = "1.7.28"
//	  sandbox_image = "registry.k8s.io/pause:3.10.1"
//	  registries = {
//	    "docker.io"     = ["https://mirror.example.org"]
//	    "10.0.2.1:5000" = ["http://10.0.2.1:5000"]
//	  }
//	  proxy = { https = "http://10.0.2.1:3128", no_proxy = "10.0.0.0/8,.example.org" }
//	}
//
//	resource "service" "containerd" {
//	  on        = hosts
//	  name      = "containerd"
//	  running   = true
//	  on_change = [containerd.runtime]
//	}
type Containerd struct {
	Version             string              `cty:"version" kplan:"required"`                 // of containerd, such as "1.7.28" or "2.1"; the file's format follows from it
	SandboxImage        *string             `cty:"sandbox_image"`                            // of the pause container: the one that kubeadm names
	SystemdCgroup       bool                `cty:"systemd_cgroup" kplan:"default=true"`      // as the kubelet's cgroupDriver systemd
	Registries          map[string][]string `cty:"registries"`                               // URLs of mirrors in order, by the registry's host as in names of images
	Proxy               map[string]string   `cty:"proxy"`                                    // http, https and no_proxy
	RestrictOOMScoreAdj *bool               `cty:"restrict_oom_score_adj"`                   // for machines that may not lower it, such as containers
	CNIBinDir           string              `cty:"cni_bin_dir" kplan:"default=/opt/cni/bin"` // directory of the CNI plugins
	Deviations          string              `cty:"deviations" kplan:"default="`              // what was found beside this in the files; leave it out
}

// Read makes one call, and a second where certs.d has registries that are not
// wanted: those that kplan wrote are to go.
func (c Containerd) Read(ctx context.Context, h host.Host) (*Containerd, error) {
	ops := []host.Op{host.ReadFile{Path: certsDir, List: true}, host.ReadFile{Path: configFile}}
	if c.Proxy != nil {
		ops = append(ops, host.ReadFile{Path: proxyFile})
	}
	wanted := slices.Sorted(maps.Keys(c.Registries))
	for _, registry := range wanted {
		ops = append(ops, host.ReadFile{Path: hostsFile(registry)})
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return nil, err
	}
	texts, err := textsOf(res[1:])
	if err != nil {
		return nil, err
	}
	got := &Containerd{}
	var odd []string
	if text := texts[configFile]; text != nil {
		*got, odd = parseConfig(*text, c)
	}
	found := texts[configFile] != nil
	if c.Proxy != nil {
		var more []string
		got.Proxy, more = parseProxy(texts[proxyFile])
		odd, found = append(odd, more...), found || texts[proxyFile] != nil
	}
	if c.Registries != nil {
		mine, err := readMine(ctx, h, res[0].File, wanted)
		if err != nil {
			return nil, err
		}
		maps.Copy(mine, hostsOf(wanted, texts))
		got.Registries = map[string][]string{}
		for _, registry := range slices.Sorted(maps.Keys(mine)) {
			mirrors, more := parseHosts(registry, *mine[registry])
			got.Registries[registry] = mirrors
			odd = append(odd, more...)
		}
		found = found || len(mine) > 0
	}
	if !found {
		return nil, nil
	}
	got.Deviations = deviations.Summary(odd)
	return got, nil
}

// Apply makes one call. config.toml comes last: it is what Read finds a new
// configuration by.
func (c Containerd) Apply(ctx context.Context, h host.Host, prior *Containerd) error {
	mkdir := host.Run{Argv: []string{"mkdir", "-p", "--", path.Dir(configFile)}}
	var ops []host.Op
	write := func(name, text string) {
		mkdir.Argv = append(mkdir.Argv, path.Dir(name))
		ops = append(ops, host.WriteFile{Path: name, Content: []byte(text), Mode: 0o644})
	}
	for _, registry := range slices.Sorted(maps.Keys(c.Registries)) {
		write(hostsFile(registry), renderHosts(registry, c.Registries[registry]))
	}
	if prior != nil && c.Registries != nil {
		for _, registry := range slices.Sorted(maps.Keys(prior.Registries)) {
			if _, ok := c.Registries[registry]; !ok {
				ops = append(ops, removeWithDir(hostsFile(registry))...)
			}
		}
	}
	switch {
	case len(c.Proxy) > 0:
		write(proxyFile, renderProxy(c.Proxy))
	case c.Proxy != nil:
		ops = append(ops, removeWithDir(proxyFile)...)
	}
	ops = append(ops, host.WriteFile{Path: configFile, Content: []byte(renderConfig(c)), Mode: 0o644})
	_, err := h.Do(ctx, append([]host.Op{mkdir}, ops...)...)
	return err
}

// Delete implements resource.Deleter.
func (c Containerd) Delete(ctx context.Context, h host.Host) error {
	ops := []host.Op{host.Remove{Path: configFile}}
	for _, registry := range slices.Sorted(maps.Keys(c.Registries)) {
		ops = append(ops, removeWithDir(hostsFile(registry))...)
	}
	if c.Proxy != nil {
		ops = append(ops, removeWithDir(proxyFile)...)
	}
	_, err := h.Do(ctx, ops...)
	return err
}
