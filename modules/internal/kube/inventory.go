package kube

import (
	"bytes"
	"compress/gzip"
	"context"
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

// inventory is what is known in the cluster of a manifest: a ConfigMap in
// kube-system. Its objects are at least those that an apply may have made, also
// one that was cut off; its content is that of the last apply that ended, and
// empty before the first.
type inventory struct {
	cluster bool // the machine has one
	kept    bool // the cluster has the inventory
	objects []objects.ID
	content string
	inSync  bool // the objects are as the content says
}

// maxPacked bounds the packed content, which must pass through a ConfigMap (1
// MiB) and, as text, through the output of a command.
const maxPacked = 600 << 10

func inventoryName(manifest string) string { return "kplan-manifest-" + manifest }

// look makes one call.
func look(ctx context.Context, h host.Host, manifest string) (inventory, error) {
	res, err := h.Do(ctx, host.Query{Argv: []string{"sh", "-c", script.Manifest, "sh", inventoryName(manifest)}, AnyExit: true})
	if err != nil {
		return inventory{}, err
	}
	out := res[0].Output
	if out.Code != 0 {
		return inventory{}, noAnswer(out)
	}
	lines := strings.Split(strings.TrimSuffix(string(out.Stdout), "\n"), "\n")
	switch {
	case lines[0] == "":
		return inventory{}, nil
	case len(lines) == 2 && lines[1] == "":
		return inventory{cluster: true}, nil
	}
	found := inventory{cluster: true, kept: true}
	bad := fmt.Errorf("the ConfigMap %s in kube-system is not as kplan wrote it; delete it there, then apply again: the objects stay", inventoryName(manifest))
	if len(lines) != 4 || json.Unmarshal([]byte(lines[1]), &found.objects) != nil {
		return inventory{}, bad
	}
	if found.content, err = unpack(lines[2]); err != nil {
		return inventory{}, bad
	}
	found.inSync, err = inSync(lines[3], out)
	return found, err
}

// inSync judges how kubectl diff ended. That an object, its namespace or its
// kind is gone, or could not become as it was, is a difference too.
func inSync(code string, out host.Output) (bool, error) {
	said := string(out.Stderr)
	switch {
	case code == "0":
		return true, nil
	case code == "1", strings.Contains(said, noKind), strings.Contains(said, "(NotFound)"), strings.Contains(said, "(Invalid)"):
		return false, nil
	}
	return false, fmt.Errorf("kubectl cannot compare the objects with the cluster: %s", lastLine(out.Stderr))
}

// keep writes the inventory.
func keep(manifest, content string, ids []objects.ID) (host.Op, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	packed, err := pack(content)
	if err != nil {
		return nil, err
	}
	configMap, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": inventoryName(manifest), "namespace": "kube-system",
			"labels": map[string]string{"app.kubernetes.io/managed-by": "kplan"},
		},
		"data":       map[string]string{"objects": string(list)},
		"binaryData": map[string][]byte{"content": packed},
	})
	return host.Run{Argv: applyArgv, Stdin: configMap}, err
}

func pack(content string) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, content); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

func unpack(packed string) (string, error) {
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed)))
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	return string(content), err
}

// identities are those of a content that was found valid.
func identities(content string) []objects.ID {
	all, err := objects.Parse(content)
	if err != nil {
		return nil
	}
	ids := make([]objects.ID, len(all))
	for i, o := range all {
		ids[i] = o.ID
	}
	return ids
}

// deletions are what a plan says of objects that go.
func deletions(ids []objects.ID) []string {
	var said []string
	for _, id := range ids {
		said = append(said, "deletes "+id.String())
	}
	return said
}

// without is those of ids that are not in others.
func without(ids, others []objects.ID) []objects.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id objects.ID) bool {
		return slices.ContainsFunc(others, func(o objects.ID) bool { return o.Key() == id.Key() })
	})
}

func (m Manifest) keep(ctx context.Context, h host.Host, content string, ids []objects.ID) error {
	op, err := keep(m.Name, content, ids)
	if err == nil {
		_, err = h.Do(ctx, op)
	}
	return err
}
