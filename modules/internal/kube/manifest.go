package kube

import (
	"context"
	"fmt"
	"regexp"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
	"github.com/kplan/kplan/modules/resource"
)

var manifest = resource.Define[Manifest]("manifest", resource.Shared)

// Manifest is objects of a Kubernetes cluster, as the YAML that describes them.
//
// It is on one machine of the control plane; where that is another one now, the
// objects stay as they are. Objects are applied by the server,
// as the field manager kplan: what the content does not set stays with whoever
// sets it, what it sets is taken over. Namespaces and definitions of custom
// resources come first, wherever they stand. What was applied last is kept in
// the ConfigMap kplan-manifest-NAME in kube-system, in full, so that a Secret
// does not belong in it. Objects that were changed or deleted behind kplan's
// back are made again. What is rolled out by hand (the strategy OnDelete) cannot
// be waited for: set wait = false. Delete removes the objects, the last one
// first, and waits until they are gone.
//
//	resource "manifest" "network" {
//	  on      = host.k8s-node1
//	  name    = "network"
//	  content = file("kube-flannel.yaml")
//	}
type Manifest struct {
	Name    string `cty:"name" kplan:"id"`                  // of the manifest, in its cluster
	Content string `cty:"content" kplan:"required"`         // YAML, one or many documents
	Prune   bool   `cty:"prune" kplan:"asked,default=true"` // delete objects that the content does not name any more
	Wait    bool   `cty:"wait" kplan:"asked,default=true"`  // until Deployments, DaemonSets and StatefulSets are rolled out and Namespaces active
	InSync  bool   `cty:"in_sync" kplan:"default=true"`     // the objects are as the content says; shown as false where one is not
}

var manifestName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?$`)

// Validate implements resource.Validator.
func (m Manifest) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	if !unknown("name") && !manifestName.MatchString(m.Name) {
		return bad("name", "%q cannot be the name of a manifest. Write lower case letters, digits, dashes and dots.", m.Name)
	}
	if !unknown("in_sync") && !m.InSync {
		return bad("in_sync", "It tells what was found, and is never wanted false. Leave it out.")
	}
	if unknown("content") {
		return nil
	}
	all, err := objects.Parse(m.Content)
	if err != nil {
		return bad("content", "In the content, %v.", err)
	}
	if len(all) == 0 {
		return bad("content", "The content holds no object. Write at least one, or leave the resource out.")
	}
	packed, err := pack(m.Content)
	if err == nil && len(packed) > maxPacked {
		return bad("content", "The content is too large to be kept in the cluster: %d KiB when packed, %d at most. Write several manifests.", len(packed)>>10, maxPacked>>10)
	}
	return err
}

// Claims implements resource.Claimer.
func (m Manifest) Claims() []string {
	claims := []string{"manifest " + m.Name}
	for _, id := range identities(m.Content) {
		claims = append(claims, "object "+id.Key())
	}
	return claims
}

// Disrupts implements resource.Disrupter.
func (m Manifest) Disrupts(prior *Manifest) []string {
	if prior == nil || !m.Prune || m.Content == "" {
		return nil
	}
	return deletions(without(identities(prior.Content), identities(m.Content)))
}

// Read makes one call. Content is what was applied last; it is empty where the
// first apply was cut off.
func (m Manifest) Read(ctx context.Context, h host.Host) (*Manifest, error) {
	found, err := look(ctx, h, m.Name)
	if err != nil || !found.kept {
		return nil, err
	}
	return &Manifest{Name: m.Name, Content: found.content, Prune: m.Prune, Wait: m.Wait, InSync: found.inSync && found.content != ""}, nil
}

// Apply begins as Read does. Before anything is made the inventory names it, and
// it says that the content is applied when all is done: an apply that is cut off
// anywhere leaves nothing that the next one does not know of.
func (m Manifest) Apply(ctx context.Context, h host.Host, _ *Manifest) error {
	wanted, err := objects.Parse(m.Content)
	if err != nil {
		return err
	}
	found, err := look(ctx, h, m.Name)
	if err != nil {
		return err
	}
	if !found.cluster {
		return errNoCluster
	}
	ids := identities(m.Content)
	old := without(found.objects, ids)
	if fresh := without(ids, found.objects); len(fresh) > 0 || !found.kept {
		if err := m.keep(ctx, h, found.content, append(old[:len(old):len(old)], ids...)); err != nil {
			return err
		}
	}
	if err := roll(ctx, h, wanted, m.Wait); err != nil {
		return err
	}
	if m.Prune {
		if err := remove(ctx, h, old); err != nil {
			return err
		}
	}
	return m.keep(ctx, h, m.Content, ids)
}

// RefreshWord implements resource.Refresher.
func (m Manifest) RefreshWord() string { return "apply" }

// Refresh applies the content again.
func (m Manifest) Refresh(ctx context.Context, h host.Host) error { return m.Apply(ctx, h, nil) }

// Delete implements resource.Deleter. What the inventory names is deleted, not
// what is recorded: an apply that was cut off may have made more.
func (m Manifest) Delete(ctx context.Context, h host.Host) error {
	found, err := look(ctx, h, m.Name)
	if err != nil || !found.kept {
		return err
	}
	if err := remove(ctx, h, found.objects); err != nil {
		return err
	}
	_, err = h.Do(ctx, host.Run{Argv: kubectl("-n", "kube-system", "delete", "configmap", inventoryName(m.Name), "--ignore-not-found")})
	return err
}
