package lab

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// volatile sysctls are written by the kernel or say nothing when read back. Those of net are each namespace's own.
var volatile = []string{
	"/proc/sys/net", "/proc/sys/fs/binfmt_misc", "/proc/sys/kernel/random", "/proc/sys/kernel/ns_last_pid",
	"/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/tainted", "/proc/sys/kernel/cad_pid",
	"/proc/sys/vm/drop_caches", "/proc/sys/vm/compact_memory", "/proc/sys/vm/stat_refresh",
}

// sysctls reads every parameter of the host's kernel that a machine could have set, by path.
func sysctls() map[string]string {
	values := map[string]string{}
	_ = filepath.WalkDir("/proc/sys", func(path string, d fs.DirEntry, err error) error {
		if slices.Contains(volatile, path) {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Mode()&0o600 != 0o600 {
			return nil
		}
		if data, err := os.ReadFile(path); err == nil {
			values[path] = string(data)
		}
		return nil
	})
	return values
}

// restoreSysctls writes back what differs. Some parameters come in pairs of which one resets the other, and refuse the
// value that they then show; so it takes two rounds, and what a write says does not matter.
func restoreSysctls(before map[string]string) {
	for range 2 {
		now := sysctls()
		for _, path := range slices.Sorted(maps.Keys(before)) {
			if value, ok := now[path]; ok && value != before[path] {
				_ = os.WriteFile(path, []byte(strings.TrimSuffix(before[path], "\n")), 0)
			}
		}
	}
}

// raiseSysctls makes room for many machines: with the kernel's 128 inotify instances about twenty systemds can run.
func raiseSysctls() error {
	return os.WriteFile("/proc/sys/fs/inotify/max_user_instances", []byte("8192"), 0)
}
