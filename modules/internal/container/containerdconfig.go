package container

import (
	"fmt"
	"reflect"
	"strings"
)

const (
	configFile = "/etc/containerd/config.toml"
	// written begins the files that kplan wrote.
	written = "# Written by kplan.\n"
)

func renderConfig(c Containerd) string {
	f, _ := formatOf(c.Version)
	text, table := written, ""
	for _, s := range f.settings(c) {
		if s.table != table {
			text += "\n[" + s.table + "]\n"
			table = s.table
		}
		text += s.key + " = " + literal(s.value) + "\n"
	}
	return text
}

// literal is a value in TOML; Validate keeps out of a text what would have to
// be escaped.
func literal(value any) string {
	switch v := value.(type) {
	case string:
		return `"` + v + `"`
	case []any:
		return "[" + literal(v[0]) + "]"
	}
	return fmt.Sprint(value)
}

// parseConfig reads config.toml in its own format, and names what is in it, or
// missing, beside the attributes that are wanted.
func parseConfig(text string, want Containerd) (got Containerd, odd []string) {
	have, err := parseTOML(text)
	if err != nil {
		return got, []string{configFile + " is no TOML"}
	}
	var f format
	for _, f = range formats {
		if have["version"] == f.number {
			break
		}
	}
	if have["version"] != f.number {
		return got, differences("", have, nil)
	}
	got.Version = f.versions
	if wanted, _ := formatOf(want.Version); wanted.number == f.number {
		got.Version = want.Version
	}
	if v, ok := have[f.sandbox[0]+"."+f.sandbox[1]].(string); ok && want.SandboxImage != nil {
		got.SandboxImage = &v
	}
	if v, ok := have[f.runtime+".restrict_oom_score_adj"].(bool); ok && want.RestrictOOMScoreAdj != nil {
		got.RestrictOOMScoreAdj = &v
	}
	got.SystemdCgroup = have[f.runtime+".containerd.runtimes.runc.options.SystemdCgroup"] == true
	switch v := have[f.runtime+".cni."+f.binDir].(type) {
	case string:
		got.CNIBinDir = v
	case []any:
		if len(v) == 1 {
			got.CNIBinDir, _ = v[0].(string)
		}
	}
	expected := map[string]any{}
	for _, s := range f.settings(got) {
		expected[strings.TrimPrefix(s.table+"."+s.key, ".")] = s.value
	}
	// What is off or empty where it is not set is an attribute's own difference.
	for key, value := range expected {
		_, there := have[key]
		if !there && (reflect.ValueOf(value).IsZero() || reflect.DeepEqual(value, []any{""})) {
			delete(expected, key)
		}
	}
	return got, differences("", have, expected)
}
