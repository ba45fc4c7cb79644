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

func parseProxy(text string) map[string]string {
	proxy := map[string]string{}
	for _, line := range proxyLine.FindAllStringSubmatch(text, -1) {
		for name, variable := range proxyVariables {
			if line[1] == variable {
				proxy[name] = strings.ReplaceAll(line[2], "%%", "%")
			}
		}
	}
	return proxy
}
