package kubeadm

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/internal/objects"
)

// The kinds that kubeadm reads, in the order of the file, and their versions
// (kubernetes.io/docs/reference/config-api).
const (
	initKind    = "InitConfiguration"
	clusterKind = "ClusterConfiguration"
	kubeletKind = "KubeletConfiguration"
	proxyKind   = "KubeProxyConfiguration"
)

var (
	kinds       = []string{initKind, clusterKind, kubeletKind, proxyKind}
	apiVersions = map[string]string{kubeletKind: "kubelet.config.k8s.io/v1beta1", proxyKind: "kubeproxy.config.k8s.io/v1alpha1"}
)

// initTokens holds what kubeadm init makes for joining. It makes up a token where
// none is given, which lives for a day where nothing is said; none of kplan's joins
// uses it, and one that is cut off leaves it (kubernetes/kubernetes,
// cmd/kubeadm/app/util/config/initconfiguration.go).
const initTokens = "bootstrapTokens"

// configAPI is the version of the configuration that kubeadm of a version of
// Kubernetes writes itself; false where it is none that is known here. v1beta3
// came with 1.22, v1beta4 with 1.31 (kubernetes.io/docs/reference/config-api).
func configAPI(version string) (string, bool) {
	if !versionForm.MatchString(version) {
		return "", false
	}
	parts := strings.Split(version, ".")
	minor, _ := strconv.Atoi(parts[1])
	switch {
	case parts[0] != "1" || minor < 22:
		return "", false
	case minor < 31:
		return "kubeadm.k8s.io/v1beta3", true
	}
	return "kubeadm.k8s.io/v1beta4", true
}

// setting is where an attribute stands in the file.
type setting struct {
	kind string
	path []string
	text **string
	list *[]string
	args *map[string]string
}

func in(kind string, path ...string) setting { return setting{kind: kind, path: path} }

// settings are the attributes of c that are one value in the file.
func (c *KubeadmConfig) settings() []setting {
	text := func(to **string, s setting) setting { s.text = to; return s }
	args := func(to *map[string]string, s setting) setting { s.args = to; return s }
	sans := in(clusterKind, "apiServer", "certSANs")
	sans.list = &c.CertSANs
	skipped := in(initKind, "skipPhases")
	skipped.list = &c.SkipPhases
	return []setting{
		text(&c.Name, in(initKind, "nodeRegistration", "name")),
		text(&c.AdvertiseAddress, in(initKind, "localAPIEndpoint", "advertiseAddress")),
		skipped,
		text(&c.Patches, in(initKind, "patches", "directory")),
		args(&c.KubeletExtraArgs, in(initKind, "nodeRegistration", "kubeletExtraArgs")),
		text(&c.Endpoint, in(clusterKind, "controlPlaneEndpoint")),
		text(&c.PodCIDR, in(clusterKind, "networking", "podSubnet")),
		text(&c.ServiceCIDR, in(clusterKind, "networking", "serviceSubnet")),
		text(&c.DNSDomain, in(clusterKind, "networking", "dnsDomain")),
		text(&c.ImageRepository, in(clusterKind, "imageRepository")),
		sans,
		args(&c.APIServerExtraArgs, in(clusterKind, "apiServer", "extraArgs")),
		args(&c.ControllerManagerExtraArgs, in(clusterKind, "controllerManager", "extraArgs")),
		args(&c.SchedulerExtraArgs, in(clusterKind, "scheduler", "extraArgs")),
		args(&c.EtcdExtraArgs, in(clusterKind, "etcd", "local", "extraArgs")),
	}
}

// components are the attributes of c that are a document of their own.
func (c *KubeadmConfig) components() map[string]**string {
	return map[string]**string{kubeletKind: &c.Kubelet, proxyKind: &c.KubeProxy}
}

// trees are the documents of the file, by kind.
func (c KubeadmConfig) trees() map[string]map[string]any {
	all := map[string]map[string]any{initKind: {}, clusterKind: {}}
	api, _ := configAPI(c.Version)
	for kind := range all {
		all[kind]["apiVersion"] = api
	}
	if c.Version != "" {
		all[clusterKind]["kubernetesVersion"] = "v" + c.Version
	}
	all[initKind][initTokens] = []any{map[string]any{"ttl": tokenLife}}
	if c.CRISocket != "" {
		put(all[initKind], c.CRISocket, "nodeRegistration", "criSocket")
	}
	for _, s := range c.settings() {
		switch {
		case s.text != nil && *s.text != nil:
			put(all[s.kind], **s.text, s.path...)
		case s.list != nil && len(*s.list) > 0:
			list := make([]any, len(*s.list))
			for i, e := range *s.list {
				list[i] = e
			}
			put(all[s.kind], list, s.path...)
		case s.args != nil && len(*s.args) > 0:
			put(all[s.kind], argsIn(api, *s.args), s.path...)
		}
	}
	for kind, text := range c.components() {
		if *text != nil {
			all[kind], _ = oneTree(**text)
			put(all[kind], apiVersions[kind], "apiVersion")
		}
	}
	for kind, tree := range all {
		tree["kind"] = kind
	}
	return all
}

// argsIn are flags as the version of the configuration writes them: a mapping,
// and from v1beta4 on a list.
func argsIn(api string, args map[string]string) any {
	if strings.HasSuffix(api, "/v1beta3") {
		tree := map[string]any{}
		for name, value := range args {
			tree[name] = value
		}
		return tree
	}
	list := make([]any, 0, len(args))
	for _, name := range slices.Sorted(maps.Keys(args)) {
		list = append(list, map[string]any{"name": name, "value": args[name]})
	}
	return list
}

func put(tree map[string]any, value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = value
}

// renderConfig writes the file. Its comment is in the first document: kubeadm
// refuses one that is empty.
func renderConfig(c KubeadmConfig) string {
	trees := c.trees()
	var docs []string
	for _, kind := range kinds {
		if tree, ok := trees[kind]; ok {
			docs = append(docs, objects.YAML(tree))
		}
	}
	return "# Written by kplan.\n" + strings.Join(docs, "---\n")
}
