package kubeadm

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

// This file is what kubeadm does not change in a cluster that stands.

// whatStays is an attribute, and where a machine tells what it was made with.
type whatStays struct {
	field     string
	wanted    string // "" where it is not set
	otherwise string // what kubeadm takes then
	open      bool   // not known yet, or not set and kubeadm's to find out
	is        string // "" where the machine does not tell
	advice    string
}

const (
	ofTheCluster = "kubeadm cannot change it in a cluster that is there: it stands in what the nodes, the services and all that talk to the cluster have. " +
		"Keep it as it is; with another one it is a new cluster, after `kplan destroy`."
	ofTheMember = "kubeadm cannot change it of a member that is there. " +
		"Keep it as it is, or take the host out of the control plane, apply, and put it in again."
)

// ofAnother is the advice where kplan did not make the cluster.
const ofAnother = "kubeadm cannot change it in what is there: write it as it is. " +
	"Where that cluster is not meant, take the host out of the spec, or make sure that nobody needs the cluster and run `kubeadm reset` on the machine."

// The flags that kubeadm makes of the ranges of pods and of services.
const (
	podsFlag     = "cluster-cidr"
	servicesFlag = "service-cluster-ip-range"
)

// ownServices is the range of services that kubeadm takes where none is set
// (kubernetes/kubernetes, cmd/kubeadm/app/apis/kubeadm/v1beta4/defaults.go). Of
// pods it takes none.
const ownServices = "10.96.0.0/12"

// serverOf shows where a kubeconfig leads.
const serverOf = "s,^ *server: https://,,p"

// Inspect implements resource.Inspector. Of a control plane that kplan did not
// make, nothing says of which file it was made.
func (c KubeadmConfig) Inspect(ctx context.Context, h host.Host, s resource.Situation) ([]resource.Finding, error) {
	m, endpoint, err := madeWith(ctx, h)
	if err != nil || m.begun || m.ours() && m.noted(c.Path) == "" || !m.ours() && m.files[apiserverFile] == nil {
		return nil, err
	}
	unknown := func(attrs ...string) bool {
		return slices.ContainsFunc(attrs, func(a string) bool { return slices.Contains(s.Unknown, a) })
	}
	address := flagOr(c.APIServerExtraArgs, "advertise-address", c.AdvertiseAddress)
	ip, _ := netip.ParseAddr(address)
	var list []resource.Finding
	for _, w := range []whatStays{
		{
			field: "advertise_address", advice: ofTheMember, is: m.flag(apiserverFile, "advertise-address"),
			wanted: address, open: address == "" || ip.IsUnspecified(),
		},
		{field: "endpoint", advice: ofTheCluster, is: endpoint, wanted: or(c.Endpoint, ""), open: c.Endpoint == nil},
		{field: "name", advice: ofTheMember, is: m.flag(etcdFile, "name"), wanted: or(c.Name, ""), open: c.Name == nil},
		{
			field: "pod_cidr", advice: ofTheCluster, is: m.flag(managerFile, podsFlag),
			wanted: flagOr(c.ControllerManagerExtraArgs, podsFlag, c.PodCIDR),
			open:   unknown("pod_cidr", "controller_manager_extra_args"),
		},
		{
			field: "service_cidr", advice: ofTheCluster, is: m.flag(apiserverFile, servicesFlag),
			wanted: flagOr(c.APIServerExtraArgs, servicesFlag, c.ServiceCIDR), otherwise: ownServices,
			open: unknown("service_cidr", "api_server_extra_args"),
		},
	} {
		if !w.open && w.is != "" && !alike(cmp.Or(w.wanted, w.otherwise), w.is) {
			if !m.ours() {
				w.advice = ofAnother
			}
			list = append(list, resource.Finding{
				Name: w.field, Error: true, Advice: w.advice,
				Msg: fmt.Sprintf("the %s of the cluster that stands is %q, and %s", w.field, w.is, w.asked()),
			})
		}
	}
	return list, nil
}

func (w whatStays) asked() string {
	switch {
	case w.wanted != "":
		return fmt.Sprintf("%q is asked for", w.wanted)
	case w.otherwise != "":
		return fmt.Sprintf("none is asked for: kubeadm takes %q then", w.otherwise)
	}
	return "none is asked for"
}

// madeWith reads, in one call, what tells what the control plane here was made
// with, and the endpoint that it is reached at; "" where that is not told. Files
// may be read beside that.
func madeWith(ctx context.Context, h host.Host, beside ...string) (m made, endpoint string, err error) {
	read := append([]string{begunFile, sumsFile, apiserverFile, managerFile, etcdFile}, beside...)
	ops := []host.Op{host.Query{Argv: []string{"sed", "-n", serverOf, adminFile}, AnyExit: true}} // it holds a key
	for _, p := range read {
		ops = append(ops, host.ReadFile{Path: p})
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return made{}, "", err
	}
	m.files = map[string]*host.File{}
	for i, p := range read {
		m.files[p] = res[i+1].File
	}
	m.begun = m.files[begunFile] != nil
	return m, strings.TrimSpace(string(res[0].Output.Stdout)), nil
}

// alike reports whether two texts say the same. An address, and a range of them,
// may be written in several ways; of two ranges, the first is not the second.
func alike(a, b string) bool { return slices.Equal(addressesIn(a), addressesIn(b)) }

func addressesIn(text string) []string {
	list := strings.Split(text, ",")
	for i, part := range list {
		if ip, err := netip.ParseAddr(part); err == nil {
			list[i] = ip.String()
		} else if r, err := netip.ParsePrefix(part); err == nil {
			list[i] = r.String()
		}
	}
	return list
}

// flagOr is a flag that is given by itself, or what kubeadm makes it of.
func flagOr(args map[string]string, name string, otherwise *string) string {
	if value, ok := args[name]; ok {
		return value
	}
	return or(otherwise, "")
}

// ours reports whether kplan noted what was made here.
func (m made) ours() bool { return m.files[sumsFile] != nil }

// flag is what kubeadm gave a static pod for a flag; "" where it gave nothing,
// or somebody else wrote into the manifest. Where kplan noted nothing, it is as
// the manifest has it.
func (m made) flag(manifest, name string) string {
	f := m.files[manifest]
	if f == nil || m.ours() && m.noted(manifest) != digest(f) {
		return ""
	}
	value := regexp.MustCompile(`(?m)^\s*- --` + regexp.QuoteMeta(name) + `=(.*)$`).FindSubmatch(f.Content)
	if value == nil {
		return ""
	}
	return string(value[1])
}
