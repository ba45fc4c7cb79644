package container

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var containerImage = resource.Define[ContainerImage]("container_image", resource.Batches(pullImages))

// ContainerImage is an image that containerd has for Kubernetes, so that no pod
// waits for it.
//
// It is pulled where it is not there, by crictl or, without that, by ctr, from
// the mirrors in /etc/containerd/certs.d; images of a machine that wait for
// nothing more are pulled side by side. An image that is there is not pulled
// again, also where its tag has moved on; a digest says which one it is.
// Without containerd's socket a machine has no images; a containerd that does
// not answer is an error. Delete removes the name; what was behind it goes with
// the kubelet's collection of images that nothing uses.
//
//	resource "container_image" "pause" {
//	  on         = hosts
//	  ref        = "registry.k8s.io/pause:3.10.1"
//	  depends_on = [service.containerd]
//	}
type ContainerImage struct {
	Ref string `cty:"ref" kplan:"id"` // in full: registry, path, and tag or digest
}

// imageRef is a name as containerd keeps it: nothing in it is left out.
var imageRef = regexp.MustCompile(`^(localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z0-9.-]+(?::[0-9]+)|\[[0-9a-f:]+\](?::[0-9]+)?)` + // registry
	`((?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+)` + // path
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$`)

// Validate implements resource.Validator.
func (i ContainerImage) Validate(unknown func(string) bool) error {
	bad := func(format string, args ...any) error {
		return &resource.FieldError{Field: "ref", Msg: fmt.Sprintf(format, args...)}
	}
	m := imageRef.FindStringSubmatch(i.Ref)
	switch {
	case unknown("ref"):
	case m == nil:
		return bad("%q is no full name of an image. Write registry, path, and a tag or digest, such as \"registry.k8s.io/pause:3.10.1\".", i.Ref)
	case m[1] == "docker.io" && strings.Count(m[2], "/") == 1:
		return bad("The name %q leaves a part of the path out. Write \"docker.io/library%s%s\".", i.Ref, m[2], m[3])
	}
	return nil
}

// Read makes one call.
func (i ContainerImage) Read(ctx context.Context, h host.Host) (*ContainerImage, error) {
	res, err := h.Do(ctx, host.Query{Argv: ofImages(script.FindImage, i.Ref), AnyExit: true})
	if err != nil {
		return nil, err
	}
	out := res[0].Output
	if out.Code != 0 {
		return nil, fmt.Errorf("containerd does not tell its images: %w", &host.ExitError{Argv: []string{"ctr"}, Output: out})
	}
	if !slices.Contains(strings.Fields(string(out.Stdout)), i.Ref) {
		return nil, nil
	}
	return &i, nil
}

func ofImages(text string, refs ...string) []string {
	return append([]string{"/bin/sh", "-c", text, "kplan"}, refs...)
}

// Apply makes one call, which may take long.
func (i ContainerImage) Apply(ctx context.Context, h host.Host, _ *ContainerImage) error {
	return pull(ctx, h, i.Ref)
}

// pullImages makes one call, which may take long.
func pullImages(ctx context.Context, h host.Host, changes []resource.Change[ContainerImage]) error {
	var refs []string
	for _, c := range changes {
		refs = append(refs, c.Want.Ref)
	}
	return pull(ctx, h, refs...)
}

func pull(ctx context.Context, h host.Host, refs ...string) error {
	_, err := h.Do(ctx, host.Run{Argv: ofImages(script.PullImages, refs...), Detached: true})
	return err
}

// Delete implements resource.Deleter.
func (i ContainerImage) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Run{Argv: ofImages(script.RemoveImage, i.Ref)})
	return err
}
