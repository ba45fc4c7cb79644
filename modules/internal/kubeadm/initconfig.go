package kubeadm

import (
	"encoding/json"
	"fmt"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/objects"
)

// initConfig is what kubeadm's InitConfiguration says of a machine, which is the
// same when it joins.
type initConfig struct {
	APIVersion       string          `json:"apiVersion"`
	NodeRegistration json.RawMessage `json:"nodeRegistration"`
	LocalAPIEndpoint json.RawMessage `json:"localAPIEndpoint"`

	name    string
	address string
}

// initOf reads the InitConfiguration in the file at path.
func initOf(path string, f *host.File) (initConfig, error) {
	if f == nil {
		return initConfig{}, fmt.Errorf("the machine has no %s. It must be there before", path)
	}
	docs, err := objects.Documents(string(f.Content))
	if err != nil {
		return initConfig{}, fmt.Errorf("in %s on the machine, %w", path, err)
	}
	for _, doc := range docs {
		var is struct{ Kind string }
		if err := json.Unmarshal(doc, &is); err != nil || is.Kind != "InitConfiguration" {
			continue
		}
		var c initConfig
		var node struct{ Name string }
		var api struct{ AdvertiseAddress string }
		_ = json.Unmarshal(doc, &c) // what is not of its form says nothing
		_ = json.Unmarshal(c.NodeRegistration, &node)
		_ = json.Unmarshal(c.LocalAPIEndpoint, &api)
		if c.name, c.address = node.Name, api.AdvertiseAddress; c.name == "" || c.address == "" {
			return c, fmt.Errorf("the InitConfiguration in %s does not say who the machine is in the cluster. Write nodeRegistration.name and localAPIEndpoint.advertiseAddress", path)
		}
		return c, nil
	}
	return initConfig{}, fmt.Errorf("%s on the machine holds no InitConfiguration", path)
}

// joinConfig is kubeadm's configuration for a join as a member. JSON is YAML.
func (c initConfig) joinConfig(token, endpoint, hash string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"apiVersion": c.APIVersion,
		"kind":       "JoinConfiguration",
		"discovery": map[string]any{"bootstrapToken": map[string]any{
			"apiServerEndpoint": endpoint, "token": token, "caCertHashes": []string{hash},
		}},
		"nodeRegistration": c.NodeRegistration,
		"controlPlane":     map[string]any{"localAPIEndpoint": c.LocalAPIEndpoint},
	})
}
