package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

var acts = []resourcetest.Case{
	{
		Type: "exec", Name: "shell text", Prepare: dir,
		Want: resourcetest.Values{"name": "x", "command": "echo one > /opt/kplan-law/out && echo two >> /opt/kplan-law/out"},
	},
	{
		Type: "exec", Name: "creates", Prepare: dir,
		Want: resourcetest.Values{"name": "x", "command": []string{"touch", "/opt/kplan-law/made here"}, "creates": "/opt/kplan-law/made here"},
	},
	{
		Type: "exec", Name: "environment, input, directory and user", Prepare: dir,
		Want: resourcetest.Values{
			"name": "x", "command": `test -n "$GREETING" && cat`, "environment": map[string]string{"GREETING": "it's $5"},
			"stdin": "line\n", "cwd": "/tmp", "user": "nobody", "triggers": map[string]string{"v": "1"},
		},
	},
	{
		Type: "exec", Name: "unless", Prepare: dir, Guarded: true,
		Want: resourcetest.Values{"name": "x", "command": "touch /opt/kplan-law/done", "unless": "test -e /opt/kplan-law/done"},
	},
	{
		Type: "exec", Name: "onlyif", Prepare: append(dir[:1:1], run("touch", "/opt/kplan-law/todo")), Guarded: true,
		Want: resourcetest.Values{"name": "x", "command": []string{"rm", "/opt/kplan-law/todo"}, "onlyif": "test -e /opt/kplan-law/todo"},
	},
	{
		Type: "exec", Name: "both guards, a list", Prepare: dir, Guarded: true,
		Want: resourcetest.Values{
			"name": "x", "command": []string{"touch", "/opt/kplan-law/a b"}, "unless": "test -e '/opt/kplan-law/a b'",
			"onlyif": "echo noise; cat; exit 0",
		},
	},
	{
		Type: "reboot", Name: "required", Prepare: []host.Op{run("touch", "/var/run/reboot-required")}, Guarded: true,
		Want: resourcetest.Values{"name": "x"},
	},
	{
		Type: "reboot", Name: "triggers",
		Want: resourcetest.Values{"name": "x", "when": "triggers", "triggers": map[string]string{"kernel": "6.1"}},
	},
}
