package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
)

// nodeObject is what is looked at of a Node.
type nodeObject struct {
	Metadata struct {
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Taints []taint `json:"taints"`
	} `json:"spec"`
}

type taint struct {
	Key       string `json:"key"`
	Value     string `json:"value,omitempty"`
	Effect    string `json:"effect"`
	TimeAdded string `json:"timeAdded,omitempty"`
}

func (t taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + t.Effect
	}
	return t.Key + "=" + t.Value + ":" + t.Effect
}

func parseTaint(s string) taint {
	i := strings.LastIndexByte(s, ':')
	key, value, _ := strings.Cut(s[:max(i, 0)], "=")
	return taint{Key: key, Value: value, Effect: s[i+1:]}
}

// clusters are the beginnings of the keys that the cluster taints nodes with
// itself.
var clusters = []string{"node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"}

func ofCluster(key string) bool {
	return slices.ContainsFunc(clusters, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// taints are those that the cluster set, and the others as they are written.
func (n *nodeObject) taints() (own []taint, others []string) {
	own, others = []taint{}, []string{}
	for _, t := range n.Spec.Taints {
		if ofCluster(t.Key) {
			own = append(own, t)
		} else {
			others = append(others, t.String())
		}
	}
	return own, others
}

// tainted are taints as they are written; those that the node has are kept as
// it has them.
func tainted(written []string, have []taint) []taint {
	var all []taint
	for _, s := range written {
		if i := slices.IndexFunc(have, func(t taint) bool { return t.String() == s }); i >= 0 {
			all = append(all, have[i])
		} else {
			all = append(all, parseTaint(s))
		}
	}
	return all
}

// markKey is the annotation that says which keys kplan set.
const markKey = "kplan/managed"

type mark struct {
	Labels      []string `json:"labels"`
	Annotations []string `json:"annotations"`
}

// mark is what the node's annotation says. One that somebody broke says
// nothing.
func (n *nodeObject) mark() (m mark, ok bool) {
	text, ok := n.Metadata.Annotations[markKey]
	if json.Unmarshal([]byte(text), &m) != nil {
		return mark{}, ok
	}
	return m, ok
}

// note sets the keys of what n manages.
func (m *mark) note(n Node) {
	if n.Labels != nil {
		m.Labels = slices.Sorted(maps.Keys(n.Labels))
	}
	if n.Annotations != nil {
		m.Annotations = slices.Sorted(maps.Keys(n.Annotations))
	}
}

func (m mark) String() string {
	text, _ := json.Marshal(m) // two lists of strings
	return string(text)
}

// lookedAt is what was found of a node; nil where it has not joined.
type lookedAt struct {
	cluster bool
	node    *nodeObject
}

// lookNode makes one call. An API that is starting is waited for.
func lookNode(ctx context.Context, h host.Host, name string) (lookedAt, error) {
	res, err := h.Do(
		ctx,
		host.Query{Argv: []string{"test", "-e", adminConf}, AnyExit: true},
		host.Query{Argv: []string{"test", "-e", script.KubeadmBegun}, AnyExit: true},
		host.Query{Argv: []string{"sh", "-c", script.APIAwaited}, AnyExit: true},
		host.Query{Argv: kubectl("--request-timeout=20s", "get", "node", name, "--ignore-not-found", "-o", "json"), AnyExit: true},
	)
	if err != nil {
		return lookedAt{}, err
	}
	out := res[3].Output
	switch {
	// There is no cluster, or it is still made, or the command is not there.
	case res[0].Output.Code != 0, res[1].Output.Code == 0, out.Code == 127:
		return lookedAt{}, nil
	case out.Code != 0:
		return lookedAt{}, noAnswer(out)
	case len(out.Stdout) == 0:
		return lookedAt{cluster: true}, nil
	}
	found := lookedAt{cluster: true, node: &nodeObject{}}
	if err := json.Unmarshal(out.Stdout, found.node); err != nil {
		return lookedAt{}, fmt.Errorf("what kubectl says of the node %s cannot be read: %w", name, err)
	}
	return found, nil
}

// patch is a change of a node; a nil value takes a key away, nil taints stay.
type patch struct {
	labels, annotations map[string]*string
	taints              []taint
	version             string // the node must have it still; "" for any
}

// tries bounds how often a change begins again because somebody else changed
// the node meanwhile: its controllers set taints too, and the list is one value.
const tries = 5

// change looks at the node and patches it. An empty patch does nothing.
func change(ctx context.Context, h host.Host, name string, decide func(lookedAt) (patch, error)) error {
	for try := 1; ; try++ {
		found, err := lookNode(ctx, h, name)
		if err != nil {
			return err
		}
		p, err := decide(found)
		if err != nil || p.annotations == nil {
			return err
		}
		run, err := p.run(name)
		if err != nil {
			return err
		}
		res, err := h.Do(ctx, run)
		if err != nil {
			return err
		}
		out := res[0].Output
		if out.Code == 0 {
			return nil
		}
		if try == tries || !strings.Contains(string(out.Stderr), "(Conflict)") {
			return &host.ExitError{Argv: run.Argv, Output: out}
		}
	}
}

func (p patch) run(name string) (host.Run, error) {
	metadata := map[string]any{"labels": p.labels, "annotations": p.annotations}
	body := map[string]any{"metadata": metadata}
	if p.version != "" {
		metadata["resourceVersion"] = p.version
		body["spec"] = map[string]any{"taints": p.taints}
	}
	text, err := json.Marshal(body)
	return host.Run{Argv: kubectl("patch", "node", name, "--type=merge", "--patch-file=/dev/stdin"), Stdin: text, AnyExit: true}, err
}
