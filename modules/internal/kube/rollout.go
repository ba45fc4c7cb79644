package kube

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
)

var applyArgv = kubectl("apply", "--server-side", "--field-manager=kplan", "--force-conflicts", "-f", "-")

// roll applies all objects. Namespaces and definitions come before what may
// need them, and a definition must be established: without it the server knows
// no such kind. Waiting ends with the step's own time.
func roll(ctx context.Context, h host.Host, all []objects.Object, wait bool) error {
	var first, rest []objects.Object
	for _, o := range all {
		if foundation(o.ID) {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	for _, part := range [][]objects.Object{first, rest} {
		if len(part) == 0 {
			continue
		}
		if err := long(ctx, h, applyArgv, texts(part)); err != nil {
			return err
		}
		for _, o := range part {
			argv := waiting(o.ID)
			if argv == nil || !wait && o.Kind != definition {
				continue
			}
			if err := long(ctx, h, argv, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

const definition = "CustomResourceDefinition"

func foundation(id objects.ID) bool {
	return id.Group() == "" && id.Kind == "Namespace" || id.Group() == "apiextensions.k8s.io" && id.Kind == definition
}

// waiting is the command that ends once the object is up; nil for those that
// are at once.
func waiting(id objects.ID) []string {
	switch group := id.Group(); {
	case group == "" && id.Kind == "Namespace":
		return kubectl("wait", "--for=jsonpath={.status.phase}=Active", "--timeout=-1s", "namespace/"+id.Name)
	case group == "apiextensions.k8s.io" && id.Kind == definition:
		return kubectl("wait", "--for=condition=Established", "--timeout=-1s", "customresourcedefinition/"+id.Name)
	case group == "apps" && slices.Contains([]string{"Deployment", "DaemonSet", "StatefulSet"}, id.Kind):
		return kubectl("-n", id.InNamespace(), "rollout", "status", strings.ToLower(id.Kind)+"/"+id.Name)
	}
	return nil
}

// long runs what may take long.
func long(ctx context.Context, h host.Host, argv []string, stdin string) error {
	_, err := h.Do(ctx, host.Run{Argv: argv, Stdin: []byte(stdin), Detached: true})
	return err
}

func texts(all []objects.Object) string {
	docs := make([]string, len(all))
	for i, o := range all {
		docs[i] = o.Text
	}
	return strings.Join(docs, "---\n")
}

// noKind is what kubectl says of an object whose kind the server does not know.
const noKind = "no matches for kind"

// remove deletes objects, the last one first, and waits until they are gone.
// One that is not there is gone, and so is one whose kind is.
func remove(ctx context.Context, h host.Host, ids []objects.ID) error {
	if len(ids) == 0 {
		return nil
	}
	var docs []string
	for _, id := range slices.Backward(ids) {
		doc, err := json.Marshal(map[string]any{
			"apiVersion": id.APIVersion, "kind": id.Kind,
			"metadata": map[string]string{"name": id.Name, "namespace": id.Namespace},
		})
		if err != nil {
			return err
		}
		docs = append(docs, string(doc))
	}
	run := host.Run{
		Argv:  kubectl("delete", "--ignore-not-found", "--wait", "-f", "-"),
		Stdin: []byte(strings.Join(docs, "\n---\n") + "\n"), Detached: true, AnyExit: true,
	}
	res, err := h.Do(ctx, run)
	if err != nil {
		return err
	}
	if out := res[0].Output; out.Code != 0 && !onlyUnknown(string(out.Stderr)) {
		return &host.ExitError{Argv: run.Argv, Output: out}
	}
	return nil
}

// onlyUnknown tells whether all that kubectl complains of is kinds that the
// server does not know.
func onlyUnknown(said string) bool {
	for line := range strings.Lines(said) {
		if !strings.Contains(line, noKind) && !strings.HasPrefix(line, "ensure CRDs are installed first") {
			return false
		}
	}
	return said != ""
}
