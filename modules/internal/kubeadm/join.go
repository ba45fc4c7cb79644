package kubeadm

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/script"
	"github.com/kplan/kplan/modules/resource"
)

var join = resource.Define[KubeadmJoin]("kubeadm_join")

// KubeadmJoin makes the machine a worker of a cluster, by kubeadm.
//
// The control plane mints a token right before, which lives for fifteen minutes at
// most, is on no command line, is recorded nowhere, and is taken away afterwards;
// the cluster's authority is pinned. A node of the same name that is another
// machine is not pushed aside. A kubelet whose configuration was changed gets the
// cluster's again, and with on_change one that the control plane has brought to
// the cluster; it is restarted only where that is another. One that was stopped is
// started, and one whose node was deleted registers it again, after the pods that
// are left there have ended: the node gets new addresses for them. What kubeadm is
// told is of the version that it has on the machine, from 1.22 on. Delete drains
// the node, takes it out of the cluster and resets the machine. The node of a
// machine that is let go (`removed { from = host.x }`) is taken out through the
// control plane.
//
//	resource "kubeadm_join" "worker" {
//	  on        = role.worker
//	  cluster   = all.kubeadm_control_plane.main
//	  on_change = [kubeadm_config.main]
//	}
type KubeadmJoin struct {
	Cluster    map[string]Cluster `cty:"cluster" kplan:"required,asked"`                                    // the control plane, by host: all.kubeadm_control_plane.main
	CRISocket  string             `cty:"cri_socket" kplan:"default=unix:///run/containerd/containerd.sock"` // of the container runtime
	Intact     bool               `cty:"intact" kplan:"default=true"`                                       // as kubeadm made it; true writes again what was changed
	Running    bool               `cty:"running" kplan:"default=true"`                                      // the kubelet, or it is starting; true starts one that was stopped
	Registered bool               `cty:"registered" kplan:"default=true"`                                   // the cluster has the node, or does not answer; true has the kubelet register one that was deleted
	Node       *string            `cty:"node" kplan:"computed,stable"`                                      // its name in the cluster
}

// What the kubelet of a worker is told of the container runtime: in the file of
// the kubelet's flags, and from Kubernetes 1.34 on in one of its configuration.
const (
	kubeletFlags    = "/var/lib/kubelet/kubeadm-flags.env"
	kubeletInstance = "/var/lib/kubelet/instance-config.yaml"
)

var runtimeEndpoint = regexp.MustCompile(`(?:--container-runtime-endpoint=|containerRuntimeEndpoint:\s*)"?([^"\s]+)`)

// Validate implements resource.Validator.
func (j KubeadmJoin) Validate(unknown func(string) bool) error {
	switch socket, isUnix := strings.CutPrefix(j.CRISocket, "unix://"); {
	case !unknown("cri_socket") && !(isUnix && cleanPath(socket)):
		return &resource.FieldError{Field: "cri_socket", Msg: fmt.Sprintf("%q is no socket of a container runtime. Write it as a URL, such as \"unix:///run/containerd/containerd.sock\".", j.CRISocket)}
	case !unknown("cluster") && len(j.Cluster) == 0:
		return &resource.FieldError{Field: "cluster", Msg: "There is no control plane to join. Write cluster = all.kubeadm_control_plane.NAME."}
	case !unknown("intact") && !j.Intact:
		return &resource.FieldError{Field: "intact", Msg: "It is never wanted that somebody changes what kubeadm made. Leave intact out."}
	case !unknown("running") && !j.Running:
		return &resource.FieldError{Field: "running", Msg: "It is never wanted that the kubelet of a node is stopped. Leave running out."}
	case !unknown("registered") && !j.Registered:
		return &resource.FieldError{Field: "registered", Msg: "It is never wanted that the cluster does not have the node. Leave registered out."}
	}
	return nil
}

// Claims implements resource.Claimer.
func (j KubeadmJoin) Claims() []string { return []string{"kubernetes node"} }

// Disrupts implements resource.Disrupter.
func (j KubeadmJoin) Disrupts(prior *KubeadmJoin) []string {
	switch {
	case prior == nil || prior.onlyStopped():
		return nil
	case !prior.Registered:
		return []string{"ends the pods of the node", "restarts the kubelet"}
	}
	return []string{"restarts the kubelet"}
}

// onlyStopped reports whether all is as it was made but for a kubelet that is stopped.
func (j KubeadmJoin) onlyStopped() bool { return !j.Running && j.Intact && j.Registered }

// Peers implements resource.Peerer: the hosts of the control plane.
func (j KubeadmJoin) Peers() []string { return slices.Sorted(maps.Keys(j.Cluster)) }

// Read makes one call. The machine is of the cluster whose authority it has.
func (j KubeadmJoin) Read(ctx context.Context, h host.Host) (*KubeadmJoin, error) {
	m, err := look(ctx, h, hostNameNow, kubeletFlags, kubeletInstance)
	if err != nil {
		return nil, err
	}
	if there, err := m.standing(kubeletFile, caFile, kubeletConfigFile); !there || err != nil {
		return nil, err
	}
	hash, err := m.caHash()
	if err != nil {
		return nil, err
	}
	got := &KubeadmJoin{Intact: m.intact(), Running: !m.stopped, Registered: !m.gone, Cluster: map[string]Cluster{}, CRISocket: j.CRISocket}
	if told := runtimeEndpoint.FindStringSubmatch(text(m.files[kubeletFlags]) + "\n" + text(m.files[kubeletInstance])); told != nil {
		is := "unix://" + strings.TrimPrefix(told[1], "unix://") // a path in old ones
		if inRun(is) != inRun(j.CRISocket) {
			got.CRISocket = is
		}
	}
	for name, c := range j.Cluster {
		if c.CAHash == nil || *c.CAHash != hash { // also where it is not known yet which is wanted
			c.CAHash = &hash
		}
		got.Cluster[name] = c
	}
	if f := m.files[hostNameNow]; f != nil {
		name := strings.ToLower(text(f)) // as kubeadm and the kubelet do
		got.Node = &name
	}
	return got, nil
}

// inRun is a socket with /var/run, which kubeadm finds by itself, as the /run that
// it is (hier(7)).
func inRun(socket string) string {
	return strings.Replace(socket, "unix:///var/run/", "unix:///run/", 1)
}

// Refuses implements resource.Refuser.
func (j KubeadmJoin) Refuses(prior *KubeadmJoin) string {
	if inRun(prior.CRISocket) != inRun(j.CRISocket) {
		return fmt.Sprintf("The worker has joined with the container runtime at %s, which kubeadm cannot change. Keep it, or take the host out, apply, and put it in again.", prior.CRISocket)
	}
	refusal := ""
	for _, name := range j.Peers() {
		c, there := j.Cluster[name], prior.Cluster[name]
		if c.CAHash != nil && there.CAHash != nil && *c.CAHash == *there.CAHash {
			return "" // it is a node of that one, whichever other member is still to be made
		}
		if refusal == "" {
			refusal = c.refuses(name, there)
		}
	}
	return refusal
}

// Apply makes one call where the machine is a worker; to join it makes three at home and up to five on the control plane. The join
// has ended once its token is gone: where it is cut off before, the next one
// takes it away.
func (j KubeadmJoin) Apply(ctx context.Context, h host.Host, prior *KubeadmJoin) error {
	switch {
	case prior == nil:
	case prior.onlyStopped():
		return detached(ctx, h, "start the kubelet", script.KubeletStart, nil)
	case !prior.Registered:
		return j.register(ctx, h)
	default:
		return j.Refresh(ctx, h)
	}
	planes := j.Peers()
	cluster := j.Cluster[planes[0]]
	if cluster.Endpoint == nil || cluster.CAHash == nil {
		return fmt.Errorf("nothing is known of the control plane on host %s", planes[0])
	}
	plane, err := host.Peer(ctx, planes...)
	if err != nil {
		return err
	}
	found, err := h.Do(ctx, host.ReadFile{Path: hostNameNow}, host.ReadFile{Path: machineFile}, host.Query{Argv: []string{"kubeadm", "version", "-o", "short"}})
	if err != nil {
		return err
	}
	name, machine, version := strings.ToLower(text(found[0].File)), text(found[1].File), lastLine(found[2].Output.Stdout)
	api, known := configAPI(strings.TrimPrefix(version, "v"))
	if !known {
		return fmt.Errorf("kubeadm on the machine is of version %s, whose configuration kplan does not know", version)
	}
	if err := nameFree(ctx, plane, h, name, machine); err != nil {
		return err
	}
	err = withToken(ctx, plane, name, func(token string) error {
		return detached(ctx, h, "join the cluster", script.KubeadmJoin, joinConfig(api, token, *cluster.Endpoint, *cluster.CAHash, name, j.CRISocket), name)
	})
	if err != nil {
		return err
	}
	_, err = h.Do(ctx, host.Run{Argv: []string{"/bin/sh", "-c", script.KubeadmJoined, "kplan"}})
	return err
}

// register has the kubelet register a node that was deleted. What is left of its
// pods is ended first: the node gets another range of addresses for them.
func (j KubeadmJoin) register(ctx context.Context, h host.Host) error {
	found, err := host.Read(ctx, h, hostNameNow)
	if err != nil {
		return err
	}
	plane, err := host.Peer(ctx, j.Peers()...)
	if err != nil {
		return err
	}
	if err := endPods(ctx, plane, strings.ToLower(text(found[0]))); err != nil {
		return err
	}
	return detached(ctx, h, "register the node again", script.KubeadmRejoin, nil, "gone")
}

// RefreshWord implements resource.Refresher: on_change = [kubeadm_config.main].
func (j KubeadmJoin) RefreshWord() string { return "reconfigure" }

// Refresh brings the kubelet the configuration that the cluster has now.
func (j KubeadmJoin) Refresh(ctx context.Context, h host.Host) error {
	return detached(ctx, h, "bring the kubelet the cluster's configuration", script.KubeadmRejoin, nil)
}

// Delete implements resource.Deleter.
func (j KubeadmJoin) Delete(ctx context.Context, h host.Host) error {
	found, err := host.Read(ctx, h, hostNameNow)
	if err != nil {
		return err
	}
	plane, err := host.Peer(ctx, j.Peers()...)
	if err != nil {
		return err
	}
	if err := takeOut(ctx, plane, strings.ToLower(text(found[0]))); err != nil {
		return err
	}
	return detached(ctx, h, "reset the machine", script.KubeadmReset, nil)
}
