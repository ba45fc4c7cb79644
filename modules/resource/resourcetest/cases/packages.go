package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

var packages = []resourcetest.Case{
	{
		Type: "package", Name: "newest", Needs: []string{"apt", "archive"},
		Want: resourcetest.Values{"name": "lab-hello"},
		Changes: []resourcetest.Values{
			{"hold": true},
			{"hold": false},
			{"state": "absent", "hold": nil},
			{"state": "present"},
		},
	},
	{
		Type: "package", Name: "pinned", Needs: []string{"apt", "archive"},
		Want: resourcetest.Values{"name": "lab-hello", "version": "1.0-1", "hold": true},
		Changes: []resourcetest.Values{
			{"version": "2.0-1"},
			{"version": "1.0-1"}, // a downgrade of a held package
			{"version": nil, "hold": false},
		},
	},
	{
		Type: "package", Name: "absent", Needs: []string{"apt", "archive"}, Stands: true,
		Prepare: []host.Op{run("apt-get", "-y", "install", "lab-hello")},
		Want:    resourcetest.Values{"name": "lab-hello", "state": "absent"},
	},
}
