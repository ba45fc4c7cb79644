package linux

import (
	"context"
	"fmt"
	"regexp"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var kernelModule = resource.Define[KernelModule]("kernel_module")

// KernelModule is a module of the kernel: whether it is loaded, now and at
// boot, and with which options.
//
// A module that is built into the kernel counts as loaded. For the boot it
// writes /etc/modules-load.d/kplan-NAME.conf, and the options into
// /etc/modprobe.d/kplan-NAME.conf; what other files say of the module stays.
// Options count when the module is loaded the next time, and never for one that
// is built in. With loaded = false it is unloaded, which is an error where
// something uses it, and the two files go. Delete removes the files; the module
// stays loaded until the next boot.
//
//	resource "kernel_module" "br_netfilter" {
//	  on   = hosts
//	  name = "br_netfilter"
//	}
type KernelModule struct {
	Name    string            `cty:"name" kplan:"id"`              // as lsmod lists it; - and _ are the same
	Loaded  bool              `cty:"loaded" kplan:"default=true"`  // is in the kernel now
	Persist bool              `cty:"persist" kplan:"default=true"` // is loaded at boot
	Options map[string]string `cty:"options"`                      // values by name; "" for a name alone
}

var moduleName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// Validate implements resource.Validator.
func (k KernelModule) Validate(unknown func(string) bool) error {
	bad := func(field, msg string) error { return &resource.FieldError{Field: field, Msg: msg} }
	unloaded := !unknown("loaded") && !k.Loaded
	switch {
	case !unknown("name") && !moduleName.MatchString(k.Name):
		return bad("name", fmt.Sprintf("%q is no name of a kernel module. Write it as lsmod lists it, such as \"br_netfilter\".", k.Name))
	case unloaded && k.Persist && !unknown("persist"):
		return bad("persist", "A module that is not to be loaded cannot be loaded at boot. Write persist = false.")
	case unloaded && len(k.Options) > 0:
		return bad("options", "A module that is not to be loaded has no options. Leave the options out.")
	}
	return checkModuleOptions("options", k.Options)
}

// module is the name as the kernel has it.
func (k KernelModule) module() string { return underscored(k.Name) }

func (k KernelModule) loadFile() string { return "/etc/modules-load.d/kplan-" + k.module() + ".conf" }

func (k KernelModule) optionsFile() string { return "/etc/modprobe.d/kplan-" + k.module() + ".conf" }

// Claims implements resource.Claimer.
func (k KernelModule) Claims() []string {
	return []string{"kernel module " + k.module(), "path " + k.loadFile(), "path " + k.optionsFile()}
}

// Disrupts implements resource.Disrupter.
func (k KernelModule) Disrupts(prior *KernelModule) []string {
	if !k.Loaded && prior != nil && prior.Loaded {
		return []string{"unloads the kernel module " + k.module()}
	}
	return nil
}

// Read makes one call. Of modules that are built in, only those with parameters
// stand in /sys/module; modprobe(8) knows the others. What is to be persisted,
// or to have options, is there once one of its files is.
func (k KernelModule) Read(ctx context.Context, h host.Host) (*KernelModule, error) {
	res, err := h.Do(
		ctx,
		host.ReadFile{Path: "/sys/module/" + k.module()},
		host.ReadFile{Path: k.loadFile()},
		host.ReadFile{Path: k.optionsFile()},
		host.Query{Argv: []string{"modprobe", "--show-depends", "--", k.module()}, AnyExit: true},
	)
	if err != nil {
		return nil, err
	}
	loaded := res[0].File != nil || builtIn(string(res[3].Output.Stdout), k.module())
	load, options := res[1].File, res[2].File
	if k.Loaded && load == nil && options == nil && (!loaded || k.Persist || len(k.Options) > 0) {
		return nil, nil
	}
	got := &KernelModule{Name: k.Name, Loaded: loaded, Options: map[string]string{}}
	if load != nil {
		got.Persist = loadsModule(string(load.Content), k.module())
	}
	if options != nil {
		got.Options = moduleOptions(string(options.Content), k.module())
	}
	return got, nil
}

// Apply makes one call. Options come before loading, which takes them. What the
// kernel refuses to load is not loaded at boot; what it refuses to unload keeps
// its files.
func (k KernelModule) Apply(ctx context.Context, h host.Host, prior *KernelModule) error {
	var load, line string
	if k.Persist {
		load = writtenBy + k.module() + "\n"
	}
	if len(k.Options) > 0 {
		line = writtenBy + moduleLine(k.module(), k.Options)
	}
	options := keepFile(k.optionsFile(), line)
	if k.Loaded && k.Options == nil {
		options = nil
	}
	var ops []host.Op
	switch {
	case k.Loaded:
		ops = append(options, host.Run{Argv: []string{"modprobe", "--", k.module()}})
	case prior != nil && prior.Loaded:
		ops = append([]host.Op{host.Run{Argv: []string{"rmmod", "--", k.module()}}}, options...)
	default:
		ops = options
	}
	_, err := h.Do(ctx, append(ops, keepFile(k.loadFile(), load)...)...)
	return err
}

// Delete implements resource.Deleter.
func (k KernelModule) Delete(ctx context.Context, h host.Host) error {
	_, err := h.Do(ctx, host.Remove{Path: k.loadFile()}, host.Remove{Path: k.optionsFile()})
	return err
}

// Keeps implements resource.Keeper: without a file there is nothing to delete.
func (k KernelModule) Keeps(resource.Outlook) string {
	if k.Persist || len(k.Options) > 0 {
		return ""
	}
	return either(k.Loaded, "the module stays loaded until the next boot", "the module is not loaded")
}
