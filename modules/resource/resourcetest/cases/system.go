package cases

import (
	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

const probeUnit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"

// unit is one of the administrator, which cannot be masked; vendorUnit is one
// of a package.
var (
	unit       = host.WriteFile{Path: "/etc/systemd/system/kplan-law.service", Mode: 0o644, Content: []byte(probeUnit)}
	vendorUnit = host.WriteFile{Path: "/lib/systemd/system/kplan-law.service", Mode: 0o644, Content: []byte(probeUnit)}
)

// keptModule makes a machine load a module at boot, by a file of kplan's own.
func keptModule(name string) []host.Op {
	return []host.Op{
		run("mkdir", "-p", "/etc/modules-load.d"),
		host.WriteFile{Path: "/etc/modules-load.d/kplan-" + name + ".conf", Mode: 0o644, Content: []byte(name + "\n")},
	}
}

var system = []resourcetest.Case{
	{
		Type: "hostname", Name: "hostname", Stands: true,
		Want:    resourcetest.Values{"name": "law-1"},
		Changes: []resourcetest.Values{{"name": "law-2.example.org"}},
	},
	{
		Type: "sysctl", Name: "of the network",
		Want: resourcetest.Values{"key": "net.ipv4.ip_forward", "value": "1"},
		Changes: []resourcetest.Values{
			{"value": "0"},
			{"persist": false},
		},
	},
	{
		Type: "sysctl", Name: "of several numbers",
		Want:    resourcetest.Values{"key": "net.ipv4.ping_group_range", "value": "0 100"},
		Changes: []resourcetest.Values{{"value": "1   200"}},
	},
	{
		Type: "sysctl", Name: "until the next boot", Stands: true,
		Want: resourcetest.Values{"key": "net.ipv4.ip_forward", "value": "1", "persist": false},
	},
	{
		Type: "kernel_module", Name: "in the kernel already",
		Want: resourcetest.Values{"name": "overlay"},
		Changes: []resourcetest.Values{
			{"options": map[string]string{"metacopy": "Y", "index": ""}},
			{"options": map[string]string{"metacopy": "N"}},
			{"options": map[string]string{}},
		},
	},
	{
		Type: "kernel_module", Name: "until the next boot", Stands: true,
		Prepare: keptModule("overlay"),
		Want:    resourcetest.Values{"name": "overlay", "persist": false},
	},
	{
		Type: "kernel_module", Name: "loaded", Needs: []string{"modules"},
		Want: resourcetest.Values{"name": "br-netfilter", "options": map[string]string{"brnf_call_iptables": "0"}},
		Changes: []resourcetest.Values{
			{"persist": false},
			{"persist": true, "options": map[string]string{}},
		},
	},
	{
		Type: "kernel_module", Name: "loaded until the next boot", Needs: []string{"modules"},
		Want: resourcetest.Values{"name": "loop", "persist": false},
	},
	{
		Type: "kernel_module", Name: "unloaded", Needs: []string{"modules"}, Stands: true,
		Prepare: append(keptModule("loop"), run("modprobe", "loop")),
		Want:    resourcetest.Values{"name": "loop", "loaded": false, "persist": false},
		Changes: []resourcetest.Values{
			{"loaded": true},
			{"persist": true},
			{"loaded": false, "persist": false},
		},
	},
	{
		Type: "swap", Name: "in use and in fstab", Needs: []string{"systemd", "swap"}, Stands: true,
		Prepare: []host.Op{
			run("fallocate", "-l", "8M", "/var/kplan-law.swap"),
			run("chmod", "0600", "/var/kplan-law.swap"),
			run("mkswap", "/var/kplan-law.swap"),
			host.WriteFile{Path: "/etc/fstab", Mode: 0o644, Content: []byte("# static\n/var/kplan-law.swap none swap sw 0 0\n")},
			run("swapon", "/var/kplan-law.swap"),
		},
		Want:    resourcetest.Values{"enabled": false},
		Changes: []resourcetest.Values{{"enabled": true}, {"enabled": false}},
	},
	{
		Type: "systemd_unit", Name: "with drop-ins", Needs: []string{"systemd"}, Calls: 2,
		Want: resourcetest.Values{"name": "kplan-law", "content": probeUnit, "drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=1\n"}},
		Changes: []resourcetest.Values{
			{"content": probeUnit + "# changed"},
			{"drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=2\n", "20-b@c.conf": "[Unit]\nDescription=it's $HOME\n"}},
			{"drop_ins": map[string]string{"20-b@c.conf": "[Unit]\nDescription=it's $HOME\n"}},
			{"drop_ins": map[string]string{}},
		},
		Together: [][]resourcetest.Values{
			{
				{"name": "kplan-law", "content": probeUnit, "drop_ins": map[string]string{"10-a.conf": "[Service]\nNice=1\n", "20-b.conf": "[Service]\nNice=2\n"}},
				{"name": "kplan-law.timer", "content": "[Timer]\nOnCalendar=daily\n", "drop_ins": map[string]string{"10-a.conf": "[Timer]\nPersistent=yes\n"}},
				{"name": "kplan-law-2", "content": probeUnit},
			},
			{
				{"name": "kplan-law", "content": probeUnit + "# changed", "drop_ins": map[string]string{"20-b.conf": "[Service]\nNice=3\n"}},
				{"name": "kplan-law.timer", "content": "[Timer]\nOnCalendar=weekly\n", "drop_ins": map[string]string{}},
			},
		},
	},
	{
		Type: "systemd_unit", Name: "timer, in place of a package's unit", Needs: []string{"systemd"},
		Prepare: []host.Op{host.WriteFile{Path: "/lib/systemd/system/kplan-law.timer", Mode: 0o644, Content: []byte("[Timer]\nOnBootSec=1h\n")}},
		Want:    resourcetest.Values{"name": "kplan-law.timer", "content": "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"},
	},
	{
		Type: "systemd_unit", Name: "drop-ins of a package's unit", Needs: []string{"systemd"}, Calls: 2,
		Prepare: []host.Op{
			vendorUnit,
			run("systemctl", "start", "kplan-law.service"),
			run("mkdir", "-p", "/etc/systemd/system/kplan-law.service.d"),
			host.WriteFile{Path: "/etc/systemd/system/kplan-law.service.d/foreign.conf", Mode: 0o644, Content: []byte("[Service]\nNice=3\n")},
			run("systemctl", "daemon-reload"),
		},
		Want:    resourcetest.Values{"name": "kplan-law.service", "drop_ins": map[string]string{"a.conf": "[Service]\nNice=1\n"}},
		Changes: []resourcetest.Values{{"drop_ins": map[string]string{"b.conf": "[Service]\nNice=2\n"}}},
		Together: [][]resourcetest.Values{ // of the unit that runs, the files show whether systemd has read them
			{
				{"name": "kplan-law.service", "drop_ins": map[string]string{"a.conf": "[Service]\nNice=1\n"}},
				{"name": "kplan-law.timer", "content": "[Timer]\nOnCalendar=daily\n"},
			},
		},
	},
	{
		Type: "service", Name: "unit of a file", Needs: []string{"systemd"}, Stands: true, Prepare: []host.Op{unit},
		Want: resourcetest.Values{"name": "kplan-law", "enabled": true, "running": true},
		Changes: []resourcetest.Values{
			{"running": false},
			{"enabled": false},
			{"running": true},
			{"enabled": true},
		},
	},
	{
		Type: "service", Name: "masked and back", Needs: []string{"systemd"}, Stands: true,
		Prepare: []host.Op{vendorUnit, run("systemctl", "enable", "--now", "kplan-law.service")},
		Want:    resourcetest.Values{"name": "kplan-law.service", "enabled": false, "running": false},
		Changes: []resourcetest.Values{
			{"enabled": nil, "masked": true},
			{"masked": false},
		},
	},
	{
		Type: "service", Name: "masked before it is there", Needs: []string{"systemd"}, Stands: true,
		Want: resourcetest.Values{"name": "kplan-none.service", "masked": true},
	},
}
