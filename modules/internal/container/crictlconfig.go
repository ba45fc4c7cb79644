package container

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/internal/deviations"
	"github.com/kplan/kplan/modules/resource"
)

var crictlConfig = resource.Define[CrictlConfig]("crictl_config")

// CrictlConfig is where crictl finds the container runtime.
//
// It owns /etc/crictl.yaml whole; without it crictl tries the sockets of
// several runtimes, and warns. Whatever else stands in the file, or what the
// block does not set, shows in deviations and goes with the next apply. Delete
// removes the file.
//
//	resource "crictl_config" "this" {
//	  on      = hosts
//	  timeout = 10
//	}
type CrictlConfig struct {
	RuntimeEndpoint string  `cty:"runtime_endpoint" kplan:"default=unix:///run/containerd/containerd.sock"` // socket of the runtime
	ImageEndpoint   *string `cty:"image_endpoint"`                                                          // where images are asked for elsewhere
	Timeout         *int64  `cty:"timeout"`                                                                 // seconds to wait for the runtime
	Deviations      string  `cty:"deviations" kplan:"default="`                                             // what was found beside this in the file; leave it out
}

const crictlFile = "/etc/crictl.yaml"

// Validate implements resource.Validator.
func (c CrictlConfig) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	endpoint := func(field, value string) error {
		socket, isUnix := strings.CutPrefix(value, "unix://")
		if isUnix && path.IsAbs(socket) && oneWord.MatchString(value) {
			return nil
		}
		return bad(field, "%q is no endpoint. Write the socket as a URL, such as \"unix:///run/containerd/containerd.sock\".", value)
	}
	if !unknown("runtime_endpoint") {
		if err := endpoint("runtime_endpoint", c.RuntimeEndpoint); err != nil {
			return err
		}
	}
	if c.ImageEndpoint != nil {
		if err := endpoint("image_endpoint", *c.ImageEndpoint); err != nil {
			return err
		}
	}
	if c.Timeout != nil && *c.Timeout < 1 {
		return bad("timeout", "The timeout %d is not positive. Write seconds, such as 10, or leave it out.", *c.Timeout)
	}
	return deviations.Refuse(c.Deviations)
}

// Claims implements resource.Claimer.
func (c CrictlConfig) Claims() []string { return []string{"path " + crictlFile} }

// Read makes one call.
func (c CrictlConfig) Read(ctx context.Context, h host.Host) (*CrictlConfig, error) {
	files, err := host.Read(ctx, h, crictlFile)
	if err != nil {
		return nil, err
	}
	text, err := textOf(files[0])
	if err != nil || text == nil {
		return nil, err
	}
	got := parseCrictl(*text, c)
	return &got, nil
}

func renderCrictl(c CrictlConfig) string {
	text := written + fmt.Sprintf("runtime-endpoint: %q\n", c.RuntimeEndpoint)
	if c.ImageEndpoint != nil {
		text += fmt.Sprintf("image-endpoint: %q\n", *c.ImageEndpoint)
	}
	if c.Timeout != nil {
		text += fmt.Sprintf("timeout: %d\n", *c.Timeout)
	}
	return text
}

// crictlLine is a line of the file, which is a flat mapping in YAML.
var crictlLine = regexp.MustCompile(`^([a-z-]+):[ \t]*(?:"([^"\\]*)"|'([^']*)'|([^"'# \t][^#]*?))[ \t]*(#.*)?$`)

func parseCrictl(text string, want CrictlConfig) (got CrictlConfig) {
	var odd []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n \t")
		if line == "" || line[0] == '#' || line == "---" {
			continue
		}
		m := crictlLine.FindStringSubmatch(line)
		if m == nil {
			odd = append(odd, fmt.Sprintf("line %d", number))
			continue
		}
		value := m[2] + m[3] + m[4]
		seconds, err := strconv.ParseInt(value, 10, 64)
		switch {
		case m[1] == "runtime-endpoint":
			got.RuntimeEndpoint = value
		case m[1] == "image-endpoint" && want.ImageEndpoint != nil:
			got.ImageEndpoint = &value
		case m[1] == "timeout" && want.Timeout != nil && err == nil:
			got.Timeout = &seconds
		default:
			odd = append(odd, m[1])
		}
	}
	got.Deviations = deviations.Summary(odd)
	return got
}

// Apply makes one call.
func (c CrictlConfig) Apply(ctx context.Context, h host.Host, _ *CrictlConfig) error {
	_, err := h.Do(ctx, host.WriteFile{Path: crictlFile, Content: []byte(renderCrictl(c)), Mode: 0o644})
	return err
}

// Delete implements resource.Deleter.
func (c CrictlConfig) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: crictlFile})
	return err
}
