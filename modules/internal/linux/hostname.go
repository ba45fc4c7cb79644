package linux

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var hostname = resource.Define[Hostname]("hostname")

// Hostname is the name of the machine, now and at boot.
//
// It writes /etc/hostname and tells the kernel. Where cloud-init sets the name
// at boot, set preserve_hostname there. Removing the block forgets it; the name
// stays.
//
//	resource "hostname" "this" {
//	  on   = hosts
//	  name = each.host.name
//	}
type Hostname struct {
	Name string `cty:"name" kplan:"required"` // one label, or several with dots
}

const (
	hostnameFile = "/etc/hostname"
	hostnameLive = "/proc/sys/kernel/hostname"
)

var dnsName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

// Validate implements resource.Validator. Linux takes 64 characters
// (sethostname(2)).
func (n Hostname) Validate(unknown func(string) bool) error {
	if unknown("name") || dnsName.MatchString(n.Name) && len(n.Name) <= 64 {
		return nil
	}
	return &resource.FieldError{Field: "name", Msg: fmt.Sprintf(
		"%q is no name of a host. Write at most 64 letters, digits and dashes, such as \"k8s-node1\".", n.Name)}
}

// Claims implements resource.Claimer.
func (n Hostname) Claims() []string {
	return []string{"hostname", "path " + hostnameFile, "sysctl kernel.hostname"}
}

// Read makes one call. Of the name in the file and the kernel's it gives the
// one that is not as wanted.
func (n Hostname) Read(ctx context.Context, h host.Host) (*Hostname, error) {
	files, err := host.Read(ctx, h, hostnameLive, hostnameFile)
	if err != nil {
		return nil, err
	}
	got := &Hostname{}
	for _, f := range files {
		if f == nil {
			return &Hostname{}, nil
		}
		if got.Name = firstLine(string(f.Content)); got.Name != n.Name {
			break
		}
	}
	return got, nil
}

// firstLine is the first line that is neither empty nor a comment
// (hostname(5)).
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line
		}
	}
	return ""
}

// Apply makes one call. It does not use hostnamectl, which needs a message bus
// that small images do not have.
func (n Hostname) Apply(ctx context.Context, h host.Host, _ *Hostname) error {
	_, err := h.Do(
		ctx,
		host.WriteFile{Path: hostnameFile, Content: []byte(n.Name + "\n"), Mode: 0o644},
		host.Run{Argv: []string{"tee", hostnameLive}, Stdin: []byte(n.Name + "\n")},
	)
	return err
}
