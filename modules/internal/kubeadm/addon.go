package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var kubeadmAddon = resource.Define[KubeadmAddon]("kubeadm_addon", resource.Shared)

// KubeadmAddon is an addon that kubeadm brings to a cluster: coredns or
// kube-proxy.
//
// kubeadm init brings both, unless its configuration leaves one out by
// skip_phases = ["addon/coredns"]. Where an object of an addon was deleted, it is
// brought again; what else was changed in one stays. It is on one machine of the
// control plane. It cannot be deleted, and is forgotten where it leaves the spec.
//
//	resource "kubeadm_addon" "dns" {
//	  on         = host.k8s-node1
//	  name       = "coredns"
//	  config     = kubeadm_config.main.path
//	  depends_on = [kubeadm_control_plane.main]
//	}
type KubeadmAddon struct {
	Name   string `cty:"name" kplan:"id"`               // coredns or kube-proxy
	Config string `cty:"config" kplan:"required,asked"` // file with kubeadm's configuration
}

// addons are the objects of each, in kube-system, that make it one
// (kubernetes/kubernetes, cmd/kubeadm/app/phases/addons).
var addons = map[string][]string{
	"coredns":    {"deployment.apps/coredns", "service/kube-dns"},
	"kube-proxy": {"daemonset.apps/kube-proxy"},
}

// Validate implements resource.Validator.
func (a KubeadmAddon) Validate(unknown func(string) bool) error {
	if !unknown("name") && addons[a.Name] == nil {
		return &resource.FieldError{Field: "name", Msg: fmt.Sprintf("kubeadm has no addon %q. Write \"coredns\" or \"kube-proxy\".", a.Name)}
	}
	return nil
}

// Read makes one call.
func (a KubeadmAddon) Read(ctx context.Context, h host.Host) (*KubeadmAddon, error) {
	get := kubectl(append(append([]string{"--request-timeout=20s", "-n", "kube-system", "get"}, addons[a.Name]...), "--ignore-not-found", "-o", "name")...)
	res, err := h.Do(
		ctx,
		host.Query{Argv: []string{"test", "-e", adminFile}, AnyExit: true},
		host.Query{Argv: []string{"test", "-e", script.KubeadmBegun}, AnyExit: true},
		awaited,
		host.Query{Argv: get.Argv, AnyExit: true},
	)
	if err != nil {
		return nil, err
	}
	out := res[3].Output
	switch {
	// There is no cluster, or it is still made, or the command is not there.
	case res[0].Output.Code != 0, res[1].Output.Code == 0, out.Code == 127:
		return nil, nil
	case out.Code != 0:
		said := strings.TrimSpace(string(out.Stderr))
		return nil, &resource.NoAnswerError{
			Service: "the API of this machine's cluster", Said: said[strings.LastIndexByte(said, '\n')+1:],
			Advice: "Where the plan does not mend it, look there with `crictl ps -a` and `journalctl -u kubelet`",
		}
	case len(strings.Fields(string(out.Stdout))) < len(addons[a.Name]):
		return nil, nil
	}
	return &a, nil
}

// Apply makes one call.
func (a KubeadmAddon) Apply(ctx context.Context, h host.Host, _ *KubeadmAddon) error {
	run := host.Run{Argv: []string{"kubeadm", "init", "phase", "addon", a.Name, "--config", a.Config}, Detached: true}
	_, err := h.Do(ctx, run)
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("cannot bring the addon %s: %w", a.Name, &host.ExitError{Argv: []string{"kubeadm"}, Output: exit.Output})
	}
	return err
}
