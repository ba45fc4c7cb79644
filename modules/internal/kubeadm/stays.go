package kubeadm

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what kubeadm does not change in a cluster that stands.

// whatStays is an attribute, and where a machine tells what it was made with.
type whatStays struct {
	field, wanted string // "" where it is not set, or not known yet
	is            string // "" where the machine does not tell
	advice        string
}

const (
	ofTheCluster = "kubeadm cannot change it in a cluster that is there: it stands in what the nodes, the services and all that talk to the cluster have. " +
		"Keep it as it is; with another one it is a new cluster, after `kplan destroy`."
	ofTheMember = "kubeadm cannot change it of a member that is there. " +
		"Keep it as it is, or take the host out of the control plane, apply, and put it in again."
)

// Inspect implements resource.Inspector.
func (c KubeadmConfig) Inspect(ctx context.Context, h host.Host, _ resource.Situation) ([]resource.Finding, error) {
	apiserver, manager, etcd := manifestFiles[0], manifestFiles[1], manifestFiles[3]
	read := []string{begunFile, sumsFile, apiserver, manager, etcd}
	ops := []host.Op{host.Query{Argv: []string{"sed", "-n", "s,^ *server: https://,,p", adminFile}, AnyExit: true}} // it holds a key
	for _, p := range read {
		ops = append(ops, host.ReadFile{Path: p})
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return nil, err
	}
	m := made{files: map[string]*host.File{}}
	for i, p := range read {
		m.files[p] = res[i+1].File
	}
	if m.files[begunFile] != nil || m.noted(c.Path) == "" {
		return nil, nil
	}
	var list []resource.Finding
	for _, s := range []whatStays{
		{"advertise_address", flagOr(c.APIServerExtraArgs, "advertise-address", c.AdvertiseAddress), m.flag(apiserver, "advertise-address"), ofTheMember},
		{"endpoint", or(c.Endpoint, ""), strings.TrimSpace(string(res[0].Output.Stdout)), ofTheCluster},
		{"name", or(c.Name, ""), m.flag(etcd, "name"), ofTheMember},
		{"pod_cidr", flagOr(c.ControllerManagerExtraArgs, "cluster-cidr", c.PodCIDR), m.flag(manager, "cluster-cidr"), ofTheCluster},
		{"service_cidr", flagOr(c.APIServerExtraArgs, "service-cluster-ip-range", c.ServiceCIDR), m.flag(apiserver, "service-cluster-ip-range"), ofTheCluster},
	} {
		if s.is != "" && s.differs() {
			list = append(list, resource.Finding{
				Name: s.field, Error: true, Advice: s.advice,
				Msg: fmt.Sprintf("the %s of the cluster that stands is %q, and %q is asked for", s.field, s.is, s.wanted),
			})
		}
	}
	return list, nil
}

// differs reports whether another value is wanted than there is. An address may
// be written in several ways, and the unspecified one leaves it to kubeadm.
func (s whatStays) differs() bool {
	wanted, err := netip.ParseAddr(s.wanted)
	if err != nil {
		return s.wanted != "" && s.wanted != s.is
	}
	is, _ := netip.ParseAddr(s.is)
	return !wanted.IsUnspecified() && wanted != is
}

// flagOr is a flag that is given by itself, or what kubeadm makes it of.
func flagOr(args map[string]string, name string, otherwise *string) string {
	if value, ok := args[name]; ok {
		return value
	}
	return or(otherwise, "")
}

// flag is what kubeadm gave a static pod for a flag; "" where it gave nothing,
// or somebody else wrote into the manifest.
func (m made) flag(manifest, name string) string {
	f := m.files[manifest]
	if f == nil || m.noted(manifest) != digest(f) {
		return ""
	}
	value := regexp.MustCompile(`(?m)^\s*- --` + regexp.QuoteMeta(name) + `=(.*)$`).FindSubmatch(f.Content)
	if value == nil {
		return ""
	}
	return string(value[1])
}
