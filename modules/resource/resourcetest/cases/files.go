package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

var dir = []host.Op{host.MakeDir{Path: "/opt/kplan-law", Mode: 0o755}}

var files = []resourcetest.Case{
	{
		Type: "file", Name: "text", Prepare: dir,
		Want: resourcetest.Values{"path": "/opt/kplan-law/text", "content": "one\n", "owner": "root", "group": "root", "mode": "0640"},
		Changes: []resourcetest.Values{
			{"content": "two\nünïcode $HOME 'quoted' \\n\n"},
			{"content": ""},
			{"content": "no line end"},
			{"mode": "0600"},
			{"owner": "nobody"},
			{"group": "daemon"},
			{"owner": "0", "group": "12345"},
			{"mode": "4755"},
			{"owner": "54321"}, // takes setuid away, and must not
			{"content": "three\n", "mode": "1644"},
		},
	},
	{
		Type: "file", Name: "sensitive", Prepare: dir,
		Want:    resourcetest.Values{"path": "/opt/kplan-law/secret", "sensitive_content": "hunter2", "mode": "0400"},
		Changes: []resourcetest.Values{{"sensitive_content": "hunter3"}},
	},
	{
		Type: "file", Name: "with a name to quote", Prepare: dir,
		Want:    resourcetest.Values{"path": "/opt/kplan-law/-a 'b' $c", "content": "x"},
		Changes: []resourcetest.Values{{"content": "y"}, {"owner": "nobody"}},
	},
	{
		Type: "file", Name: "only its mode", Prepare: dir,
		Want:    resourcetest.Values{"path": "/opt/kplan-law/plain"},
		Changes: []resourcetest.Values{{"mode": "0666"}},
	},
	{
		Type: "file", Name: "in place of a link", Stands: true,
		Prepare: []host.Op{dir[0], run("ln", "-s", "/etc/passwd", "/opt/kplan-law/link")},
		Want:    resourcetest.Values{"path": "/opt/kplan-law/link", "content": "file\n", "mode": "0644"},
	},
	{
		Type: "directory", Name: "directory", Prepare: dir,
		Want: resourcetest.Values{"path": "/opt/kplan-law/d", "mode": "0750", "owner": "root", "group": "root"},
		Changes: []resourcetest.Values{
			{"mode": "2775"},
			{"mode": "0755"}, // chmod(1) alone keeps setgid
			{"mode": "1777"},
			{"owner": "nobody"},
			{"group": "daemon"},
			{"owner": "54321", "group": "0"},
		},
	},
	{
		Type: "directory", Name: "with nothing set", Prepare: dir,
		Want: resourcetest.Values{"path": "/opt/kplan-law/e"},
	},
	{
		Type: "symlink", Name: "link", Prepare: dir,
		Want: resourcetest.Values{"path": "/opt/kplan-law/link", "target": "/opt/kplan-law/none"},
		Changes: []resourcetest.Values{
			{"target": "../../etc"}, // a directory, which is not followed
			{"target": "/etc/passwd"},
			{"target": "-a 'b' $c"},
		},
	},
	{
		Type: "symlink", Name: "in place of a link", Stands: true,
		Prepare: []host.Op{dir[0], run("ln", "-s", "/etc", "/opt/kplan-law/link")},
		Want:    resourcetest.Values{"path": "/opt/kplan-law/link", "target": "/opt"},
	},
	{
		Type: "line", Name: "line", Prepare: []host.Op{dir[0], host.WriteFile{
			Path: "/opt/kplan-law/conf", Mode: 0o640, Group: "daemon", Content: []byte("# colour = none\nsize = 1\nlast"),
		}},
		Want: resourcetest.Values{"path": "/opt/kplan-law/conf", "match": "^colour *=", "line": "colour = red"},
		Changes: []resourcetest.Values{
			{"line": "colour = blue"},
			{"line": "colour=  'it's' $HOME \\n"},
		},
	},
	{
		Type: "line", Name: "in place of another", Prepare: []host.Op{dir[0], host.WriteFile{
			Path: "/opt/kplan-law/conf", Mode: 0o644, Content: []byte("colour = red\nsize = 1\ncolour = red\r\n"),
		}}, Stands: true,
		Want: resourcetest.Values{"path": "/opt/kplan-law/conf", "match": "^colour *=", "line": "colour = blue"},
	},
	{
		Type: "hosts_file", Name: "two nodes", Prepare: dir,
		Want: resourcetest.Values{"path": "/opt/kplan-law/hosts", "entries": map[string][]string{"10.0.2.15": {"k8s-node1", "api"}, "10.0.2.24": {"k8s-node2"}}},
		Changes: []resourcetest.Values{
			{"entries": map[string][]string{"10.0.2.15": {"k8s-node1"}, "10.0.2.24": {"k8s-node2", "api"}}},
			{"entries": map[string][]string{"10.0.2.15": {"k8s-node1"}, "fd00::15": {"k8s-node1"}}},
		},
	},
	{
		Type: "hosts_file", Name: "over lines of others",
		Prepare: []host.Op{dir[0], host.WriteFile{
			Path: "/opt/kplan-law/hosts", Mode: 0o644,
			Content: []byte("127.0.0.1 localhost\n127.0.1.1\tdebian k8s-node1 # installer\n\n# note\n10.0.2.24 storage"),
		}},
		Want: resourcetest.Values{"path": "/opt/kplan-law/hosts", "entries": map[string][]string{"10.0.2.15": {"k8s-node1"}, "10.0.2.24": {"k8s-node2"}}},
	},
}
