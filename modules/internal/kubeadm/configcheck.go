package kubeadm

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
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
	case !isEndpoint(or(c.Endpoint, "a:1")):
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

// checkRanges refuses what is no range; what kubeadm refuses (kubernetes/kubernetes,
// cmd/kubeadm/app/apis/kubeadm/validation/validation.go, ValidateNetworking);
// addresses that no endpoint of a service may have (pkg/apis/core/validation,
// ValidateNonSpecialIP); ranges that have an address in common, and families
// that do not go together.
func (c KubeadmConfig) checkRanges(bad func(field, format string, args ...any) error) error {
	var all []netip.Prefix
	var first [2]int // of each field, in all
	for i, r := range []struct {
		of, example string
		text        *string
		prefixes    func(netip.Addr) (least, most int)
	}{
		{"pod", "10.244.0.0/16", c.PodCIDR, c.podPrefixes},
		{"service", "10.96.0.0/16", c.ServiceCIDR, servicePrefixes},
	} {
		first[i] = len(all)
		if r.text == nil {
			continue
		}
		field, parts := r.of+"_cidr", strings.Split(*r.text, ",")
		if len(parts) > 2 {
			return bad(field, "These are %d ranges. Write one, or one of IPv4 and one of IPv6.", len(parts))
		}
		for _, part := range parts {
			p, err := netip.ParsePrefix(part)
			if err != nil {
				return bad(field, "%q is no range of addresses. Write one such as %q.", part, r.example)
			}
			a := p.Addr()
			least, most := r.prefixes(a)
			switch {
			case p != p.Masked():
				return bad(field, "The range %s has host bits set. Write %q.", part, p.Masked())
			case p.Bits() < least:
				return bad(field, "The range %s is too big for kubeadm. Write one from /%d to /%d.", p, least, most)
			case p.Bits() > most:
				return bad(field, "The range %s is too small for kubeadm. Write one from /%d to /%d.", p, least, most)
			case a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast():
				return bad(field, "The range %s is loopback, link-local, multicast or unspecified: no %s can have an address in it. Write one such as %q.", p, r.of, r.example)
			}
			for _, other := range all {
				if p.Overlaps(other) {
					return bad(field, "The ranges %s and %s have addresses in common. Write one that lies elsewhere.", other, p)
				}
			}
			if before := all[first[i]:]; len(before) > 0 && family(before[0].Addr()) == family(a) {
				return bad(field, "These are two ranges of %s. Write one, or one of IPv4 and one of IPv6.", family(a))
			}
			all = append(all, p)
		}
	}
	pods, services := all[:first[1]], all[first[1]:]
	if len(services) == 0 {
		return nil
	}
	of := family(services[0].Addr())
	if len(pods) > 0 && !slices.ContainsFunc(pods, func(p netip.Prefix) bool { return family(p.Addr()) == of }) {
		return bad("service_cidr", "The range %s is of %s, and no range of the pods is. Write ranges of the same family.", services[0], of)
	}
	if a, err := netip.ParseAddr(or(c.AdvertiseAddress, "")); err == nil && family(a) != of {
		return bad("service_cidr", "The address that the API server advertises, %s, is of %s, and the range %s is not. Write one of the same family first.", a, family(a), services[0])
	}
	return nil
}

// podPrefixes is how long the prefix of a pods' range may be: it has a range for
// each node, of which there are at most 1<<16 (constants.PodSubnetNodeMaskMaxDiff).
func (c KubeadmConfig) podPrefixes(a netip.Addr) (least, most int) {
	node, flag := 24, "node-cidr-mask-size-ipv4"
	if a.Is6() {
		node, flag = 64, "node-cidr-mask-size-ipv6"
	}
	if text, ok := c.ControllerManagerExtraArgs[flag]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, a.BitLen() // the flag is wrong, not the range
		}
		node = n
	}
	if c.ControllerManagerExtraArgs["allocate-node-cidrs"] == "false" {
		return 0, a.BitLen()
	}
	return max(0, node-16), node
}

// servicePrefixes is how long the prefix of a services' range may be: DNS has its
// tenth address, and at most 20 bits are of its own
// (constants.MinimumAddressesInServiceSubnet, MaximumBitsForServiceSubnet).
func servicePrefixes(a netip.Addr) (least, most int) { return a.BitLen() - 20, a.BitLen() - 4 }

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// isEndpoint reports whether text is ADDRESS:PORT, as kubeadm takes it. A name
// that ends in a number is none, but a mistaken address (RFC 3696, section 2).
func isEndpoint(text string) bool {
	if !endpointForm.MatchString(text) {
		return false
	}
	colon := strings.LastIndexByte(text, ':')
	address, port := strings.Trim(text[:colon], "[]"), text[colon+1:]
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return false
	}
	last := address[strings.LastIndexByte(address, '.')+1:]
	a, err := netip.ParseAddr(address)
	if err != nil {
		return dnsName.MatchString(address) && strings.Trim(last, "0123456789") != ""
	}
	return a.Is6() == strings.HasPrefix(text, "[")
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
