package addr

import (
	"testing"
)

func TestParse(t *testing.T) {
	root := Resource{Type: "file", Name: "motd"}
	deep := Resource{Module: Module("").Child("site", StringKey(`a"]@${x}`)).Child("base-1", IntKey(7)), Type: "sysctl", Name: "b-c_1"}
	for _, tc := range []struct {
		text string
		want Instance
	}{
		{"file.motd@k8s-node1", Instance{Resource: root, Host: "k8s-node1"}},
		{"file.motd@10-node.example.org", Instance{Resource: root, Host: "10-node.example.org"}},
		{"file.motd[0]@a", Instance{Resource: root, Key: IntKey(0), Host: "a"}},
		{`file.motd["net.ipv4.ip_forward"]@a`, Instance{Resource: root, Key: StringKey("net.ipv4.ip_forward"), Host: "a"}},
		{`file.motd[""]@a`, Instance{Resource: root, Key: StringKey(""), Host: "a"}},
		{`file.motd["$${x} %%{y} \"\\\n"]@a`, Instance{Resource: root, Key: StringKey("${x} %{y} \"\\\n"), Host: "a"}},
		{`file.motd["$$${x}"]@a`, Instance{Resource: root, Key: StringKey("$${x}"), Host: "a"}},
		{`module.site["a\"]@$${x}"].module.base-1[7].sysctl.b-c_1["é"]@h`, Instance{Resource: deep, Key: StringKey("é"), Host: "h"}},
		{"module.module.file.größe@h", Instance{Resource: Resource{Module: "module.module", Type: "file", Name: "größe"}, Host: "h"}},
	} {
		got, err := Parse(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("Parse(%s) = %#v, %v", tc.text, got, err)
		}
		if got.String() != tc.text {
			t.Errorf("%s prints as %s", tc.text, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "@", "file", "file.motd", "file.motd@", "file.@h", ".motd@h", "file.motd@h ", " file.motd@h",
		"file.motd[]@h", "file.motd[-1]@h", "file.motd[00]@h", "file.motd[99999999999999999999]@h", `file.motd["a]@h`, `file.motd["a"@h`,
		`file.motd["${x}"]@h`, "file.motd['a']@h", "file.motd[`a`]@h", `file.motd["\a`, `file.motd["\u0041"]@h`,
		"module.@h", "module.a@h", "module.a.b@h", "module.a[0]file.b@h", "file.motd.x@h", "1file.a@h", "-a.b@h", "file.a@h@i",
		"file.motd@a/b", "file.motd@ä", "file.\xff@h",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v", text, got)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tc := range []struct {
		target string
		yes    []string
		no     []string
	}{
		{"file.a", []string{"file.a@h", "file.a[0]@h", `file.a["x"]@i`}, []string{"file.ab@h", "file.b@h", "module.m.file.a@h"}},
		{"file.a[0]", []string{"file.a[0]@h", "file.a[0]@i"}, []string{"file.a@h", "file.a[1]@h", `file.a["0"]@h`}},
		{`file.a["x"]@h`, []string{`file.a["x"]@h`}, []string{`file.a["x"]@i`, "file.a@h"}},
		{"file.a@h", []string{"file.a@h", "file.a[3]@h"}, []string{"file.a@i"}},
		{"module.m", []string{"module.m.file.a@h", "module.m[0].file.a@h", `module.m["k"].module.n.file.a@h`}, []string{"file.m@h", "module.mm.file.a@h", "module.n.module.m.file.a@h"}},
		{"module.m[1]", []string{"module.m[1].file.a@h", "module.m[1].module.n.file.a@h"}, []string{"module.m.file.a@h", "module.m[10].file.a@h"}},
		{"module.m.file.a", []string{"module.m.file.a@h", "module.m[2].file.a[1]@h"}, []string{"module.m.module.n.file.a@h", "file.a@h"}},
		{"module.m@h", []string{"module.m.file.a@h"}, []string{"module.m.file.a@i"}},
		{"host.k8s-node1", []string{"file.a@k8s-node1"}, []string{"file.a@k8s-node10"}},
		{`host["10-node"]`, []string{"file.a@10-node"}, []string{"file.a@h"}},
	} {
		target, err := ParseTarget(tc.target)
		if err != nil {
			t.Errorf("ParseTarget(%s): %v", tc.target, err)
			continue
		}
		for _, s := range tc.yes {
			if i, err := Parse(s); err != nil || !target.Matches(i) {
				t.Errorf("%s should match %s (%v)", tc.target, s, err)
			}
		}
		for _, s := range tc.no {
			if i, err := Parse(s); err != nil || target.Matches(i) {
				t.Errorf("%s should not match %s (%v)", tc.target, s, err)
			}
		}
	}
	for _, s := range []string{"", "file", "host.", "host", "module.", "module.m.", "module.m.file", "file.a@", "file.a[", "a b.c", `host[0]`, `host[""]`} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("ParseTarget(%q) = %v", s, got)
		}
	}
	if (Target{}).Matches(Instance{}) {
		t.Error("the zero target matches")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`module.site["a\"]@$${x}"].module.base-1[7].sysctl.b-c_1["é"]@h`)
	f.Add("file.motd[0]@10-node.example.org")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := Parse(text)
		if err != nil {
			return
		}
		if i.String() != text {
			t.Fatalf("%q prints as %q", text, i)
		}
		target, err := ParseTarget(text)
		if i.Type == "host" && i.Module == "" {
			return
		}
		if err != nil || !target.Matches(i) {
			t.Fatalf("%q is no target of its own: %v", text, err)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("a", "$${b}", 3)
	f.Add("%{", "\\", 0)
	f.Fuzz(func(t *testing.T, a, b string, n int) {
		if n < 0 {
			n = -(n + 1)
		}
		i := Instance{
			Resource: Resource{Module: Module("").Child("m", StringKey(a)).Child("n", IntKey(n)), Type: "t", Name: "n"},
			Key:      StringKey(b), Host: "h",
		}
		if got, err := Parse(i.String()); err != nil || got != i {
			t.Fatalf("%s: %#v, %v", i, got, err)
		}
		target, err := ParseTarget(i.Resource.String())
		if err != nil || !target.Matches(i) || target.String() != i.Resource.String() {
			t.Fatalf("%s: %v", i, err)
		}
	})
}
