package kubeadm

import "fmt"

// Cluster is what a join needs of a control plane.
type Cluster struct {
	Endpoint *string `cty:"endpoint"`
	CAHash   *string `cty:"ca_hash"`
}

// joinConfig is the configuration for a worker's join, of a version of kubeadm's;
// what it says stands in all of them alike.
func joinConfig(api, token, endpoint, hash, name, socket string) []byte {
	return fmt.Appendf(nil, `apiVersion: %s
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: %q
    token: %q
    caCertHashes: [%q]
nodeRegistration:
  name: %q
  criSocket: %q
`, api, endpoint, token, hash, name, socket)
}
