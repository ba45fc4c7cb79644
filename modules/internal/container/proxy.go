package container

import (
	"regexp"
	"strings"
)

// proxyFile is a drop-in of systemd.unit(5).
const proxyFile = "/etc/systemd/system/containerd.service.d/kplan-proxy.conf"

// proxyVariables are the variables that containerd knows, by attribute.
var proxyVariables = map[string]string{"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}

// renderProxy writes the variables. A percent sign begins a specifier in a unit
// file, unless there are two.
func renderProxy(proxy map[string]string) string {
	text := written + "[Service]\n"
	for _, name := range []string{"http", "https", "no_proxy"} {
		if value, ok := proxy[name]; ok {
			text += `Environment="` + proxyVariables[name] + "=" + strings.ReplaceAll(value, "%", "%%") + "\"\n"
		}
	}
	return text
}

var proxyLine = regexp.MustCompile(`(?m)^Environment="([A-Z_]+)=(.*)"$`)

// parseProxy reads what renderProxy writes; odd is the file's name where more
// than that stands in it. text is nil where there is no file.
func parseProxy(text *string) (proxy map[string]string, odd []string) {
	proxy = map[string]string{}
	if text == nil {
		return proxy, nil
	}
	for _, line := range proxyLine.FindAllStringSubmatch(*text, -1) {
		for name, variable := range proxyVariables {
			if line[1] == variable {
				proxy[name] = strings.ReplaceAll(line[2], "%%", "%")
			}
		}
	}
	if renderProxy(proxy) != *text {
		odd = []string{proxyFile}
	}
	return proxy, odd
}
