package linux_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kplan/kplan/modules"
	"github.com/kplan/kplan/modules/resource"
	"github.com/kplan/kplan/modules/resource/resourcetest"
)

func TestValidateRefuses(t *testing.T) {
	type values = resourcetest.Values
	hosts := func(address string, names ...string) values {
		return values{"entries": map[string][]string{address: names}}
	}
	repository := func(attr string, v any) values {
		all := values{"name": "docker", "uri": "https://download.docker.com/linux/debian", "suites": []string{"bookworm"}, "components": []string{"stable"}}
		all[attr] = v
		return all
	}
	for _, c := range []struct {
		typ   string
		v     values
		field string
		says  string // what to write instead
	}{
		{"file", values{"path": "etc/motd"}, "path", `"/etc/motd"`},
		{"file", values{"path": "/etc/motd/"}, "path", `Write "/etc/motd"`},
		{"file", values{"path": "/etc/../motd"}, "path", `Write "/motd"`},
		{"file", values{"path": "/etc/mo\ntd"}, "path", "one line"},
		{"file", values{"path": "/x", "mode": "644"}, "mode", `Write "0644"`},
		{"file", values{"path": "/x", "mode": "u=rw"}, "mode", `"0644"`},
		{"file", values{"path": "/x", "mode": "0o644"}, "mode", `"0644"`},
		{"file", values{"path": "/x", "mode": "0888"}, "mode", `"0644"`},
		{"file", values{"path": "/x", "owner": "a:b"}, "owner", "name of a user"},
		{"file", values{"path": "/x", "group": ""}, "group", "name of a user or group"},
		{"file", values{"path": "/x", "content": "a", "sensitive_content": "b"}, "content", "one of them"},
		{"reboot", values{"name": "x", "when": "always"}, "when", `Write "required" or "triggers"`},
		{"reboot", values{"name": "x", "when": "triggers"}, "when", "Write some"},
		{"reboot", values{"name": "x", "triggers": map[string]string{"v": "1"}}, "triggers", "Write that too"},
		{"directory", values{"path": "/"}, "path", "directory in it"},
		{"directory", values{"path": "/opt/"}, "path", `Write "/opt"`},
		{"directory", values{"path": "/opt", "mode": "755"}, "mode", `Write "0755"`},
		{"symlink", values{"path": "opt/x", "target": "/x"}, "path", `"/opt/x"`},
		{"symlink", values{"path": "/", "target": "/x"}, "path", "link in it"},
		{"symlink", values{"path": "/x", "target": ""}, "target", "on one line"},
		{"symlink", values{"path": "/x", "target": "/a\n/b"}, "target", "on one line"},
		{"line", values{"path": "x", "match": "^a", "line": "a"}, "path", "from the root"},
		{"line", values{"path": "/x", "match": "^a(", "line": "a("}, "match", "RE2"},
		{"line", values{"path": "/x", "match": "a*", "line": "a"}, "match", "the one line"},
		{"line", values{"path": "/x", "match": "^a", "line": "b"}, "line", "again and again"},
		{"line", values{"path": "/x", "match": "^a", "line": "a\nb"}, "line", "one resource for each line"},
		{"sysctl", values{"key": "net/ipv4/ip_forward", "value": "1"}, "key", `Write "net.ipv4.ip_forward"`},
		{"sysctl", values{"key": "net.ipv4.conf.*.rp_filter", "value": "1"}, "key", "one resource for each key"},
		{"sysctl", values{"key": "net.ipv4/../../x", "value": "1"}, "key", "in dots"},
		{"sysctl", values{"key": "swappiness", "value": "1"}, "key", "in dots"},
		{"sysctl", values{"key": "vm.swappiness", "value": " "}, "value", "one line"},
		{"sysctl", values{"key": "vm.swappiness", "value": "1\nkernel.x=1"}, "value", "one line"},
		{"kernel_module", values{"name": "net/bridge"}, "name", "lsmod"},
		{"kernel_module", values{"name": "--all"}, "name", "lsmod"},
		{"kernel_module", values{"name": "loop", "loaded": false}, "persist", "persist = false"},
		{"kernel_module", values{"name": "loop", "loaded": false, "persist": false, "options": map[string]string{"a": "1"}}, "options", "Leave the options out"},
		{"kernel_module", values{"name": "loop", "options": map[string]string{"max loop": "1"}}, "options", "modinfo"},
		{"kernel_module", values{"name": "loop", "options": map[string]string{"a": "1\ninstall loop x"}}, "options", "without"},
		{"hostname", values{"name": "k8s_node"}, "name", "letters, digits and dashes"},
		{"hostname", values{"name": strings.Repeat("a.", 40) + "a"}, "name", "at most 64"},
		{"hosts_file", hosts("k8s-node1", "10.0.2.15"), "entries", "before the names"},
		{"hosts_file", hosts("fd00:0::1", "a"), "entries", `Write "fd00::1"`},
		{"hosts_file", hosts("10.0.0.1"), "entries", "at least one"},
		{"hosts_file", hosts("10.0.0.1", "localhost"), "entries", "Leave it out"},
		{"hosts_file", hosts("10.0.0.1", "a b"), "entries", "letters"},
		{"hosts_file", hosts("10.0.0.1", "a", "a"), "entries", "once"},
		{"hosts_file", values{"entries": map[string][]string{}}, "entries", "at least one"},
		{"hosts_file", values{"entries": map[string][]string{"10.0.0.1": {"a"}, "10.0.0.2": {"a"}}}, "entries", "at one of them"},
		{"package", values{"name": "kubelet=1.34"}, "name", `name = "kubelet" and version = "1.34"`},
		{"package", values{"name": "Kubelet"}, "name", "lower case"},
		{"package", values{"name": "--purge"}, "name", "no name"},
		{"package", values{"name": "kubelet", "version": "1.34 *"}, "version", "apt-cache madison"},
		{"package", values{"name": "kubelet", "state": "latest"}, "state", `"present" or "absent"`},
		{"package", values{"name": "kubelet", "state": "absent", "version": "1"}, "version", "Leave the version out"},
		{"package", values{"name": "kubelet", "state": "absent", "hold": true}, "hold", "Leave hold out"},
		{"package_repository", repository("name", "docker/ce"), "name", "letters"},
		{"package_repository", repository("uri", "download.docker.com"), "uri", "with its scheme"},
		{"package_repository", repository("uri", "https://x\nTrusted: yes"), "uri", "with its scheme"},
		{"package_repository", repository("suites", []string{}), "suites", "at least one"},
		{"package_repository", repository("suites", []string{"bookworm stable"}), "suites", "one word for each"},
		{"package_repository", repository("components", []string{"stable\nTrusted: yes"}), "components", "one word for each"},
		{"package_repository", repository("components", nil), "components", `["main"]`},
		{"package_repository", repository("suites", []string{"/"}), "components", "Leave the components out"},
		{"package_repository", repository("key", "https://download.docker.com/linux/debian/gpg"), "key", "armored text"},
		{"package_repository", repository("key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n"), "key", "public key"},
		{"service", values{"name": "/etc/x.service"}, "name", "containerd.service"},
		{"service", values{"name": "--root=/x"}, "name", "containerd.service"},
		{"service", values{"name": "a", "masked": true, "running": true}, "masked", "masked = false"},
		{"systemd_unit", values{"name": "a/b", "content": "x"}, "name", "containerd.service"},
		{"systemd_unit", values{"name": "a"}, "content", "content, drop_ins or both"},
		{"systemd_unit", values{"name": "a", "drop_ins": map[string]string{}}, "content", "content, drop_ins or both"},
		{"systemd_unit", values{"name": "a", "content": "\n"}, "content", "masked = true"},
		{"systemd_unit", values{"name": "a", "drop_ins": map[string]string{"10-proxy": "x"}}, "drop_ins", ".conf"},
		{"systemd_unit", values{"name": "a", "drop_ins": map[string]string{"../x.conf": "x"}}, "drop_ins", ".conf"},
		{"exec", values{"command": []string{}}, "command", "program"},
		{"exec", values{"command": "true", "creates": "x"}, "creates", "from the root"},
		{"exec", values{"command": "true", "cwd": "tmp"}, "cwd", "from the root"},
		{"exec", values{"command": "true", "environment": map[string]string{"A-B": "x"}}, "environment", "underscores"},
		{"exec", values{"command": "true", "user": "a b"}, "user", "name"},
	} {
		typ, _ := modules.Lookup(c.typ)
		v, err := resourcetest.Object(typ.Schema, c.v)
		if err != nil {
			t.Fatal(err)
		}
		var bad *resource.FieldError
		if err := typ.Validate(v); !errors.As(err, &bad) {
			t.Errorf("%s %v: the error is %v", c.typ, c.v, err)
			continue
		}
		if bad.Field != c.field || !strings.Contains(bad.Msg, c.says) || !strings.HasSuffix(bad.Msg, ".") {
			t.Errorf("%s %v: %s: %s\nexpected of %s: %q", c.typ, c.v, bad.Field, bad.Msg, c.field, c.says)
		}
	}
}
