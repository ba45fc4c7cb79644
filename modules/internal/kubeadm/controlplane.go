package kubeadm

import (
	"context"
	"fmt"
	"regexp"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var controlPlane = resource.Define[KubeadmControlPlane]("kubeadm_control_plane", resource.Binding)

// KubeadmControlPlane is the control plane of a Kubernetes cluster: API server,
// controller manager, scheduler and etcd, made by kubeadm. It is on one host, or
// on several, which are its members.
//
// kubeadm makes it of the configuration in a file of each machine, which is to
// be there before, as are kubeadm, the kubelet and a container runtime. The plan
// says by which way a host becomes a member: where none has a control plane yet,
// the first makes the cluster (via init), and the others join it one after the
// other (via join HOST); where one has, a new host joins through it. A host that
// is taken out of the resource leaves through one that stays, after those that
// are new have joined. One whose machine is let go (`removed { from = host.x }`)
// is taken out before, through one that is there: its member of etcd, then its
// node. The members of etcd are counted before each of that: more
// than half must answer. A snapshot of etcd is taken first, as before-TIME.db in
// /var/backups/etcd: see etcd_snapshot. etcd's data and certificates of another cluster are
// never written over. No token is left behind, nor a certificate key: the keys
// that members share are read on one and written on the other.
//
// What was cut off is resumed. A join that failed is recorded nowhere: where its
// host is taken out then, its member of etcd stays, and every plan warns of it and
// says the command that takes it out. Where the configuration, a static pod or the
// kubelet's configuration is changed afterwards, kubeadm writes all of them
// again, after a snapshot where etcd answers, and the static pods made of that
// are waited for. A kubelet that was stopped is started. The version of a cluster that is there cannot be changed so far. Delete
// of the last member resets the machine: the cluster's data is gone then.
//
//	resource "kubeadm_control_plane" "main" {
//	  on       = role.control-plane
//	  config   = file.kubeadm.path
//	  version  = "1.34.4"
//	  members  = role.control-plane
//	  endpoint = "k8s.example.com:6443"
//	}
type KubeadmControlPlane struct {
	Config   string   `cty:"config" kplan:"required,asked"`          // file with kubeadm's configuration; it says the node's name and localAPIEndpoint.advertiseAddress
	Version  string   `cty:"version" kplan:"required"`               // of Kubernetes, in full: 1.34.4
	Members  []Member `cty:"members" kplan:"required,asked"`         // the hosts of the control plane
	Endpoint string   `cty:"endpoint" kplan:"required,asked"`        // ADDRESS:PORT at which the API is reached: of a balancer, where there are several members
	Intact   bool     `cty:"intact" kplan:"default=true"`            // as kubeadm made it; true writes again what was changed
	Running  bool     `cty:"running" kplan:"default=true"`           // the kubelet, or it is starting; true starts one that was stopped
	CAHash   *string  `cty:"ca_hash" kplan:"computed,stable,common"` // of the cluster's authority, as kubeadm join pins it
	Node     *string  `cty:"node" kplan:"computed,stable"`           // its name in the cluster
}

// Member is a host of a control plane.
type Member struct {
	Name    string `cty:"name"`
	Address string `cty:"address"`
}

var (
	versionForm  = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	endpointForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$|^\[[0-9a-fA-F:]+\]:[0-9]{1,5}$`)
	imageVersion = regexp.MustCompile(`(?m)^\s*image: \S+/kube-apiserver:v(\S+)$`)
)

// Validate implements resource.Validator.
func (c KubeadmControlPlane) Validate(unknown func(string) bool) error {
	switch {
	case !unknown("version") && !versionForm.MatchString(c.Version):
		return &resource.FieldError{Field: "version", Msg: fmt.Sprintf("%q is no version of Kubernetes. Write it in full, such as \"1.34.4\".", c.Version)}
	case !unknown("endpoint") && !endpointForm.MatchString(c.Endpoint):
		return &resource.FieldError{Field: "endpoint", Msg: fmt.Sprintf("%q is no endpoint. Write ADDRESS:PORT, such as \"10.0.2.15:6443\".", c.Endpoint)}
	case !unknown("members") && len(c.Members) == 0:
		return &resource.FieldError{Field: "members", Msg: "A control plane has at least one member. Name its hosts."}
	case !unknown("intact") && !c.Intact:
		return &resource.FieldError{Field: "intact", Msg: "It is never wanted that somebody changes what kubeadm made. Leave intact out."}
	case !unknown("running") && !c.Running:
		return &resource.FieldError{Field: "running", Msg: "It is never wanted that the kubelet of a node is stopped. Leave running out."}
	}
	return nil
}

// Claims implements resource.Claimer.
func (c KubeadmControlPlane) Claims() []string { return []string{"kubernetes node"} }

// Disrupts implements resource.Disrupter.
func (c KubeadmControlPlane) Disrupts(prior *KubeadmControlPlane) []string {
	if prior == nil || prior.onlyStopped() {
		return nil
	}
	return []string{"restarts the API server"}
}

// onlyStopped reports whether all is as it was made but for a kubelet that is
// stopped: what it had started runs on.
func (c KubeadmControlPlane) onlyStopped() bool { return !c.Running && c.Intact }

// Read makes one call.
func (c KubeadmControlPlane) Read(ctx context.Context, h host.Host) (*KubeadmControlPlane, error) {
	pieces := append([]string{adminFile}, manifestFiles...)
	m, err := look(ctx, h, append(pieces, c.Config, hostNameNow)...)
	if err != nil {
		return nil, err
	}
	if m.isWorker() { // see Inspect
		return nil, nil
	}
	if there, err := m.standing(append(pieces, kubeletFile, caFile)...); !there || err != nil {
		return nil, err
	}
	hash, err := m.caHash()
	if err != nil {
		return nil, err
	}
	got := c
	name := nodeName(c.Config, m.files[c.Config], m.files[hostNameNow])
	got.Intact, got.Running = m.intact(), !m.stopped
	got.CAHash, got.Node = &hash, &name
	if f := m.files[apiserverFile]; f != nil {
		if v := imageVersion.FindSubmatch(f.Content); v != nil {
			got.Version = string(v[1])
		}
	}
	return &got, nil
}

// Refuses implements resource.Refuser.
func (c KubeadmControlPlane) Refuses(prior *KubeadmControlPlane) string {
	if prior.Version != c.Version {
		return fmt.Sprintf("The cluster runs Kubernetes %s, and changing the version of a cluster is not supported yet. Keep it at %s.", prior.Version, prior.Version)
	}
	return ""
}

// Apply makes one call, and where the machine joins a few more, on the member too.
func (c KubeadmControlPlane) Apply(ctx context.Context, h host.Host, prior *KubeadmControlPlane) error {
	via := resource.ViaOf(ctx)
	if prior == nil && via.How == viaJoin {
		return c.join(ctx, h, via.Host)
	}
	if prior == nil {
		return detached(ctx, h, "make the control plane", script.KubeadmInit, nil, c.Config)
	}
	if prior.onlyStopped() {
		return c.start(ctx, h)
	}
	return c.again(ctx, h)
}

// Delete implements resource.Deleter.
func (c KubeadmControlPlane) Delete(ctx context.Context, h host.Host) error {
	if through := resource.ViaOf(ctx).Host; through != "" {
		if err := c.leave(ctx, h, through); err != nil {
			return err
		}
	}
	return detached(ctx, h, "reset the machine", script.KubeadmReset, nil)
}
