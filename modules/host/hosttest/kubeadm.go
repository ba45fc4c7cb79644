package hosttest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/kplan/kplan/modules/host"
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
}

const (
	kubeDir     = "/etc/kubernetes"
	kubeletYAML = "/var/lib/kubelet/config.yaml"
	clusterCA   = kubeDir + "/pki/ca.crt"
)

var staticPods = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"}

// authority is the certificate of every cluster's authority, always with the
// same key.
var authority = sync.OnceValue(func() string {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	t := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
})

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
		sum := sha256.Sum256([]byte(text))
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), p)
	}
	c.m.put(script.KubeadmSums, sums.String())
	c.Remove(script.KubeadmBegun)
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
	for _, name := range staticPods {
		c.m.put(manifest(name), "    image: registry.k8s.io/"+name+":v"+v[1]+"\n")
		all = append(all, manifest(name))
	}
	c.m.put(kubeletYAML, "kind: KubeletConfiguration\n")
	c.finish(all...)
	return nil
}

func kubeadmInit(c *Call) host.Output {
	if out := c.begin(manifest("kube-apiserver"), adminConf, kubeDir+"/kubelet.conf", clusterCA, "/var/lib/etcd/member"); out != nil {
		return *out
	}
	c.m.put(clusterCA, authority())
	c.m.put(kubeDir+"/kubelet.conf", "keys\n")
	c.m.put("/var/lib/etcd/member", "")
	c.m.certify(true)
	c.m.found(c.hostname())
	if out := c.writePlane(c.Argv[4]); out != nil {
		return *out
	}
	return host.Output{}
}

func kubeadmRepair(c *Call) host.Output {
	c.Change()
	if out := c.writePlane(c.Argv[4]); out != nil {
		return *out
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
	plane.cluster.join(c.Argv[4], c.m.facts.MachineID)
	c.m.certify(false)
	c.m.put(clusterCA, authority())
	c.m.put(kubeDir+"/kubelet.conf", "keys\n")
	c.m.put(kubeletYAML, "kind: KubeletConfiguration\n")
	return host.Output{}
}

func kubeadmJoined(c *Call) host.Output {
	c.Change()
	c.finish(kubeletYAML)
	return host.Output{}
}

func kubeadmRejoin(c *Call) host.Output {
	c.Change()
	c.m.put(kubeletYAML, "kind: KubeletConfiguration\n")
	c.finish(kubeletYAML)
	return host.Output{}
}

func kubeadmReset(c *Call) host.Output {
	c.Remove(kubeDir)
	c.Remove("/var/lib/etcd")
	c.Remove("/var/lib/kubelet")
	c.m.cluster = nil
	return host.Output{}
}

// kubeadm knows the tokens of the machine's cluster.
func kubeadm(c *Call) host.Output {
	args := c.Argv[1:]
	if c.m.cluster == nil {
		return fail(1, "failed to load admin kubeconfig")
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
