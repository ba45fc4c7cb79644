package kubeadm

import "fmt"

// Cluster is what a join needs of a control plane.
type Cluster struct {
	Endpoint *string `cty:"endpoint"`
	CAHash   *string `cty:"ca_hash"`
}

// joinConfig is kubeadm's configuration for a join, in the version that
// kubeadm 1.31 and later read (kubeadm.k8s.io/v1beta4).
func joinConfig(token, endpoint, hash, name string) []byte {
	return fmt.Appendf(nil, `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: %q
    token: %q
    caCertHashes: [%q]
nodeRegistration:
  name: %q
  criSocket: unix:///run/containerd/containerd.sock
`, endpoint, token, hash, name)
}
