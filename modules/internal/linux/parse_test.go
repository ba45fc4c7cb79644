package linux

import (
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	for text, mode := range map[string]fs.FileMode{
		"0000": 0, "0644": 0o644, "4755": 0o755 | fs.ModeSetuid, "2775": 0o775 | fs.ModeSetgid, "1777": 0o777 | fs.ModeSticky,
		"7000": fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky,
	} {
		if got := parseMode(text); got != mode {
			t.Errorf("parseMode(%q) = %v", text, got)
		}
		if got := formatMode(mode); got != text {
			t.Errorf("formatMode(%v) = %q", mode, got)
		}
	}
}

func TestSwitchFstab(t *testing.T) {
	on := "# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n/swapfile none swap sw 0 0\n\tUUID=2\tnone\tswap\tsw,pri=1 0 0\n#/old none swap sw 0 0\n/dev/swap /mnt ext4\n/dev/sdb none swap"
	off := "# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n# kplan swap: /swapfile none swap sw 0 0\n# kplan swap: \tUUID=2\tnone\tswap\tsw,pri=1 0 0\n#/old none swap sw 0 0\n/dev/swap /mnt ext4\n# kplan swap: /dev/sdb none swap"
	for _, c := range []struct {
		in   string
		on   bool
		want string
	}{{on, false, off}, {off, false, off}, {off, true, on}, {on, true, on}, {"", false, ""}} {
		if got := strings.Join(switchFstab(slices.Collect(strings.Lines(c.in)), c.on), ""); got != c.want {
			t.Errorf("switched %v:\n%s\nwanted:\n%s", c.on, got, c.want)
		}
	}
}

func TestHostsText(t *testing.T) {
	type entries = map[string][]string
	const bare = "127.0.0.1\tlocalhost\n127.0.1.1 debian n1\n\n# note 10.0.0.9 n1\n::1 localhost\n"
	for _, c := range []struct {
		name, in string
		want     entries
		before   entries
		after    string
	}{
		{
			"new names", bare,
			entries{"10.0.0.2": {"n2", "n2.lan"}},
			entries{},
			bare + "10.0.0.2\tn2 n2.lan # kplan\n",
		},
		{
			"a name that stood elsewhere", bare,
			entries{"10.0.0.1": {"n1"}},
			entries{},
			strings.Replace(bare, "127.0.1.1 debian n1", "127.0.1.1\tdebian", 1) + "10.0.0.1\tn1 # kplan\n",
		},
		{
			"a name of the other family", bare,
			entries{"fd00::1": {"n1"}},
			entries{},
			bare + "fd00::1\tn1 # kplan\n",
		},
		{
			"a line of others", "10.0.0.1 n1 x\n",
			entries{"10.0.0.1": {"n1"}},
			entries{"10.0.0.1": {"n1"}},
			"10.0.0.1 n1 x\n",
		},
		{
			"partly there", "10.0.0.1 n1 x\n",
			entries{"10.0.0.1": {"n1", "y"}},
			entries{"10.0.0.1": {"n1"}},
			"10.0.0.1 n1 x\n10.0.0.1\ty # kplan\n",
		},
		{
			"an address that is dropped", "10.0.0.1\tn1 # kplan\n10.0.0.2\tn2 # kplan\n",
			entries{"10.0.0.1": {"n1"}},
			entries{"10.0.0.1": {"n1"}, "10.0.0.2": {"n2"}},
			"10.0.0.1\tn1 # kplan\n",
		},
		{
			"a duplicate that shadows", "10.0.0.7 n1\n10.0.0.1\tn1 # kplan\n",
			entries{"10.0.0.1": {"n1"}},
			entries{},
			"10.0.0.1\tn1 # kplan\n",
		},
		{
			"another order", "10.0.0.1 b a\n",
			entries{"10.0.0.1": {"a", "b"}},
			entries{"10.0.0.1": {"a", "b"}},
			"10.0.0.1 b a\n",
		},
		{
			"no end of line, carriage return", "10.0.0.1 a\r\n10.0.0.2 b",
			entries{"10.0.0.3": {"c"}},
			entries{},
			"10.0.0.1 a\n10.0.0.2 b\n10.0.0.3\tc # kplan\n",
		},
		{
			"addresses in order", "",
			entries{"10.0.0.10": {"b"}, "10.0.0.9": {"a"}},
			entries{},
			"10.0.0.9\ta # kplan\n10.0.0.10\tb # kplan\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := parseHosts(c.in)
			if got := text.entries(c.want); !reflect.DeepEqual(got, c.before) {
				t.Errorf("before: %v", got)
			}
			changed := text.with(c.want)
			if got := changed.String(); got != c.after {
				t.Errorf("after:\n%s\nwanted:\n%s", got, c.after)
			}
			again := parseHosts(c.after)
			if got := again.entries(c.want); !reflect.DeepEqual(got, c.want) {
				t.Errorf("read back: %v", got)
			}
			if got := again.with(c.want).String(); got != c.after {
				t.Errorf("done twice:\n%s", got)
			}
			if got := again.without(c.want).entries(c.want); len(got) != 0 {
				t.Errorf("after delete: %v", got)
			}
		})
	}
}

func TestTextLines(t *testing.T) {
	match := regexp.MustCompile(`^a *=`)
	for _, c := range []struct {
		name, in       string
		line           string // before
		after, without string
	}{
		{"none", "b\n", "", "b\na = 9\n", "b\n"},
		{"no text", "", "", "a = 9\n", ""},
		{"no end of line", "b", "", "b\na = 9\n", "b\n"},
		{"a comment", "# a = 1\n", "", "# a = 1\na = 9\n", "# a = 1\n"},
		{"one", "b\na=1\nc\n", "a=1", "b\na = 9\nc\n", "b\nc\n"},
		{"several", "a=1\na=2\nb\n", "a=2", "a=1\na = 9\nb\n", "b\n"},
		{"the last, without its end", "b\na=1", "a=1", "b\na = 9", "b\n"},
		{"carriage return", "b\r\na=1\r\nc\r\n", "a=1", "b\r\na = 9\r\nc\r\n", "b\r\nc\r\n"},
		{"no text in UTF-8", "\xff\na=1\n", "a=1", "\xff\na = 9\n", "\xff\n"},
	} {
		text := parseLines(c.in)
		if got, found := text.find(match); got != c.line || found != (c.line != "") {
			t.Errorf("%s: found %q, %v", c.name, got, found)
		}
		after := text.with(match, "a = 9")
		if after.String() != c.after || text.String() != c.in {
			t.Errorf("%s: %q, and the text before is %q", c.name, after, text)
		}
		if again := after.with(match, "a = 9"); again.String() != c.after {
			t.Errorf("%s, done twice: %q", c.name, again)
		}
		if got := after.without(match).String(); got != c.without {
			t.Errorf("%s, deleted: %q", c.name, got)
		}
	}
}

func TestSysctl(t *testing.T) {
	const text = "# c\n; c\nnet.a.b = 1\n-net.a.c=2 3\nnet.a.b =  4\n"
	for key, want := range map[string]string{"net.a.b": "4", "net.a.c": "2 3", "net.a": ""} {
		if got := sysctlValue(text, key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":                "/proc/sys/net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/100.forwarding":  "/proc/sys/net/ipv4/conf/eth0.100/forwarding",
		"net.ipv4.conf.br-1a2b3c.forwarding": "/proc/sys/net/ipv4/conf/br-1a2b3c/forwarding",
	} {
		if got := (Sysctl{Key: key}).live(); got != want {
			t.Errorf("%s stands at %s", key, got)
		}
	}
}

func TestModprobe(t *testing.T) {
	const text = "# options loop a=0\noptions  loop max_loop=8 quiet\noptions other max_loop=9\ninstall loop /bin/true\noptions\tloop max_part=1\n"
	if got, want := moduleOptions(text, "loop"), (map[string]string{"max_loop": "8", "quiet": "", "max_part": "1"}); !maps.Equal(got, want) {
		t.Errorf("options %v", got)
	}
	if got := moduleOptions("options xt-tcp-udp a=1", "xt_tcp_udp"); got["a"] != "1" {
		t.Errorf("options of a name with dashes: %v", got)
	}
	for text, want := range map[string]bool{"# loop\n": false, " loop\n": true, "loop2\n": false, "a\nloop": true, "": false} {
		if loadsModule(text, "loop") != want {
			t.Errorf("%q is read wrong", text)
		}
	}
	for text, want := range map[string]bool{
		"builtin loop\n": true, "insmod /lib/modules/6.1/loop.ko \n": false, "insmod /lib/modules/6.1/x.ko \nbuiltin loop\n": true, "builtin loop2\n": false,
	} {
		if builtIn(text, "loop") != want {
			t.Errorf("%q is read wrong", text)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"ii |1.0-1\n":        "1.0-1",
		"hi |1.0-1\n":        "1.0-1 held",
		"rc |1.0-1\n":        "",
		"un |\n":             "",
		"iF |1.0-1\n":        "1.0-1 cut",
		"iiR|1.0-1\n":        "1.0-1 cut",
		"rc |1.0\nii |2.0\n": "2.0",
		"pi |3.0\n":          "3.0",
	} {
		got := ""
		if p := parseStatus(text); p != nil {
			got = p.version + either(p.held, " held", "") + either(p.whole, "", " cut")
		}
		if got != want {
			t.Errorf("%q is read as %q, wanted %q", text, got, want)
		}
	}
}
