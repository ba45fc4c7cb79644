package linux

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/host/hosttest"
	"github.com/kplan/kplan/modules/resource"
)

// TestCloudInit: the last word of cloud-init's configuration counts.
func TestCloudInit(t *testing.T) {
	const vendor, user = "/etc/cloud/cloud.cfg.d/90_dpkg.cfg", cloudUser
	for name, c := range map[string]struct {
		files map[string]string
		from  string
	}{
		"none":         {nil, ""},
		"another key":  {map[string]string{cloudFile: "preserve_hostname: true\n"}, ""},
		"on":           {map[string]string{cloudFile: "manage_etc_hosts: true\n"}, cloudFile},
		"a template":   {map[string]string{vendor: "#cloud-config\nmanage_etc_hosts: \"template\" # ours\n"}, vendor},
		"one line":     {map[string]string{cloudFile: "manage_etc_hosts: localhost\n"}, ""},
		"taken back":   {map[string]string{cloudFile: "manage_etc_hosts: true\n", cloudHosts: "manage_etc_hosts: false\n"}, ""},
		"by the user":  {map[string]string{user: "manage_etc_hosts: true\n", cloudHosts: "manage_etc_hosts: false\n"}, user},
		"no .cfg":      {map[string]string{cloudDir + "/README": "manage_etc_hosts: true\n"}, ""},
		"turned off":   {map[string]string{cloudFile: "manage_etc_hosts: true\n", cloudOff: ""}, ""},
		"in a comment": {map[string]string{cloudFile: "# manage_etc_hosts: true\n"}, ""},
	} {
		m := hosttest.New(hosttest.Report(t.Errorf))
		for p, content := range c.files {
			m.Put(p, content)
		}
		f := HostsFile{Path: "/etc/hosts"}
		list, err := f.Inspect(t.Context(), m.Reader(), resource.Situation{})
		if err != nil || (c.from == "") != (len(list) == 0) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		for _, found := range list {
			if !strings.Contains(found.Msg, "in "+c.from+")") || found.Error {
				t.Errorf("%s: %+v", name, found)
			}
		}
		if other, err := (HostsFile{Path: "/srv/hosts"}).Inspect(t.Context(), m.Reader(), resource.Situation{}); err != nil || len(other) > 0 {
			t.Errorf("%s: of another file %v, %v", name, other, err)
		}
	}
}
