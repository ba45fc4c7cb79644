package kubeadm

import (
	"fmt"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
)

// initConfig is what kubeadm's InitConfiguration says of a machine, which is the
// same when it joins.
type initConfig struct {
	tree    map[string]any
	name    string
	address string
}

// initOf reads the InitConfiguration in the file at path.
func initOf(path string, f *host.File) (initConfig, error) {
	have, err := documents(path, f)
	if err != nil {
		return initConfig{}, err
	}
	c := initConfig{tree: have[initKind]}
	if c.tree == nil {
		return c, fmt.Errorf("%s on the machine holds no %s", path, initKind)
	}
	c.name, _ = at(c.tree, "nodeRegistration", "name").(string)
	c.address, _ = at(c.tree, "localAPIEndpoint", "advertiseAddress").(string)
	if c.name == "" || c.address == "" {
		return c, fmt.Errorf("the %s in %s does not say who the machine is in the cluster. Write nodeRegistration.name and localAPIEndpoint.advertiseAddress", initKind, path)
	}
	return c, nil
}

// documents reads the configuration in the file at path, by kind.
func documents(path string, f *host.File) (map[string]map[string]any, error) {
	if f == nil {
		return nil, fmt.Errorf("the machine has no %s. It must be there before", path)
	}
	have, _, err := byKind(string(f.Content))
	if err != nil {
		return nil, fmt.Errorf("in %s on the machine, %w", path, err)
	}
	return have, nil
}

// joinConfig is kubeadm's configuration for a join as a member.
func (c initConfig) joinConfig(token, endpoint, hash string) []byte {
	tree := map[string]any{"apiVersion": at(c.tree, "apiVersion"), "kind": "JoinConfiguration"}
	put(tree, endpoint, "discovery", "bootstrapToken", "apiServerEndpoint")
	put(tree, token, "discovery", "bootstrapToken", "token")
	put(tree, []any{hash}, "discovery", "bootstrapToken", "caCertHashes")
	put(tree, at(c.tree, "nodeRegistration"), "nodeRegistration")
	put(tree, at(c.tree, "localAPIEndpoint"), "controlPlane", "localAPIEndpoint")
	for _, name := range []string{"patches", "timeouts"} { // which stand in both kinds
		if value := at(c.tree, name); value != nil {
			put(tree, value, name)
		}
	}
	return []byte(objects.YAML(tree))
}
