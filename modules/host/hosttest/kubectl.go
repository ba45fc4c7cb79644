package hosttest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
	"github.com/kplan/kplan/modules/internal/script"
)

const inventoryPath = `jsonpath={.data.objects}{"\n"}{.binaryData.content}`

// kubectl knows, with the administrator's file and without a cache, what types
// ask of a cluster, word for word.
func kubectl(c *Call) host.Output {
	cluster := c.m.cluster
	args := c.Argv[1:]
	if len(args) < 3 || args[0] != "--kubeconfig="+adminConf || args[1] != "--cache-dir=/dev/null" {
		return c.Unknown()
	}
	args = args[2:]
	if args[0] == "--request-timeout=20s" || args[0] == "--request-timeout=5s" {
		args = args[1:]
	}
	namespace := ""
	if len(args) > 2 && args[0] == "-n" {
		namespace, args = args[1], args[2:]
	}
	var known func() host.Output
	name := ""
	switch words := strings.Join(args, " "); {
	case fits(words, "get configmap * --ignore-not-found -o "+inventoryPath, &name):
		known = func() host.Output { return cluster.inventory(namespace, name) }
	case fits(words, "get node * --ignore-not-found -o json", &name):
		known = func() host.Output { return cluster.node(name) }
	case fits(words, "get node * --ignore-not-found -o jsonpath={.status.nodeInfo.machineID}", &name):
		known = func() host.Output { return say(cluster.machine(name)) }
	case fits(words, "drain * --ignore-daemonsets --delete-emptydir-data --force --timeout=300s", &name):
		c.Change()
		known = func() host.Output { return cluster.drain(name) }
	case fits(words, "delete node * --ignore-not-found", &name):
		c.Change()
		known = func() host.Output { return cluster.deleteNode(name) }
	case fits(words, "delete pods --all-namespaces --field-selector=spec.nodeName=* --timeout=300s", &name):
		c.Change()
		known = func() host.Output { return say("No resources found\n") } // for nothing runs
	case fits(words, "wait configmap/cluster-info --for=jsonpath={.data.jws-kubeconfig-*} --timeout=20s", &name) && namespace == "kube-public":
		known = func() host.Output { return cluster.signed(name) }
	case fits(words, "wait node/* --for=condition=Ready=Unknown --timeout=180s", &name):
		known = func() host.Output {
			cluster.asleep[name] = true
			return cluster.up("v1", "Node", "", name)
		}
	case words == "diff --server-side --force-conflicts --field-manager=kplan -f -":
		known = func() host.Output { return c.each(cluster.diff) }
	case words == "apply --server-side --field-manager=kplan --force-conflicts -f -":
		c.Change()
		known = func() host.Output { return c.each(cluster.apply) }
	case words == "delete --ignore-not-found --wait -f -":
		c.Change()
		known = func() host.Output { return c.each(cluster.delete) }
	case fits(words, "delete configmap * --ignore-not-found", &name):
		c.Change()
		known = func() host.Output {
			cluster.remove(objects.ID{APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace, Name: name})
			return host.Output{}
		}
	case fits(words, "wait --for=jsonpath={.status.phase}=Active --timeout=-1s namespace/*", &name):
		known = func() host.Output { return cluster.up("v1", "Namespace", "", name) }
	case fits(words, "wait --for=condition=Established --timeout=-1s customresourcedefinition/*", &name):
		known = func() host.Output { return cluster.up("apiextensions.k8s.io/v1", definition, "", name) }
	case fits(words, "rollout status deployment/*", &name):
		known = func() host.Output { return cluster.up("apps/v1", "Deployment", namespace, name) }
	case fits(words, "rollout status daemonset/*", &name):
		known = func() host.Output { return cluster.up("apps/v1", "DaemonSet", namespace, name) }
	case fits(words, "rollout status statefulset/*", &name):
		known = func() host.Output { return cluster.up("apps/v1", "StatefulSet", namespace, name) }
	case fits(words, "patch node * --type=merge --patch-file=/dev/stdin", &name):
		c.Change()
		known = func() host.Output { return cluster.patch(name, c.Stdin) }
	default:
		if pod, command, ok := inPod(words); ok && namespace == "kube-system" {
			known = c.etcdctl(pod, command)
		} else if known = c.addon(words); known == nil || namespace != "kube-system" {
			known = c.health(words)
		}
		if known == nil {
			return c.Unknown()
		}
	}
	if cluster == nil {
		return fail(127, "kubectl: not found")
	}
	if cluster.down {
		return fail(1, "The connection to the server 10.0.2.15:6443 was refused - did you specify the right host or port?")
	}
	return known()
}

// fits tells whether words are pattern, in which * is one word.
func fits(words, pattern string, word *string) bool {
	before, after, _ := strings.Cut(pattern, "*")
	rest, ok := strings.CutPrefix(words, before)
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, after)
	*word = rest
	return ok && rest != "" && !strings.ContainsAny(rest, " ")
}

// each does f to every object of the input, whatever becomes of the others. The
// status is the highest.
func (c *Call) each(f func(objects.Object) host.Output) host.Output {
	all, err := objects.Parse(string(c.Stdin))
	if err != nil {
		return fail(1, "error: "+err.Error())
	}
	var out host.Output
	for _, o := range all {
		one := f(o)
		out.Stdout = append(out.Stdout, one.Stdout...)
		out.Stderr = append(out.Stderr, one.Stderr...)
		out.Code = max(out.Code, one.Code)
	}
	return out
}

// refused is what the server says of an object that it cannot have; nil where
// it can.
func (cl *Cluster) refused(o objects.Object, code int) *host.Output {
	var out host.Output
	home := objects.ID{APIVersion: "v1", Kind: "Namespace", Name: o.InNamespace()}
	switch {
	case !cl.knows(o.ID):
		out = fail(code, fmt.Sprintf("resource mapping not found for name: %q namespace: %q from \"STDIN\": no matches for kind %q in version %q\nensure CRDs are installed first", o.Name, o.Namespace, o.Kind, o.APIVersion))
	case namespaced(o.ID) && cl.objects[home.Key()] == nil:
		out = fail(code, fmt.Sprintf("Error from server (NotFound): namespaces %q not found", o.InNamespace()))
	default:
		return nil
	}
	return &out
}

func (cl *Cluster) diff(o objects.Object) host.Output {
	if no := cl.refused(o, 2); no != nil {
		return *no
	}
	_, _, changes, err := cl.merged(o)
	switch {
	case err != nil:
		return fail(2, "error: "+err.Error())
	case changes:
		return host.Output{Code: 1, Stdout: []byte("diff -u -N " + o.String() + "\n")}
	}
	return host.Output{}
}

func (cl *Cluster) apply(o objects.Object) host.Output {
	if no := cl.refused(o, 1); no != nil {
		return *no
	}
	body, wanted, changes, err := cl.merged(o)
	if err != nil {
		return fail(1, "error: "+err.Error())
	}
	if changes {
		cl.set(o.ID, body, wanted)
	} else {
		cl.objects[o.Key()].applied = wanted
	}
	return say(lower(o.ID) + " serverside-applied\n")
}

func (cl *Cluster) delete(o objects.Object) host.Output {
	if !cl.knows(o.ID) {
		return *cl.refused(o, 1)
	}
	if cl.objects[o.Key()] == nil {
		return host.Output{}
	}
	cl.remove(o.ID)
	return say(lower(o.ID) + " deleted\n")
}

func (cl *Cluster) up(version, kind, namespace, name string) host.Output {
	id := objects.ID{APIVersion: version, Kind: kind, Namespace: namespace, Name: name}
	if cl.objects[id.Key()] == nil {
		return fail(1, fmt.Sprintf("Error from server (NotFound): %q not found", name))
	}
	return say(lower(id) + " condition met\n")
}

// inventory prints two fields of a ConfigMap.
func (cl *Cluster) inventory(namespace, name string) host.Output {
	o := cl.objects[objects.ID{APIVersion: "v1", Kind: "ConfigMap", Namespace: namespace, Name: name}.Key()]
	if o == nil {
		return host.Output{}
	}
	data, _ := o.body["data"].(map[string]any)
	binary, _ := o.body["binaryData"].(map[string]any)
	return say(fmt.Sprintf("%v\n%v", data["objects"], binary["content"]))
}

// machine is the machine-id of a node; "" where there is none.
func (cl *Cluster) machine(name string) string {
	o := cl.objects[nodeID(name).Key()]
	if o == nil {
		return ""
	}
	status, _ := o.body["status"].(map[string]any)
	info, _ := status["nodeInfo"].(map[string]any)
	id, _ := info["machineID"].(string)
	return id
}

func (cl *Cluster) node(name string) host.Output {
	o := cl.objects[nodeID(name).Key()]
	if o == nil {
		return host.Output{}
	}
	text, err := json.Marshal(o.body)
	if err != nil {
		return fail(1, "error: "+err.Error())
	}
	return say(string(text) + "\n")
}

// drain lets no pod be scheduled on a node any more; those that were there are
// elsewhere.
func (cl *Cluster) drain(name string) host.Output {
	id := nodeID(name)
	o := cl.objects[id.Key()]
	if o == nil {
		return fail(1, fmt.Sprintf("Error from server (NotFound): nodes %q not found", name))
	}
	cl.set(id, patched(o.body, map[string]any{"spec": map[string]any{"unschedulable": true}}), o.applied)
	return say("node/" + name + " cordoned\nnode/" + name + " drained\n")
}

// deleteNode takes a node out, with the pods that run on it.
func (cl *Cluster) deleteNode(name string) host.Output {
	o := cl.objects[nodeID(name).Key()]
	if o == nil {
		return host.Output{}
	}
	if spec, _ := o.body["spec"].(map[string]any); spec["unschedulable"] != true {
		cl.lost = append(cl.lost, name)
	}
	cl.remove(nodeID(name))
	return say("node \"" + name + "\" deleted\n")
}

// Undrained are the nodes that were deleted before they were drained, in that
// order: their pods ended with them.
func (m *Machine) Undrained() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cluster == nil {
		return nil
	}
	return slices.Clone(m.cluster.lost)
}

func (cl *Cluster) patch(name string, text []byte) host.Output {
	id := nodeID(name)
	o := cl.objects[id.Key()]
	if o == nil {
		return fail(1, fmt.Sprintf("Error from server (NotFound): nodes %q not found", name))
	}
	var patch map[string]any
	if err := json.Unmarshal(text, &patch); err != nil {
		return fail(1, "error: "+err.Error())
	}
	metadata, _ := patch["metadata"].(map[string]any)
	have, _ := o.body["metadata"].(map[string]any)
	if version, fixed := metadata["resourceVersion"]; fixed && version != have["resourceVersion"] {
		return fail(1, fmt.Sprintf("Error from server (Conflict): Operation cannot be fulfilled on nodes %q: the object has been modified; please apply your changes to the latest version and try again", name))
	}
	cl.set(id, patched(o.body, patch), o.applied)
	return say("node/" + name + " patched\n")
}

// awaitAPI is script.APIAwaited.
func awaitAPI(c *Call) host.Output {
	if cl := c.m.cluster; cl != nil && cl.starting && !c.Exists(script.KubeadmBegun) {
		cl.starting, cl.down = false, false
	}
	return host.Output{}
}

// readManifest is script.Manifest.
func readManifest(c *Call) host.Output {
	if !c.Exists(adminConf) || c.m.cluster == nil || c.Exists(script.KubeadmBegun) {
		return host.Output{}
	}
	awaitAPI(c)
	ask := func(args ...string) host.Output {
		return c.Run(append([]string{"kubectl", "--kubeconfig=" + adminConf, "--cache-dir=/dev/null", "--request-timeout=20s"}, args...)...)
	}
	found := ask("-n", "kube-system", "get", "configmap", c.Argv[4], "--ignore-not-found", "-o", inventoryPath)
	if found.Code != 0 {
		return found
	}
	text := strings.TrimRight(string(found.Stdout), "\n")
	if text == "" {
		return say("cluster\n\n")
	}
	_, packed, _ := strings.Cut(text, "\n")
	c.Stdin = nil
	if r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed))); err == nil {
		var content bytes.Buffer
		if _, err := io.Copy(&content, r); err == nil {
			c.Stdin = content.Bytes()
		}
	}
	diff := ask("diff", "--server-side", "--force-conflicts", "--field-manager=kplan", "-f", "-")
	return host.Output{Stdout: fmt.Appendf(nil, "cluster\n%s\n%d\n", text, diff.Code), Stderr: diff.Stderr}
}
