package kubeadm

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/deviations"
	"github.com/kplan/kplan/modules/resource"
)

var kubeadmConfig = resource.Define[KubeadmConfig]("kubeadm_config")

// KubeadmConfig is the file that kubeadm makes a control plane of.
//
// It is rendered for the version of Kubernetes: as kubeadm.k8s.io/v1beta3 up to
// 1.30, as v1beta4 from 1.31 on. It owns the file whole, with mode 0600. What
// else stands there, or what the block does not set, shows in deviations and
// goes with the next apply; what is not set is as kubeadm has it, but for the token
// that it makes with a cluster, which lives for fifteen minutes. A cluster that
// stands is changed by its kubeadm_control_plane, not by this file alone. What
// kubeadm cannot change in one refuses the plan: another endpoint, another
// pod_cidr or service_cidr or none any more, and of a member another name or
// advertise_address. Delete removes the file.
//
//	resource "kubeadm_config" "main" {
//	  on                    = host.k8s-node1
//	  version               = "1.34.4"
//	  name                  = "k8s-node1"
//	  advertise_address     = "10.0.2.15"
//	  endpoint              = "10.0.2.15:6443"
//	  pod_cidr              = "10.244.0.0/16"
//	  service_cidr          = "10.96.0.0/16"
//	  api_server_extra_args = { "audit-log-path" = "/var/log/audit.log" }
//	  kubelet               = yamlencode({ cgroupDriver = "systemd" })
//	}
type KubeadmConfig struct {
	Path                       string            `cty:"path" kplan:"id,default=/etc/kubernetes/kubeadm.yaml"`              // of the file
	Version                    string            `cty:"version" kplan:"required"`                                          // of Kubernetes, in full: 1.34.4
	Name                       *string           `cty:"name"`                                                              // of the node; kubeadm takes the host name
	AdvertiseAddress           *string           `cty:"advertise_address"`                                                 // IP address at which the node's API server is reached
	Endpoint                   *string           `cty:"endpoint"`                                                          // ADDRESS:PORT at which the cluster's API is reached
	PodCIDR                    *string           `cty:"pod_cidr"`                                                          // range of the pods' addresses; two for two families: "10.244.0.0/16,fd00:1::/48"
	ServiceCIDR                *string           `cty:"service_cidr"`                                                      // range of the services' addresses, or two
	DNSDomain                  *string           `cty:"dns_domain"`                                                        // of the services' names; kubeadm takes cluster.local
	ImageRepository            *string           `cty:"image_repository"`                                                  // where the control plane's images come from
	CRISocket                  string            `cty:"cri_socket" kplan:"default=unix:///run/containerd/containerd.sock"` // of the container runtime
	CertSANs                   []string          `cty:"cert_sans"`                                                         // further names and addresses in the API server's certificate
	APIServerExtraArgs         map[string]string `cty:"api_server_extra_args"`                                             // flags without their dashes
	ControllerManagerExtraArgs map[string]string `cty:"controller_manager_extra_args"`                                     // likewise
	SchedulerExtraArgs         map[string]string `cty:"scheduler_extra_args"`                                              // likewise
	EtcdExtraArgs              map[string]string `cty:"etcd_extra_args"`                                                   // likewise
	KubeletExtraArgs           map[string]string `cty:"kubelet_extra_args"`                                                // likewise, of this node's kubelet
	Kubelet                    *string           `cty:"kubelet"`                                                           // the cluster's KubeletConfiguration (kubelet.config.k8s.io/v1beta1) in YAML, without kind
	KubeProxy                  *string           `cty:"kube_proxy"`                                                        // the cluster's KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) in YAML, without kind
	SkipPhases                 []string          `cty:"skip_phases"`                                                       // phases of kubeadm init that are left out: addon/coredns
	Patches                    *string           `cty:"patches"`                                                           // directory on the machine with kubeadm's patches
	Deviations                 string            `cty:"deviations" kplan:"default="`                                       // what was found beside this in the file; leave it out
	Images                     []string          `cty:"images" kplan:"computed"`                                           // of which the machine's kubeadm makes the cluster, by this file
}

// Claims implements resource.Claimer.
func (c KubeadmConfig) Claims() []string { return []string{"path " + c.Path} }

// configMode is that of the file, which may tell more than everybody is to know.
const configMode = 0o600

// Read makes one call.
func (c KubeadmConfig) Read(ctx context.Context, h host.Host) (*KubeadmConfig, error) {
	res, err := h.Do(
		ctx,
		host.ReadFile{Path: c.Path},
		host.Query{Argv: []string{"kubeadm", "config", "images", "list", "--config", c.Path}, AnyExit: true},
	)
	if err != nil || res[0].File == nil {
		return nil, err
	}
	f, images := res[0].File, res[1].Output
	if f.Kind != host.KindFile {
		return nil, &host.OpError{Op: "manage the file", Path: f.Path, Msg: "a " + string(f.Kind) + " stands there"}
	}
	got, odd := parseConfig(string(f.Content), c)
	if f.Mode != configMode {
		odd = append(odd, fmt.Sprintf("mode %04o", f.Mode))
	}
	got.Deviations = deviations.Summary(odd)
	if images.Code == 0 { // kubeadm may be missing, or of another age than the file
		got.Images = strings.Fields(string(images.Stdout))
	}
	return &got, nil
}

// Apply makes one call.
func (c KubeadmConfig) Apply(ctx context.Context, h host.Host, _ *KubeadmConfig) error {
	_, err := h.Do(
		ctx,
		host.Run{Argv: []string{"mkdir", "-p", "--", path.Dir(c.Path)}},
		host.WriteFile{Path: c.Path, Content: []byte(renderConfig(c)), Mode: configMode},
	)
	return err
}

// Delete implements resource.Deleter.
func (c KubeadmConfig) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: c.Path})
	return err
}
