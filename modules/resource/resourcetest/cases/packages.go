package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

// repository is what a machine has at /opt/kplan-law: a flat repository, and one
// with a suite.
func repository() (at []host.Op, key string) {
	release, key := resourcetest.Repository()
	return []host.Op{
		run("mkdir", "-p", "/opt/kplan-law/dists/stable"),
		host.WriteFile{Path: "/opt/kplan-law/InRelease", Content: []byte(release), Mode: 0o644},
		host.WriteFile{Path: "/opt/kplan-law/dists/stable/InRelease", Content: []byte(release), Mode: 0o644},
	}, key
}

var repositoryAt, repositoryKey = repository()

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
		Together: [][]resourcetest.Values{
			{{"name": "lab-hello", "version": "1.0-1", "hold": true}, {"name": "lab-conf"}},
			{{"name": "lab-hello"}, {"name": "lab-conf", "hold": true}},
			{{"name": "lab-hello", "state": "absent"}, {"name": "lab-conf", "hold": false}},
			{{"name": "lab-conf", "state": "absent"}, {"name": "lab-hello", "version": "2.0-1"}},
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
	{
		Type: "package_repository", Name: "of a suite", Needs: []string{"apt", "archive"}, Prepare: repositoryAt,
		Want: resourcetest.Values{
			"name": "kplan-law", "uri": "file:/opt/kplan-law", "suites": []string{"stable"}, "components": []string{"main"}, "key": repositoryKey,
		},
		Changes: []resourcetest.Values{
			{"uri": "copy:/opt/kplan-law"},
			{"components": []string{"main", "contrib"}},
			{"key": resourcetest.ForeignKey + repositoryKey},
		},
	},
	{
		Type: "package_repository", Name: "flat", Needs: []string{"apt", "archive"}, Prepare: repositoryAt,
		Want: resourcetest.Values{"name": "kplan.law_2", "uri": "file:/opt/kplan-law", "suites": []string{"./"}, "key": repositoryKey + "\n"},
	},
}
