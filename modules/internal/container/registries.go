package container

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/kplan/kplan/modules/host"
)

const (
	certsDir = "/etc/containerd/certs.d"
	// everyRegistry stands for those that have no directory of their own.
	everyRegistry = "_default"
)

func hostsFile(registry string) string { return path.Join(certsDir, registry, "hosts.toml") }

// server is where a registry itself is found, after its mirrors; "" leaves that
// to containerd.
func server(registry string, mirrors []string) string {
	for _, mirror := range mirrors {
		if u, err := url.Parse(mirror); err == nil && u.Host == registry {
			return mirror
		}
	}
	switch registry {
	case everyRegistry:
		return ""
	case "docker.io": // the host of its names serves no images
		return "https://registry-1.docker.io"
	}
	return "https://" + registry
}

func renderHosts(registry string, mirrors []string) string {
	text := written
	if s := server(registry, mirrors); s != "" {
		text += fmt.Sprintf("server = %q\n", s)
	}
	for _, mirror := range mirrors {
		text += fmt.Sprintf("\n[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", mirror)
	}
	return text
}

var hostTable = regexp.MustCompile(`(?m)^[ \t]*\[[ \t]*host[ \t]*\.[ \t]*["']([^"'\n]+)["'][ \t]*\]`)

// parseHosts reads the mirrors of a hosts.toml in their order, which counts,
// and names what else is in it.
func parseHosts(registry, text string) (mirrors, odd []string) {
	mirrors = []string{}
	have, err := parseTOML(text)
	if err != nil {
		return mirrors, []string{hostsFile(registry) + " is no TOML"}
	}
	var tree struct {
		Host map[string]any `toml:"host"`
	}
	if err := toml.Unmarshal([]byte(text), &tree); err == nil {
		for _, table := range hostTable.FindAllStringSubmatch(text, -1) {
			if _, ok := tree.Host[table[1]]; ok && !slices.Contains(mirrors, table[1]) {
				mirrors = append(mirrors, table[1])
			}
		}
	}
	expected, err := parseTOML(renderHosts(registry, mirrors))
	if err != nil {
		expected = nil // a mirror that no block can name
	}
	return mirrors, differences(registry+": ", have, expected)
}

// readMine reads the hosts.toml of the registries in dir that are not wanted,
// of those that kplan wrote.
func readMine(ctx context.Context, h host.Host, dir *host.File, wanted []string) (map[string]*string, error) {
	var registries []string
	if dir != nil {
		registries = slices.DeleteFunc(slices.Clone(dir.Entries), func(name string) bool { return slices.Contains(wanted, name) })
	}
	if len(registries) == 0 {
		return map[string]*string{}, nil
	}
	paths := make([]string, len(registries))
	for i, registry := range registries {
		paths[i] = hostsFile(registry)
	}
	files, err := host.Read(ctx, h, paths...)
	if err != nil {
		return nil, err
	}
	mine := map[string]*string{}
	for i, f := range files {
		if f != nil && f.Kind == host.KindFile && strings.HasPrefix(string(f.Content), written) {
			text := string(f.Content)
			mine[registries[i]] = &text
		}
	}
	return mine, nil
}

// hostsOf are the texts of registries, by their names, as far as they are there.
func hostsOf(registries []string, texts map[string]*string) map[string]*string {
	found := map[string]*string{}
	for _, registry := range registries {
		if text := texts[hostsFile(registry)]; text != nil {
			found[registry] = text
		}
	}
	return found
}
