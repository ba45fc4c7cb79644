package kubeadm

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/internal/deviations"
	"github.com/kplan/kplan/modules/resource"
)

var (
	dnsName   = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`) // RFC 1123, RFC 6125
	flagName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	phaseName = regexp.MustCompile(`^[a-z-]+(/[a-z-]+)?$`)
	imagePath = regexp.MustCompile(`^[a-z0-9\[][a-z0-9.:\[\]-]*(/[a-z0-9._-]+)*$`)
)

// Validate implements resource.Validator.
func (c KubeadmConfig) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	_, known := configAPI(c.Version)
	socket, isUnix := strings.CutPrefix(c.CRISocket, "unix://")
	_, addressErr := netip.ParseAddr(or(c.AdvertiseAddress, "::"))
	switch {
	case !unknown("path") && !cleanPath(c.Path):
		return bad("path", "%q is no path of a file. Write the shortest one from the root, such as \"/etc/kubernetes/kubeadm.yaml\".", c.Path)
	case !unknown("version") && !versionForm.MatchString(c.Version):
		return bad("version", "%q is no version of Kubernetes. Write it in full, such as \"1.34.4\".", c.Version)
	case !unknown("version") && !known:
		return bad("version", "Of Kubernetes %s kplan does not know the configuration of kubeadm. Write a version from 1.22 on, such as \"1.34.4\".", c.Version)
	case !dnsName.MatchString(or(c.Name, "a")) || strings.HasPrefix(or(c.Name, ""), "*"):
		return bad("name", "%q is no name of a node. Write lower-case letters, digits, dashes and dots, such as \"k8s-node1\".", *c.Name)
	case addressErr != nil:
		return bad("advertise_address", "%q is no IP address. Write one of the machine's, such as \"10.0.2.15\", or leave it out.", *c.AdvertiseAddress)
	case !endpointForm.MatchString(or(c.Endpoint, "a:1")):
		return bad("endpoint", "%q is no endpoint. Write ADDRESS:PORT, such as \"10.0.2.15:6443\".", *c.Endpoint)
	case !dnsName.MatchString(or(c.DNSDomain, "a")):
		return bad("dns_domain", "%q is no domain. Write one such as \"cluster.local\".", *c.DNSDomain)
	case !imagePath.MatchString(or(c.ImageRepository, "a")):
		return bad("image_repository", "%q is no repository of images. Write its host and path without a scheme, such as \"registry.k8s.io\".", *c.ImageRepository)
	case !unknown("cri_socket") && !(isUnix && cleanPath(socket)):
		return bad("cri_socket", "%q is no socket of a container runtime. Write it as a URL, such as \"unix:///run/containerd/containerd.sock\".", c.CRISocket)
	case !cleanPath(or(c.Patches, "/a")):
		return bad("patches", "%q is no directory on the machine. Write its shortest path from the root, such as \"/etc/kubernetes/patches\".", *c.Patches)
	}
	if err := deviations.Refuse(c.Deviations); err != nil {
		return err
	}
	if err := c.checkRanges(bad); err != nil {
		return err
	}
	for _, san := range c.CertSANs {
		if _, err := netip.ParseAddr(san); err != nil && !dnsName.MatchString(san) {
			return bad("cert_sans", "%q is neither a name nor an address. Write one such as \"k8s.example.org\" or \"10.0.2.10\".", san)
		}
	}
	for _, phase := range c.SkipPhases {
		if !phaseName.MatchString(phase) {
			return bad("skip_phases", "%q is no phase of kubeadm init. Write one that `kubeadm init --help` lists, such as \"addon/coredns\".", phase)
		}
	}
	for _, a := range []struct {
		field string
		args  map[string]string
	}{
		{"api_server_extra_args", c.APIServerExtraArgs},
		{"controller_manager_extra_args", c.ControllerManagerExtraArgs},
		{"scheduler_extra_args", c.SchedulerExtraArgs},
		{"etcd_extra_args", c.EtcdExtraArgs},
		{"kubelet_extra_args", c.KubeletExtraArgs},
	} {
		for _, name := range slices.Sorted(maps.Keys(a.args)) {
			if !flagName.MatchString(name) {
				return bad(a.field, "%q is no flag. Write its name without dashes before it, such as \"v\" for --v.", name)
			}
		}
	}
	for _, d := range []struct {
		field string
		text  *string
	}{{"kubelet", c.Kubelet}, {"kube_proxy", c.KubeProxy}} {
		tree, err := oneTree(or(d.text, "{}"))
		switch {
		case err != nil:
			return bad(d.field, "This is no configuration: %v. Write yamlencode({ name = value }).", err)
		case tree["kind"] != nil || tree["apiVersion"] != nil:
			return bad(d.field, "The configuration has a kind or an apiVersion, which kplan writes itself. Leave both out.")
		}
	}
	return nil
}

// checkRanges refuses what is no range, and ranges that have an address in common.
func (c KubeadmConfig) checkRanges(bad func(field, format string, args ...any) error) error {
	var before []netip.Prefix
	for _, r := range []struct {
		field, example string
		text           *string
	}{
		{"pod_cidr", "10.244.0.0/16", c.PodCIDR},
		{"service_cidr", "10.96.0.0/16", c.ServiceCIDR},
	} {
		if r.text == nil {
			continue
		}
		for part := range strings.SplitSeq(*r.text, ",") {
			p, err := netip.ParsePrefix(part)
			switch {
			case err != nil:
				return bad(r.field, "%q is no range of addresses. Write one such as %q.", part, r.example)
			case p != p.Masked():
				return bad(r.field, "The range %s has host bits set. Write %q.", part, p.Masked())
			}
			for _, other := range before {
				if p.Overlaps(other) {
					return bad(r.field, "The ranges %s and %s have addresses in common. Write one that lies elsewhere.", other, p)
				}
			}
			before = append(before, p)
		}
	}
	return nil
}

func cleanPath(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func or(text *string, otherwise string) string {
	if text == nil {
		return otherwise
	}
	return *text
}
