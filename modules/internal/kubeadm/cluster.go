package kubeadm

import "fmt"

// Cluster is what a join needs of a control plane.
type Cluster struct {
	Endpoint *string `cty:"endpoint"`
	CAHash   *string `cty:"ca_hash"`
}

// refuses says why a machine that is a node of the cluster that is there cannot be
// one of c, of the control plane on the host called plane. Where that is not made
// yet, nothing is of it.
func (c Cluster) refuses(plane string, there Cluster) string {
	const out = "`grep server: /etc/kubernetes/kubelet.conf` on the machine says at which address that one is reached. " +
		"Where the machine is needed there no more, take it out: `kubeadm reset` on it. Otherwise take the host out of the spec."
	switch {
	case there.CAHash == nil || c.CAHash != nil && *c.CAHash == *there.CAHash:
		return ""
	case c.CAHash == nil:
		return fmt.Sprintf("The machine is a node of another cluster (its authority is %s), and the control plane on host %s is still to be made. %s", *there.CAHash, plane, out)
	}
	return fmt.Sprintf("The machine is a node of another cluster (its authority is %s, not %s as that of host %s). %s", *there.CAHash, *c.CAHash, plane, out)
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
