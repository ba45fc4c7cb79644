package kube_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/host/hosttest"
)

var second = hosttest.ObjectID{APIVersion: "v1", Kind: "Node", Name: "k8s-node2"}

// marks are what a node has, as one text.
func marks(cluster *hosttest.Cluster) string {
	body := cluster.Object(second)
	metadata := body["metadata"].(map[string]any)
	spec, _ := body["spec"].(map[string]any)
	return fmt.Sprint(metadata["labels"], metadata["annotations"], spec["taints"])
}

func taint(key string) map[string]any { return map[string]any{"key": key, "effect": "NoSchedule"} }

func TestNodeBeforeItHasJoined(t *testing.T) {
	want := values{"name": "k8s-node3", "labels": map[string]string{"disk": "ssd"}}
	on, _ := on(t)
	for says, m := range map[string]tried{
		"make it a control plane first":                  {t, hosttest.New(hosttest.Report(t.Errorf))},
		"no node k8s-node3; let that machine join first": on,
	} {
		if got := m.read("node", want); !got.IsNull() {
			t.Errorf("read %#v", got)
		}
		if err := m.tryApply("node", want); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v, expected %q", err, says)
		}
		if acts := m.delete("node", want); len(acts) > 0 {
			t.Errorf("acts %v", acts)
		}
	}
}

func TestNodeWhereNothingAnswers(t *testing.T) {
	on, cluster := on(t)
	cluster.Down(true)
	typ, want := on.object("node", values{"name": "k8s-node2", "taints": []string{}})
	if _, err := typ.Read(t.Context(), on.m.Reader(), want); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("the error is %v", err)
	}
}

// TestNodeLeavesWhatIsOfOthers also deletes: what is left is what was there.
func TestNodeLeavesWhatIsOfOthers(t *testing.T) {
	on, cluster := on(t)
	cluster.Edit(second, func(body map[string]any) {
		body["metadata"].(map[string]any)["annotations"] = map[string]any{"of": "others"}
	})
	before := marks(cluster)
	want := values{
		"name": "k8s-node2", "labels": map[string]string{"disk": "ssd", "zone": "a"}, "annotations": map[string]string{"note": "x"},
		"taints": []string{"dedicated=storage:NoSchedule"},
	}
	on.apply("node", want)
	less := values{"name": "k8s-node2", "labels": map[string]string{"disk": "ssd"}, "annotations": map[string]string{}}
	if diff := on.differs("node", less); diff != "labels annotations" {
		t.Errorf("with keys that are dropped, %q differ", diff)
	}
	on.apply("node", less)
	after := marks(cluster)
	for _, stays := range []string{"kubernetes.io/hostname:k8s-node2", "of:others", "node.kubernetes.io/not-ready", "disk:ssd", "dedicated"} {
		if !strings.Contains(after, stays) {
			t.Errorf("%s is gone: %s", stays, after)
		}
	}
	if strings.Contains(after, "zone") || strings.Contains(after, "note:") {
		t.Errorf("a dropped key stays: %s", after)
	}
	on.delete("node", want)
	if after := marks(cluster); after != before {
		t.Errorf("after its delete it has\n%s\nbefore\n%s", after, before)
	}
}

func TestNodeWithoutTaints(t *testing.T) {
	on, cluster := on(t)
	cluster.Edit(second, func(body map[string]any) {
		body["spec"] = map[string]any{"taints": []any{taint("node-role.kubernetes.io/control-plane"), taint("node.kubernetes.io/unschedulable")}}
	})
	on.apply("node", values{"name": "k8s-node2", "taints": []string{}})
	if after := marks(cluster); strings.Contains(after, "control-plane") || !strings.Contains(after, "unschedulable") {
		t.Error(after)
	}
	if diff := on.differs("node", values{"name": "k8s-node2", "taints": []string{}}); diff != "" {
		t.Errorf("%s differ", diff)
	}
}

// TestNodeThatOthersChangeMeanwhile: a taint that a controller sets between the
// reading and the patch is not lost.
func TestNodeThatOthersChangeMeanwhile(t *testing.T) {
	on, cluster := on(t)
	entered, release := on.m.Block(func(op host.Op) bool { return op.Acts() })
	done := make(chan error)
	typ, want := on.object("node", values{"name": "k8s-node2", "taints": []string{"a:NoSchedule"}})
	go func() { done <- typ.Apply(t.Context(), on.m.Host(), want, cty.NullVal(typ.Schema.Object())) }()
	<-entered
	cluster.Edit(second, func(body map[string]any) {
		body["spec"] = map[string]any{"taints": []any{taint("node.kubernetes.io/memory-pressure")}}
	})
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if after := marks(cluster); !strings.Contains(after, "memory-pressure") || !strings.Contains(after, "key:a") {
		t.Error(after)
	}
}

func TestNodeAdopts(t *testing.T) {
	on, _ := on(t)
	has := values{"name": "k8s-node2", "labels": map[string]string{"kubernetes.io/hostname": "k8s-node2"}}
	if diff := on.differs("node", has); diff != "" {
		t.Errorf("%s differ, though the node is as wanted", diff)
	}
}

func TestNodeSaysWhatItEvicts(t *testing.T) {
	typ, want := tried{T: t}.object("node", values{"name": "n", "taints": []string{"a:NoSchedule", "b:NoExecute"}})
	_, prior := tried{T: t}.object("node", values{"name": "n", "taints": []string{}})
	if got := typ.Disrupts(want, prior); !slices.Equal(got, []string{"evicts pods that do not tolerate b:NoExecute from n"}) {
		t.Errorf("%q", got)
	}
	if got := typ.Disrupts(want, want); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
