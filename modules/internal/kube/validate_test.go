package kube_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/resource"
)

func TestValidate(t *testing.T) {
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	for _, c := range []struct {
		typ   string
		v     values
		field string
		says  string
	}{
		{"manifest", values{"name": "A b", "content": one}, "name", "lower case"},
		{"manifest", values{"name": strings.Repeat("a", 250), "content": one}, "name", "lower case"},
		{"manifest", values{"name": "a", "content": one, "in_sync": false}, "in_sync", "Leave it out"},
		{"manifest", values{"name": "a", "content": ""}, "content", "no object"},
		{"manifest", values{"name": "a", "content": "# nothing\n---\n"}, "content", "no object"},
		{"manifest", values{"name": "a", "content": "a: ["}, "content", "In the content, document 1 is no YAML"},
		{"manifest", values{"name": "a", "content": one + "---\nkind: X\n"}, "content", "In the content, document 2 has no apiVersion"},
		{"manifest", values{"name": "a", "content": one + "---\n" + one}, "content", "which document 1 holds already"},
		{"manifest", values{"name": "a", "content": one + "# " + hex.EncodeToString(noise)}, "content", "Write several manifests"},
		{"node", values{"name": "K8S", "labels": map[string]string{}}, "name", "lower case"},
		{"node", values{"name": "--all", "labels": map[string]string{}}, "name", "lower case"},
		{"node", values{"name": "a"}, "labels", "Nothing"},
		{"node", values{"name": "a", "labels": map[string]string{"a b": "c"}}, "labels", "no key of a label"},
		{"node", values{"name": "a", "labels": map[string]string{"a": "b c"}}, "labels", "for an annotation"},
		{"node", values{"name": "a", "annotations": map[string]string{"/a": "b c"}}, "annotations", "no key of an annotation"},
		{"node", values{"name": "a", "annotations": map[string]string{"kplan/managed": "x"}}, "annotations", "Leave it out"},
		{"node", values{"name": "a", "taints": []string{"a=b"}}, "taints", "no effect"},
		{"node", values{"name": "a", "taints": []string{"a=b:Never"}}, "taints", "no effect"},
		{"node", values{"name": "a", "taints": []string{":NoSchedule"}}, "taints", "is no taint"},
		{"node", values{"name": "a", "taints": []string{"a=:NoSchedule"}}, "taints", `Write "a:NoSchedule"`},
		{"node", values{"name": "a", "taints": []string{"node.kubernetes.io/not-ready:NoSchedule"}}, "taints", "itself"},
		{"node", values{"name": "a", "taints": []string{"a=b:NoSchedule", "a=c:NoSchedule"}}, "taints", "twice"},
	} {
		typ, v := tried{T: t}.object(c.typ, c.v)
		var bad *resource.FieldError
		if err := typ.Validate(v); !errors.As(err, &bad) {
			t.Errorf("%s %.200v: the error is %v", c.typ, c.v, err)
			continue
		}
		if bad.Field != c.field || !strings.Contains(bad.Msg, c.says) || !strings.HasSuffix(bad.Msg, ".") {
			t.Errorf("%s %.200v: %s: %s\nexpected of %s: %q", c.typ, c.v, bad.Field, bad.Msg, c.field, c.says)
		}
	}
}
