package hosttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
)

// Cluster is a Kubernetes cluster that a machine is a control plane of: a store
// of objects, which kubectl asks. Nothing runs in it; what is applied is up at
// once.
type Cluster struct {
	m        *Machine
	objects  map[string]*stored
	version  int
	down     bool
	tokens   map[string]string // for joining, with their descriptions
	etcd     []EtcdMember
	members  uint64          // so many there ever were
	young    bool            // nodes and DNS get ready once somebody waits for them
	ill      map[string]bool // what does not work, whoever waits
	addons   map[string]bool // that are there
	kubelet  string          // the configuration of the kubelets, as in the ConfigMap kubelet-config
	starting bool            // and will answer once it is waited for
	asleep   map[string]bool // nodes of which it is known that their kubelets do not answer
	lost     []string        // nodes that were deleted before they were drained
}

// ObjectID is which object it is.
type ObjectID = objects.ID

// stored is one object, and what the field manager kplan applied of it last.
type stored struct {
	id      objects.ID
	body    map[string]any
	applied map[string]any
}

const adminConf = "/etc/kubernetes/admin.conf"

// Cluster makes the machine a control plane of a new cluster with these nodes.
func (m *Machine) Cluster(nodes ...string) *Cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found(nodes...)
	return m.cluster
}

// found is Cluster; m.mu is held.
func (m *Machine) found(nodes ...string) {
	c := &Cluster{m: m, objects: map[string]*stored{}, tokens: map[string]string{}, asleep: map[string]bool{}, young: true, kubelet: kubeletConfig, addons: map[string]bool{"coredns": true, "kube-proxy": true}}
	for _, name := range []string{"default", "kube-system"} {
		c.set(objects.ID{APIVersion: "v1", Kind: "Namespace", Name: name}, map[string]any{}, nil)
	}
	for i, name := range nodes {
		c.join(name, m.facts.MachineID)
		if i == 0 {
			c.grow(name, name)
		}
	}
	m.put(adminConf, AdminConf(time.Now().AddDate(1, 0, 0)))
	m.tree[adminConf].mode = 0o600
	m.cluster = c
}

// nodeID is the object of a node.
func nodeID(name string) objects.ID { return objects.ID{APIVersion: "v1", Kind: "Node", Name: name} }

// taken is what kubeadm says of a node that is Ready, though its machine has no
// kubelet; nil where the name is free.
func (c *Call) taken(plane *Cluster, name string) *host.Output {
	if plane.objects[nodeID(name).Key()] == nil || plane.asleep[name] || c.Exists(kubeDir+"/kubelet.conf") {
		return nil
	}
	out := fail(1, fmt.Sprintf("a Node with name %q and status \"Ready\" already exists in the cluster", name))
	return &out
}

// join puts a node in.
func (c *Cluster) join(name, machine string) {
	delete(c.asleep, name)
	c.set(nodeID(name), map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"kubernetes.io/hostname": name}},
		"spec":     map[string]any{"taints": []any{map[string]any{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}}},
		"status":   map[string]any{"nodeInfo": map[string]any{"machineID": machine}},
	}, nil)
}

// Down stops the API, or lets it answer again.
func (c *Cluster) Down(down bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.down = down
}

// APIStarts stops the API of the machine's cluster, which answers again once
// somebody waits for it.
func (m *Machine) APIStarts() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster.down, m.cluster.starting = true, true
}

// APIStops stops the API of the machine's cluster until its control plane is
// written again.
func (m *Machine) APIStops() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster.down = true
}

// Object is a copy of an object as it is now; nil where there is none.
func (c *Cluster) Object(id ObjectID) map[string]any {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if o := c.objects[id.Key()]; o != nil {
		return copied(o.body)
	}
	return nil
}

// Edit changes an object as somebody else would; change may be nil, to do no
// more than give it another version.
func (c *Cluster) Edit(id ObjectID, change func(body map[string]any)) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	o := c.objects[id.Key()]
	body := copied(o.body)
	if change != nil {
		change(body)
	}
	c.set(id, body, o.applied)
}

// Remove deletes an object as somebody else would.
func (c *Cluster) Remove(id ObjectID) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.remove(id)
}

// set puts an object in, with the next version.
func (c *Cluster) set(id objects.ID, body, applied map[string]any) {
	c.version++
	body = overlay(body, nil, map[string]any{
		"apiVersion": id.APIVersion, "kind": id.Kind,
		"metadata": map[string]any{"name": id.Name, "resourceVersion": strconv.Itoa(c.version)},
	})
	if id.Kind == "Namespace" {
		body["status"] = map[string]any{"phase": "Active"}
	}
	c.objects[id.Key()] = &stored{id: id, body: body, applied: applied}
}

// remove takes an object out, with what is in a namespace or of a definition.
func (c *Cluster) remove(id objects.ID) {
	o := c.objects[id.Key()]
	delete(c.objects, id.Key())
	for _, other := range slices.Collect(maps.Values(c.objects)) {
		in := id.Kind == "Namespace" && namespaced(other.id) && other.id.InNamespace() == id.Name
		of := id.Kind == definition && o != nil && defines(o.body, other.id)
		if in || of {
			delete(c.objects, other.id.Key())
		}
	}
}

const definition = "CustomResourceDefinition"

// kinds are those that every cluster knows, as far as tests use them; true for
// those that are in a namespace.
var kinds = map[string]bool{
	" Namespace": false, " Node": false, " ConfigMap": true, " Secret": true, " Service": true, " ServiceAccount": true,
	"apps Deployment": true, "apps DaemonSet": true, "apps StatefulSet": true,
	"apiextensions.k8s.io " + definition: false, "rbac.authorization.k8s.io ClusterRole": false,
}

func namespaced(id objects.ID) bool {
	in, builtIn := kinds[id.Group()+" "+id.Kind]
	return in || !builtIn
}

func (c *Cluster) knows(id objects.ID) bool {
	if _, ok := kinds[id.Group()+" "+id.Kind]; ok {
		return true
	}
	for _, o := range c.objects {
		if o.id.Kind == definition && defines(o.body, id) {
			return true
		}
	}
	return false
}

func defines(body map[string]any, id objects.ID) bool {
	spec, _ := body["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	return spec["group"] == id.Group() && names["kind"] == id.Kind
}

// merged is the object after an apply of wanted, and whether that changes it.
func (c *Cluster) merged(o objects.Object) (body, wanted map[string]any, changes bool, err error) {
	text, err := o.JSON()
	if err != nil {
		return nil, nil, false, err
	}
	if err := json.Unmarshal(text, &wanted); err != nil {
		return nil, nil, false, err
	}
	old := c.objects[o.Key()]
	if old == nil {
		return wanted, wanted, true, nil
	}
	body = overlay(old.body, old.applied, wanted)
	return body, wanted, !reflect.DeepEqual(body, old.body), nil
}

// overlay is live with wanted laid over it, without what was applied last and
// is wanted no more.
func overlay(live, last, wanted map[string]any) map[string]any {
	out := copied(live)
	for k, v := range last {
		if _, still := wanted[k]; still {
			continue
		}
		inner, isMap := v.(map[string]any)
		have, _ := out[k].(map[string]any)
		if rest := overlay(have, inner, nil); isMap && len(rest) > 0 {
			out[k] = rest
		} else {
			delete(out, k)
		}
	}
	for k, v := range wanted {
		if inner, isMap := v.(map[string]any); isMap {
			have, _ := out[k].(map[string]any)
			before, _ := last[k].(map[string]any)
			out[k] = overlay(have, before, inner)
		} else {
			out[k] = v
		}
	}
	return out
}

// patched is a JSON merge patch (RFC 7386).
func patched(target, patch map[string]any) map[string]any {
	out := copied(target)
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out, k)
		case map[string]any:
			have, _ := out[k].(map[string]any)
			out[k] = patched(have, v)
		default:
			out[k] = v
		}
	}
	return out
}

// copied is a copy as deep as maps go.
func copied(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			v = copied(inner)
		}
		out[k] = v
	}
	return out
}

// lower is the kind as kubectl prints it: configmap/x, deployment.apps/x.
func lower(id objects.ID) string {
	if id.Group() == "" {
		return strings.ToLower(id.Kind) + "/" + id.Name
	}
	return strings.ToLower(id.Kind) + "." + id.Group() + "/" + id.Name
}
