package container

import (
	"regexp"
	"strconv"
)

// format is one version of the format of config.toml: where its settings stand.
type format struct {
	number          int64
	versions        string // of containerd
	runtime, images string // tables
	sandbox         [2]string
	binDir          string
	manyBinDirs     bool
}

const (
	criTable     = `plugins."io.containerd.grpc.v1.cri"`
	runtimeTable = `plugins."io.containerd.cri.v1.runtime"`
	imagesTable  = `plugins."io.containerd.cri.v1.images"`
)

var formats = []format{
	{2, "1.x", criTable, criTable, [2]string{criTable, "sandbox_image"}, "bin_dir", false},
	{3, "2.0", runtimeTable, imagesTable, [2]string{imagesTable + ".pinned_images", "sandbox"}, "bin_dir", false},
	{4, "2.3", runtimeTable, imagesTable, [2]string{imagesTable + ".pinned_images", "sandbox"}, "bin_dirs", true},
}

var containerdVersion = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,4})(\.[0-9]{1,4})?$`)

// formatOf is the format that a version of containerd wants: it reads older
// ones too, but warns, and a later one may not.
func formatOf(version string) (f format, ok bool) {
	m := containerdVersion.FindStringSubmatch(version)
	if m == nil {
		return format{}, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	switch {
	case major == 1 && minor >= 3:
		return formats[0], true
	case major == 2 && minor < 3:
		return formats[1], true
	case major == 2:
		return formats[2], true
	}
	return format{}, false
}

// setting is one line of a table.
type setting struct {
	table, key string
	value      any // as the TOML library reads it
}

// settings are what the configuration is in the format, in the file's order.
func (f format) settings(c Containerd) []setting {
	list := []setting{{"", "version", f.number}}
	if c.SandboxImage != nil {
		list = append(list, setting{f.sandbox[0], f.sandbox[1], *c.SandboxImage})
	}
	if c.RestrictOOMScoreAdj != nil {
		list = append(list, setting{f.runtime, "restrict_oom_score_adj", *c.RestrictOOMScoreAdj})
	}
	var binDir any = c.CNIBinDir
	if f.manyBinDirs {
		binDir = []any{c.CNIBinDir}
	}
	runc := f.runtime + ".containerd.runtimes.runc"
	return append(
		list,
		setting{f.runtime + ".cni", f.binDir, binDir},
		setting{f.runtime + ".cni", "conf_dir", "/etc/cni/net.d"},
		setting{f.images + ".registry", "config_path", certsDir},
		setting{runc, "runtime_type", "io.containerd.runc.v2"},
		setting{runc + ".options", "SystemdCgroup", c.SystemdCgroup},
	)
}
