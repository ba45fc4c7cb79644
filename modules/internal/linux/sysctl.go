package linux

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var sysctl = resource.Define[Sysctl]("sysctl")

// Sysctl sets a kernel parameter now and, unless persist is false, at boot.
//
// For the boot it writes /etc/sysctl.d/60-kplan-KEY.conf; a file there that
// sorts after it wins. Values of several numbers may be written with any blanks
// between them. A parameter that belongs to a kernel module is there once the
// module is loaded. Delete removes the file; the running kernel keeps the value
// until the next boot.
//
//	resource "sysctl" "forward" {
//	  on    = hosts
//	  key   = "net.ipv4.ip_forward"
//	  value = "1"
//	}
type Sysctl struct {
	Key     string `cty:"key" kplan:"id"`               // in dots: net.ipv4.ip_forward
	Value   string `cty:"value" kplan:"required"`       // as sysctl(8) takes it
	Persist bool   `cty:"persist" kplan:"default=true"` // keep it in /etc/sysctl.d
}

var sysctlKey = regexp.MustCompile(`^[A-Za-z0-9_:@-]+([./][A-Za-z0-9_:@-]+)+$`)

// Validate implements resource.Validator.
func (s Sysctl) Validate(unknown func(string) bool) error {
	bad := func(field, format string, args ...any) error {
		return &resource.FieldError{Field: field, Msg: fmt.Sprintf(format, args...)}
	}
	dotted := swapSeparators(strings.TrimPrefix(strings.Trim(s.Key, "/"), "proc/sys/"))
	switch i := strings.IndexAny(s.Key, "./"); {
	case unknown("key"):
	case strings.Contains(s.Key, "*"):
		return bad("key", "The key %q is a pattern. Write one resource for each key.", s.Key)
	case i >= 0 && s.Key[i] == '/' && sysctlKey.MatchString(dotted):
		return bad("key", "The key %q is written with slashes. Write %q.", s.Key, dotted)
	case i >= 0 && s.Key[i] == '/' || !sysctlKey.MatchString(s.Key):
		return bad("key", "The key %q is no kernel parameter. Write it in dots, such as \"net.ipv4.ip_forward\".", s.Key)
	}
	if !unknown("value") && (strings.TrimSpace(s.Value) == "" || strings.Contains(s.Value, "\n")) {
		return bad("value", "The value %q is empty or of several lines. Write it on one line.", s.Value)
	}
	return nil
}

// swapSeparators turns a key into its path and back. Where the first separator
// is a dot, a slash stands for a dot in a name (sysctl.d(5)):
// net.ipv4.conf.eth0/100.forwarding.
func swapSeparators(key string) string {
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

func (s Sysctl) live() string { return "/proc/sys/" + swapSeparators(s.Key) }

func (s Sysctl) file() string {
	return "/etc/sysctl.d/60-kplan-" + strings.ReplaceAll(s.Key, "/", ".") + ".conf"
}

// Claims implements resource.Claimer.
func (s Sysctl) Claims() []string { return []string{"sysctl " + s.Key, "path " + s.file()} }

// Read makes one call. What is to be persisted is there once its file is; of
// the file's value and the kernel's it gives the one that is not as wanted.
func (s Sysctl) Read(ctx context.Context, h host.Host) (*Sysctl, error) {
	files, err := host.Read(ctx, h, s.live(), s.file())
	if err != nil {
		return nil, err
	}
	live, kept := files[0], files[1]
	if kept == nil && (s.Persist || live == nil) {
		return nil, nil
	}
	got := &Sysctl{Key: s.Key, Persist: kept != nil}
	if live != nil {
		got.Value = s.spelled(string(live.Content))
	}
	if kept != nil && got.Value == s.Value {
		got.Value = s.spelled(sysctlValue(string(kept.Content), s.Key))
	}
	return got, nil
}

// spelled is value as the spec spells it, where they differ in blanks only.
func (s Sysctl) spelled(value string) string {
	if slices.Equal(strings.Fields(value), strings.Fields(s.Value)) {
		return s.Value
	}
	return strings.TrimSpace(value)
}

// sysctlValue is the last value that a file of sysctl.d(5) gives the key.
func sysctlValue(text, key string) string {
	value := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if ok && strings.TrimPrefix(strings.TrimSpace(k), "-") == key {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

// Apply makes one call. The kernel comes first: what it refuses is not kept.
func (s Sysctl) Apply(ctx context.Context, h host.Host, _ *Sysctl) error {
	kept := ""
	if s.Persist {
		kept = writtenBy + s.Key + " = " + s.Value + "\n"
	}
	ops := []host.Op{host.Run{Argv: []string{"tee", s.live()}, Stdin: []byte(s.Value + "\n")}}
	_, err := h.Do(ctx, append(ops, keepFile(s.file(), kept)...)...)
	return err
}

// Delete implements resource.Deleter.
func (s Sysctl) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: s.file()})
	return err
}

// Keeps implements resource.Keeper: without a file there is nothing to delete.
func (s Sysctl) Keeps(resource.Outlook) string {
	if s.Persist {
		return ""
	}
	return "the kernel keeps its value until the next boot"
}
