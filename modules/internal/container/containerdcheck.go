package container

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/internal/deviations"
	"github.com/kplan/kplan/modules/resource"
)

var (
	registryHost = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]+)?$`)
	oneWord      = regexp.MustCompile(`^[^\s"'\\\x00-\x1f\x7f]+$`) // is written into quotes as it is
)

// Validate implements resource.Validator.
func (c Containerd) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	bare := strings.TrimPrefix(c.Version, "v")
	switch _, ok := formatOf(bare); {
	case unknown("version") || ok && bare == c.Version:
	case ok:
		return bad("version", "The version %q begins with a letter. Write %q.", c.Version, bare)
	default:
		return bad("version", "%q is no version of containerd that kplan knows. Write one from 1.3 to 2.x, such as \"1.7.28\" or \"2.1\".", c.Version)
	}
	switch {
	case c.SandboxImage != nil && !oneWord.MatchString(*c.SandboxImage):
		return bad("sandbox_image", "%q is no name of an image. Write it in full, such as \"registry.k8s.io/pause:3.10.1\".", *c.SandboxImage)
	case unknown("cni_bin_dir"):
	case !path.IsAbs(c.CNIBinDir) || path.Clean(c.CNIBinDir) != c.CNIBinDir || !oneWord.MatchString(c.CNIBinDir):
		return bad("cni_bin_dir", "%q is no directory that containerd can be told. Write its shortest path from the root, without blanks and quotes, such as \"/opt/cni/bin\".", c.CNIBinDir)
	}
	if err := deviations.Refuse(c.Deviations); err != nil {
		return err
	}
	for _, registry := range slices.Sorted(maps.Keys(c.Registries)) {
		if u, err := url.Parse(registry); err == nil && registryHost.MatchString(u.Host) {
			return bad("registries", "The registry %q is written as a URL. Write its host as in names of images: %q.", registry, u.Host)
		}
		if registry != everyRegistry && !registryHost.MatchString(registry) {
			return bad("registries", "%q is no host of a registry. Write it as in names of images, such as \"docker.io\" or \"10.0.2.1:5000\".", registry)
		}
		mirrors := c.Registries[registry]
		if len(mirrors) == 0 {
			return bad("registries", "The registry %q has no mirrors. Write at least one URL, or leave the registry out.", registry)
		}
		for i, mirror := range mirrors {
			u, err := url.Parse(mirror)
			switch {
			case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery+u.Fragment != "" || !oneWord.MatchString(mirror):
				return bad("registries", "%q is no URL of a mirror. Write it with its scheme, such as \"https://mirror.example.org\".", mirror)
			case slices.Contains(mirrors[:i], mirror):
				return bad("registries", "The mirror %q of %s is there twice. Write it once.", mirror, registry)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Proxy)) {
		switch {
		case proxyVariables[name] == "":
			return bad("proxy", "There is no proxy %q. Write http, https or no_proxy.", name)
		case !oneWord.MatchString(c.Proxy[name]):
			return bad("proxy", "The proxy %s is empty, or holds blanks, quotes or backslashes. Write one word, such as \"http://10.0.2.1:3128\".", name)
		}
	}
	return nil
}

// Claims implements resource.Claimer.
func (c Containerd) Claims() []string {
	claims := []string{"path " + configFile}
	for _, registry := range slices.Sorted(maps.Keys(c.Registries)) {
		claims = append(claims, "path "+hostsFile(registry))
	}
	if c.Proxy != nil {
		claims = append(claims, "path "+proxyFile)
	}
	return claims
}
