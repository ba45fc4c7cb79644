package kube_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

type values = resourcetest.Values

const (
	one  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {key: \"1\"}\n"
	two  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n"
	kind = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: laws.kplan.example}
spec: {group: kplan.example, scope: Cluster, names: {plural: laws, kind: Law}}
`
	custom = "apiVersion: kplan.example/v1\nkind: Law\nmetadata: {name: first}\n"
)

func configMap(name string) hosttest.ObjectID {
	return hosttest.ObjectID{APIVersion: "v1", Kind: "ConfigMap", Name: name}
}

func kept(manifest string) hosttest.ObjectID {
	return hosttest.ObjectID{APIVersion: "v1", Kind: "ConfigMap", Namespace: "kube-system", Name: "kplan-manifest-" + manifest}
}

// tried is a machine, and what types do on it.
type tried struct {
	*testing.T
	m *hosttest.Machine
}

func (t tried) object(name string, v values) (*resource.Type, cty.Value) {
	t.Helper()
	typ, ok := modules.Lookup(name)
	if !ok {
		t.Fatalf("there is no type %s", name)
	}
	o, err := resourcetest.Object(typ.Schema, v)
	if err != nil {
		t.Fatal(err)
	}
	return typ, o
}

func (t tried) read(name string, v values) cty.Value {
	t.Helper()
	typ, want := t.object(name, v)
	got, err := typ.Read(t.Context(), t.m.Reader(), want)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// differs names the attributes that a plan would change.
func (t tried) differs(name string, v values) string {
	t.Helper()
	typ, want := t.object(name, v)
	return strings.Join(resourcetest.Diff(typ, want, t.read(name, v)), " ")
}

// apply applies v over what is read, and returns the acts.
func (t tried) apply(name string, v values) []hosttest.Act {
	t.Helper()
	before := len(t.m.Acts())
	if err := t.tryApply(name, v); err != nil {
		t.Fatal(err)
	}
	return t.m.Acts()[before:]
}

func (t tried) tryApply(name string, v values) error {
	t.Helper()
	typ, want := t.object(name, v)
	prior, err := typ.Read(t.Context(), t.m.Reader(), want)
	if err != nil {
		t.Fatal(err)
	}
	return typ.Apply(t.Context(), t.m.Host(), want, prior)
}

func (t tried) delete(name string, v values) []hosttest.Act {
	t.Helper()
	typ, recorded := t.object(name, v)
	before := len(t.m.Acts())
	if err := typ.Delete(t.Context(), t.m.Host(), recorded); err != nil {
		t.Fatal(err)
	}
	return t.m.Acts()[before:]
}

func on(t *testing.T) (tried, *hosttest.Cluster) {
	m := hosttest.New(hosttest.Report(t.Errorf))
	return tried{t, m}, m.Cluster("k8s-node1", "k8s-node2")
}

func TestManifestBeforeThereIsACluster(t *testing.T) {
	bare := tried{t, hosttest.New(hosttest.Report(t.Errorf))}
	want := values{"name": "a", "content": one}
	if got := bare.read("manifest", want); !got.IsNull() {
		t.Errorf("read %#v", got)
	}
	if err := bare.tryApply("manifest", want); err == nil || !strings.Contains(err.Error(), "make it a control plane first") {
		t.Errorf("the error is %v", err)
	}
	if acts := append(bare.delete("manifest", want), bare.m.Acts()...); len(acts) > 0 {
		t.Errorf("acts %v", acts)
	}
}

// It cannot be seen; the plan takes what is recorded then.
func TestWhereNothingAnswers(t *testing.T) {
	on, cluster := on(t)
	cluster.Down(true)
	typ, want := on.object("manifest", values{"name": "a", "content": one})
	for what, read := range map[string]func() error{
		"a manifest": func() error { _, err := typ.Read(t.Context(), on.m.Reader(), want); return err },
		"a node": func() error {
			typ, want := on.object("node", values{"name": "k8s-node2", "taints": []string{}})
			_, err := typ.Read(t.Context(), on.m.Reader(), want)
			return err
		},
	} {
		err := read()
		for _, says := range []string{"does not answer", "10.0.2.15:6443 was refused", "journalctl -u kubelet"} {
			if silent := (*resource.NoAnswerError)(nil); !errors.As(err, &silent) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: the error is %v, expected %q", what, err, says)
			}
		}
	}
}

// An API that is starting, as after a loss of power, is waited for.
func TestWhereTheAPIIsStarting(t *testing.T) {
	on, _ := on(t)
	for typ, want := range map[string]values{
		"manifest": {"name": "a", "content": one},
		"node":     {"name": "k8s-node2", "labels": map[string]string{"disk": "ssd"}},
	} {
		on.apply(typ, want)
		on.m.APIStarts()
		if diff := on.differs(typ, want); diff != "" {
			t.Errorf("%s: %s differ", typ, diff)
		}
	}
}

// A control plane that is still made may not answer: there is no cluster yet.
func TestBeforeTheControlPlaneIsMade(t *testing.T) {
	on, cluster := on(t)
	cluster.Down(true)
	on.m.Put(script.KubeadmBegun, "")
	for typ, want := range map[string]values{
		"manifest": {"name": "a", "content": one},
		"node":     {"name": "k8s-node2", "taints": []string{}},
	} {
		if got := on.read(typ, want); !got.IsNull() {
			t.Errorf("read %#v", got)
		}
		if err := on.tryApply(typ, want); err == nil || !strings.Contains(err.Error(), "make it a control plane first") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestManifestRepairsWhatOthersChanged(t *testing.T) {
	on, cluster := on(t)
	want := values{"name": "a", "content": kind + "---\n" + custom + "---\n" + one + "---\n" + two}
	on.apply("manifest", want)
	cluster.Edit(configMap("one"), func(body map[string]any) {
		body["metadata"].(map[string]any)["labels"] = map[string]any{"of": "others"}
	})
	if diff := on.differs("manifest", want); diff != "" {
		t.Errorf("a field that is not in the content: %s differ", diff)
	}
	for what, change := range map[string]func(){
		"edited": func() {
			cluster.Edit(configMap("one"), func(body map[string]any) { body["data"] = map[string]any{"key": "2"} })
		},
		"deleted": func() { cluster.Remove(configMap("two")) },
		"kind deleted": func() {
			cluster.Remove(hosttest.ObjectID{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: "laws.kplan.example"})
		},
	} {
		change()
		if diff := on.differs("manifest", want); diff != "in_sync" {
			t.Errorf("%s: %q differ", what, diff)
		}
		on.apply("manifest", want)
		if diff := on.differs("manifest", want); diff != "" {
			t.Errorf("%s, then applied: %q differ", what, diff)
		}
	}
	labels := cluster.Object(configMap("one"))["metadata"].(map[string]any)["labels"]
	if labels == nil {
		t.Error("the label of others is gone")
	}
}

func TestManifestPrunes(t *testing.T) {
	on, cluster := on(t)
	typ, both := on.object("manifest", values{"name": "a", "content": one + "---\n" + two})
	on.apply("manifest", values{"name": "a", "content": one + "---\n" + two})
	respelled := strings.Replace(two, "name: two", "name: two, namespace: default", 1)
	on.apply("manifest", values{"name": "a", "content": one + "---\n" + respelled})
	if cluster.Object(configMap("two")) == nil {
		t.Fatal("an object that is spelled in another way was deleted")
	}
	_, less := on.object("manifest", values{"name": "a", "content": one})
	if says := typ.Disrupts(less, both); !slices.Equal(says, []string{"deletes ConfigMap two"}) {
		t.Errorf("the plan says %q", says)
	}
	on.apply("manifest", values{"name": "a", "content": one, "prune": false})
	if cluster.Object(configMap("two")) == nil {
		t.Error("pruned, though it must not")
	}
	on.apply("manifest", values{"name": "a", "content": two})
	if cluster.Object(configMap("one")) != nil || cluster.Object(configMap("two")) == nil {
		t.Error("not pruned")
	}
}

// TestManifestCutOff cuts an apply off and goes on with other content, or with
// a delete: nothing that the first one made stays.
func TestManifestCutOff(t *testing.T) {
	for n := 1; ; n++ {
		on, cluster := on(t)
		on.m.Arrange(hosttest.Fault{Op: n, Acts: true, Done: true, Err: host.ErrLost})
		err := on.tryApply("manifest", values{"name": "a", "content": one + "---\n" + two})
		if on.m.Pending() {
			return
		}
		if err == nil {
			t.Fatalf("cut off after act %d, it gives no error", n)
		}
		if n%2 == 0 {
			on.apply("manifest", values{"name": "a", "content": one})
		} else {
			on.delete("manifest", values{"name": "a", "content": one})
		}
		if cluster.Object(configMap("two")) != nil {
			t.Errorf("cut off after act %d, an object stays", n)
		}
	}
}

func TestManifestKeepsItsContentOffTheCommandLine(t *testing.T) {
	on, _ := on(t)
	large := make([]byte, 100<<10)
	for i := range large {
		large[i] = 'a' + byte(rand.IntN(26))
	}
	want := values{"name": "a", "content": strings.Replace(one, `"1"`, string(large), 1) + "# hunter2\n"}
	for _, act := range on.apply("manifest", want) {
		if s := act.String(); len(s) > 300 || strings.Contains(s, "hunter2") {
			t.Errorf("%.400s", s)
		}
	}
	if diff := on.differs("manifest", want); diff != "" {
		t.Errorf("%s differ", diff)
	}
}

func TestManifestWaits(t *testing.T) {
	on, _ := on(t)
	content := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front, namespace: web}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
	waits := func(v values) (all []string) {
		for _, act := range on.apply("manifest", v) {
			if s := act.String(); strings.Contains(s, " wait ") || strings.Contains(s, " rollout ") {
				all = append(all, s[strings.LastIndexByte(s, ' ')+1:])
			}
		}
		return all
	}
	if got := waits(values{"name": "a", "content": content}); !slices.Equal(got, []string{"namespace/web", "deployment/front"}) {
		t.Errorf("it waits for %v", got)
	}
	if got := waits(values{"name": "b", "content": content, "wait": false}); len(got) > 0 {
		t.Errorf("without wait it waits for %v", got)
	}
}

func TestManifestDeletes(t *testing.T) {
	on, cluster := on(t)
	want := values{"name": "a", "content": kind + "---\n" + custom + "---\n" + one}
	on.apply("manifest", want)
	cluster.Remove(configMap("one"))
	cluster.Remove(hosttest.ObjectID{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: "laws.kplan.example"})
	acts := on.delete("manifest", want)
	all := string(acts[0].Op.(host.Run).Stdin)
	if !(strings.Index(all, `"one"`) < strings.Index(all, `"first"`) && strings.Index(all, `"first"`) < strings.Index(all, `"laws.kplan.example"`)) {
		t.Errorf("they are deleted in the order\n%s", all)
	}
	if cluster.Object(kept("a")) != nil || !on.read("manifest", want).IsNull() {
		t.Error("the inventory stays")
	}
}

func TestManifestSaysWhatKubectlSays(t *testing.T) {
	on, _ := on(t)
	err := on.tryApply("manifest", values{"name": "a", "content": strings.Replace(one, "name: one", "name: one, namespace: none", 1)})
	var exit *host.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), `namespaces "none" not found`) {
		t.Errorf("the error is %v", err)
	}
}

func TestManifestWithADamagedInventory(t *testing.T) {
	on, cluster := on(t)
	v := values{"name": "a", "content": one}
	on.apply("manifest", v)
	cluster.Edit(kept("a"), func(body map[string]any) { body["binaryData"] = map[string]any{"content": "AAAA"} })
	typ, want := on.object("manifest", v)
	if _, err := typ.Read(t.Context(), on.m.Reader(), want); err == nil || !strings.Contains(err.Error(), "delete it there") {
		t.Errorf("the error is %v", err)
	}
}

func TestManifestsClaimTheirObjects(t *testing.T) {
	typ, a := tried{T: t}.object("manifest", values{"name": "a", "content": one})
	_, b := tried{T: t}.object("manifest", values{"name": "b", "content": two + "---\n" + one})
	common := func(claim string) bool { return slices.Contains(typ.Claims(b), claim) }
	if got := typ.Claims(a); slices.IndexFunc(got, common) != 1 || common(got[0]) {
		t.Errorf("%q and %q", got, typ.Claims(b))
	}
}
