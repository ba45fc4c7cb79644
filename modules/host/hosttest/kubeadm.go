package hosttest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
	"github.com/kplan/kplan/modules/internal/script"
)

// Reaches lets the machine reach the API server of another, which it may join.
func (m *Machine) Reaches(plane *Machine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plane = plane
}

// Found makes the machine the control plane of a cluster.
func (m *Machine) Found(ctx context.Context) error {
	const config = kubeDir + "/kubeadm.yaml"
	m.Put(config, "kubernetesVersion: v1.34.4\n")
	_, err := m.Host().Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", script.KubeadmInit, "kplan", config}})
	return err
}

// Tokens are the tokens for joining that the machine's API server accepts.
func (m *Machine) Tokens() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cluster == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(m.cluster.tokens))
}

// Nodes are the names of the nodes that the machine's API server knows.
func (m *Machine) Nodes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cluster == nil {
		return nil
	}
	var names []string
	for _, o := range m.cluster.objects {
		if o.id.Kind == "Node" {
			names = append(names, o.id.Name)
		}
	}
	slices.Sort(names)
	return names
}

var kubeadmScripts = map[string]Command{
	script.KubeadmInit:   kubeadmInit,
	script.KubeadmRepair: kubeadmRepair,
	script.KubeadmJoin:   kubeadmJoin,
	script.KubeadmJoined: kubeadmJoined,
	script.KubeadmRejoin: kubeadmRejoin,
	script.KubeadmReset:  kubeadmReset,
	script.KubeletStart:  kubeletStart,
	script.NodeAsked:     nodeAsked,

	script.KubeadmBeginPlane:  kubeadmBeginPlane,
	script.KubeadmJoinPlane:   kubeadmJoinPlane,
	script.KubeadmJoinedPlane: kubeadmJoinedPlane,
}

const (
	kubeDir     = "/etc/kubernetes"
	kubeletYAML = "/var/lib/kubelet/config.yaml"
	clusterCA   = kubeDir + "/pki/ca.crt"
)

var staticPods = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"}

var authorityKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// authority is the certificate of every cluster's authority, always with the
// same key.
var authority = sync.OnceValue(func() string {
	key := authorityKey
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
})

var (
	imagesVersion    = regexp.MustCompile(`(?m)^"?kubernetesVersion"?: "?(v[0-9.]+)`)
	imagesRepository = regexp.MustCompile(`(?m)^"?imageRepository"?: "?([^"\s]+)`)
)

// begin is that of the scripts.
func (c *Call) begin(paths ...string) (refused *host.Output) {
	c.Change()
	if c.Exists(script.KubeadmBegun) {
		return nil
	}
	for _, p := range paths {
		if c.Exists(p) {
			out := fail(1, p+" is there, left by another cluster")
			return &out
		}
	}
	c.m.put(script.KubeadmBegun, "")
	return nil
}

func (c *Call) finish(paths ...string) {
	var sums strings.Builder
	for _, p := range paths {
		text, _ := c.Content(p)
		sums.WriteString(sumLine(p, text))
	}
	c.m.put(script.KubeadmSums, sums.String())
	c.Remove(script.KubeadmBegun)
}

// sumLine is what sha256sum writes of a file.
func sumLine(path, text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]) + "  " + path + "\n"
}

func manifest(name string) string { return kubeDir + "/manifests/" + name + ".yaml" }

var clusterVersion = regexp.MustCompile(`(?m)^kubernetesVersion: "?v([0-9.]+)"?$`)

// writePlane writes what kubeadm makes of a configuration.
func (c *Call) writePlane(config string) *host.Output {
	text, ok := c.Content(config)
	v := clusterVersion.FindStringSubmatch(text)
	if !ok || v == nil {
		out := fail(1, "couldn't read the configuration "+config)
		return &out
	}
	all := []string{config, kubeletYAML}
	flags := c.flags(config)
	for _, name := range staticPods {
		c.m.put(manifest(name), flags[name]+"    image: registry.k8s.io/"+name+":v"+v[1]+"\n")
		all = append(all, manifest(name))
	}
	c.m.cluster.kubelet = c.kubeletIn(config)
	c.m.put(kubeletYAML, c.m.cluster.kubelet)
	if out := c.startKubelet("restart"); out.Code != 0 {
		return &out
	}
	c.finish(all...)
	return nil
}

func kubeadmInit(c *Call) host.Output {
	if out := c.begin(manifest("kube-apiserver"), adminConf, kubeDir+"/kubelet.conf", clusterCA, "/var/lib/etcd/member"); out != nil {
		return *out
	}
	c.m.put(clusterCA, authority())
	for _, key := range []string{"/pki/ca.key", "/pki/sa.pub", "/pki/sa.key", "/pki/front-proxy-ca.crt", "/pki/front-proxy-ca.key", "/pki/etcd/ca.crt", "/pki/etcd/ca.key"} {
		c.m.put(kubeDir+key, "key of the cluster\n")
	}
	c.m.put(kubeDir+"/kubelet.conf", "keys\n")
	c.m.put("/var/lib/etcd/member", "")
	c.m.certify(c.hostname(), true)
	c.m.node = c.named(c.Argv[4])
	c.m.found(c.m.node)
	for addon := range c.m.cluster.addons {
		c.m.cluster.addons[addon] = !strings.Contains(c.said(c.Argv[4], "skipPhases"), "addon/"+addon)
	}
	if address := c.said(c.Argv[4], "localAPIEndpoint", "advertiseAddress"); address != "" {
		c.m.cluster.etcd[0].Address = address
	}
	if out := c.writePlane(c.Argv[4]); out != nil {
		return *out
	}
	return host.Output{}
}

// named is what a configuration calls the machine, or its host name.
func (c *Call) named(config string) string {
	if name := c.said(config, "nodeRegistration", "name"); name != "" {
		return name
	}
	return c.hostname()
}

// said is a value of a configuration; "" where it has none.
func (c *Call) said(config string, path ...string) string {
	text, _ := c.Content(config)
	trees, err := objects.Trees(text)
	if err != nil {
		return ""
	}
	for _, tree := range trees {
		var v any = tree
		for _, name := range path {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if v != nil {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// flags are those of the static pods that a configuration makes, of what it says.
func (c *Call) flags(config string) map[string]string {
	all := map[string]string{}
	for _, f := range []struct{ pod, name, value string }{
		{"kube-apiserver", "advertise-address", c.said(config, "localAPIEndpoint", "advertiseAddress")},
		{"kube-apiserver", "service-cluster-ip-range", c.said(config, "networking", "serviceSubnet")},
		{"kube-controller-manager", "cluster-cidr", c.said(config, "networking", "podSubnet")},
		{"etcd", "name", c.named(config)},
	} {
		if f.value != "" {
			all[f.pod] += "    - --" + f.name + "=" + f.value + "\n"
		}
	}
	return all
}

// kubeadmRepair waits for the static pods of the node, which is to be the machine's.
func kubeadmRepair(c *Call) host.Output {
	c.Change()
	if c.Argv[5] != c.m.node {
		return fail(1, "not Ready as the manifests in /etc/kubernetes/manifests say, after 5 minutes: kube-apiserver kube-controller-manager kube-scheduler etcd")
	}
	if out := c.writePlane(c.Argv[4]); out != nil {
		return *out
	}
	if c.m.cluster != nil {
		c.m.cluster.down = false
	}
	return host.Output{}
}

func (c *Call) hostname() string {
	text, _ := c.Content("/proc/sys/kernel/hostname")
	return strings.TrimSpace(text)
}

// AuthorityHash is the hash of every cluster's authority, as joins pin it.
const AuthorityHash = "sha256:339e2ff917630507b6a423b5ce084e285d1fa65d93b3e27a6195d3bbebc9ae23"

var (
	joinToken = regexp.MustCompile(`(?m)^    token: "(\S+)"$`)
	joinPin   = regexp.MustCompile(`(?m)^    caCertHashes: \["(\S+)"\]$`)
	joinCRI   = regexp.MustCompile(`(?m)^  criSocket: ("\S+")$`)
)

func kubeadmJoin(c *Call) host.Output {
	if out := c.begin(kubeDir+"/kubelet.conf", clusterCA); out != nil {
		return *out
	}
	config := string(c.Stdin)
	token, pin := joinToken.FindStringSubmatch(config), joinPin.FindStringSubmatch(config)
	if token == nil || c.m.plane == nil {
		return fail(1, "couldn't validate the identity of the API Server")
	}
	plane := c.m.plane
	plane.mu.Lock()
	defer plane.mu.Unlock()
	if _, ok := plane.cluster.tokens[token[1]]; !ok {
		return fail(1, "the token is not accepted")
	}
	if pin == nil || pin[1] != AuthorityHash {
		return fail(1, "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys are pinned")
	}
	if out := c.taken(plane.cluster, c.Argv[4]); out != nil {
		return *out
	}
	plane.cluster.join(c.Argv[4], c.m.facts.MachineID)
	c.m.certify(c.hostname(), false)
	c.m.put(clusterCA, authority())
	c.m.put(kubeDir+"/kubelet.conf", "keys\n")
	c.m.put(kubeletYAML, plane.cluster.kubelet)
	if out := c.startKubelet("start"); out.Code != 0 {
		return out
	}
	if socket := joinCRI.FindStringSubmatch(config); socket != nil {
		c.m.put("/var/lib/kubelet/instance-config.yaml", "containerRuntimeEndpoint: "+socket[1]+"\n")
	}
	return host.Output{}
}

func kubeadmBeginPlane(c *Call) host.Output {
	if out := c.begin(manifest("kube-apiserver"), adminConf, kubeDir+"/kubelet.conf", clusterCA, "/var/lib/etcd/member"); out != nil {
		return *out
	}
	return host.Output{}
}

// kubeadmJoinPlane wants the keys that members share to be there.
func kubeadmJoinPlane(c *Call) host.Output {
	c.Change()
	var config struct {
		APIVersion, Kind string
		Discovery        struct {
			BootstrapToken struct {
				APIServerEndpoint, Token string
				CACertHashes             []string
			}
		}
		NodeRegistration struct{ Name string }
		ControlPlane     struct {
			LocalAPIEndpoint struct{ AdvertiseAddress string }
		}
	}
	trees, err := objects.Trees(string(c.Stdin))
	if err != nil || len(trees) != 1 {
		return fail(1, "couldn't read the configuration")
	}
	text, err := json.Marshal(trees[0])
	if err != nil || json.Unmarshal(text, &config) != nil || config.Kind != "JoinConfiguration" || c.m.plane == nil {
		return fail(1, "couldn't validate the identity of the API Server")
	}
	plane, name, address := c.m.plane, config.NodeRegistration.Name, config.ControlPlane.LocalAPIEndpoint.AdvertiseAddress
	plane.mu.Lock()
	defer plane.mu.Unlock()
	if _, ok := plane.cluster.tokens[config.Discovery.BootstrapToken.Token]; !ok {
		return fail(1, "the token is not accepted")
	}
	if !slices.Contains(config.Discovery.BootstrapToken.CACertHashes, AuthorityHash) {
		return fail(1, "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys are pinned")
	}
	for _, key := range []string{"/pki/ca.key", "/pki/sa.key", "/pki/front-proxy-ca.key", "/pki/etcd/ca.key"} {
		if !c.Exists(kubeDir + key) {
			return fail(1, "failure loading key for CA: couldn't load the private key file "+kubeDir+key)
		}
	}
	votes := slices.ContainsFunc(plane.cluster.etcd, func(m EtcdMember) bool { return m.Address == address && m.Name != "" })
	if told := len(c.Argv) > 5; votes != told {
		return fail(1, "error creating local etcd static pod manifest file: etcdserver: can only promote a learner member")
	}
	if out := c.taken(plane.cluster, name); out != nil {
		return *out
	}
	c.m.node = name
	plane.cluster.join(name, c.m.facts.MachineID)
	if !votes {
		plane.cluster.grow(name, address)
	}
	c.m.cluster = plane.cluster
	c.m.certify(c.hostname(), true)
	c.m.put(adminConf, AdminConf(time.Now().AddDate(1, 0, 0)))
	c.m.put(kubeDir+"/kubelet.conf", "keys\n")
	c.m.put("/var/lib/etcd/member", "")
	c.m.put(kubeletYAML, plane.cluster.kubelet)
	if out := c.startKubelet("start"); out.Code != 0 {
		return out
	}
	for _, pod := range staticPods {
		if _, n, _ := plane.tree.find(manifest(pod), true); n != nil {
			c.m.put(manifest(pod), ownFlags.ReplaceAllStringFunc(string(n.content), func(flag string) string {
				flag, _, _ = strings.Cut(flag, "=")
				return flag + "=" + map[string]string{"    - --name": name, "    - --advertise-address": address}[flag]
			}))
		}
	}
	return host.Output{}
}

// ownFlags are those that each member has of its own.
var ownFlags = regexp.MustCompile(`(?m)^    - --(name|advertise-address)=.*$`)

func kubeadmJoinedPlane(c *Call) host.Output {
	c.Change()
	all := []string{c.Argv[4], kubeletYAML}
	for _, pod := range staticPods {
		all = append(all, manifest(pod))
	}
	c.finish(all...)
	return host.Output{}
}

func kubeadmJoined(c *Call) host.Output {
	c.Change()
	c.finish(kubeletYAML)
	return host.Output{}
}

func kubeadmReset(c *Call) host.Output {
	c.Remove(kubeDir)
	c.Remove("/var/lib/etcd")
	c.Remove("/var/lib/kubelet")
	c.stopKubelet()
	c.m.cluster = nil
	return host.Output{}
}

// kubeadm knows the tokens and addons of the machine's cluster, and its own version.
func (c *Call) listImages(config string) host.Output {
	text, ok := c.Content(config)
	version := imagesVersion.FindStringSubmatch(text)
	if !ok || version == nil {
		return fail(1, "unable to read config from "+config)
	}
	repository := "registry.k8s.io"
	if m := imagesRepository.FindStringSubmatch(text); m != nil {
		repository = m[1]
	}
	return say(repository + "/kube-apiserver:" + version[1] + "\n" + repository + "/kube-proxy:" + version[1] + "\n")
}

func kubeadm(c *Call) host.Output {
	args := c.Argv[1:]
	if slices.Equal(args, []string{"version", "-o", "short"}) {
		return say("v1.34.4\n")
	}
	if len(args) == 5 && slices.Equal(args[:4], []string{"config", "images", "list", "--config"}) {
		return c.listImages(args[4])
	}
	if c.m.cluster == nil {
		return fail(1, "failed to load admin kubeconfig")
	}
	if c.m.cluster.down {
		return fail(1, "Get \"https://10.0.2.15:6443/api\": dial tcp 10.0.2.15:6443: connect: connection refused")
	}
	if slices.Equal(args, []string{"certs", "renew", "admin.conf"}) {
		c.Change()
		c.m.put(adminConf, AdminConf(time.Now().AddDate(1, 0, 0)))
		return say("certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed\n")
	}
	if out, ok := c.bringAddon(args); ok {
		return out
	}
	if len(args) < 3 || args[0] != "token" || args[2] != "--kubeconfig="+adminConf {
		return c.Unknown()
	}
	switch args[1] {
	case "create":
		what, ok := strings.CutPrefix(args[4], "--description=")
		if len(args) != 5 || args[3] != "--ttl=15m" || !ok {
			return c.Unknown()
		}
		c.Change()
		id := fmt.Sprintf("%06d", len(c.m.cluster.tokens)+1)
		token := id + ".0123456789abcdef"
		c.m.cluster.tokens[token] = what
		return say(token + "\n")
	case "list":
		if len(args) != 5 || args[3] != "-o" || args[4] != `jsonpath={.token} {.description}{"\n"}` {
			return c.Unknown()
		}
		var out strings.Builder
		for _, t := range slices.Sorted(maps.Keys(c.m.cluster.tokens)) {
			fmt.Fprintf(&out, "%s %s\n", t, c.m.cluster.tokens[t])
		}
		return say(out.String())
	case "delete":
		if len(args) != 4 {
			return c.Unknown()
		}
		c.Change()
		maps.DeleteFunc(c.m.cluster.tokens, func(t, _ string) bool { return strings.HasPrefix(t, args[3]+".") })
		return host.Output{}
	}
	return c.Unknown()
}
