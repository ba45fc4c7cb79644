package lab

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain also checks what no test in the lab can: that a lab that is down leaves the host as it found it.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	wasUp := exists(statePath())
	before := hostState()
	code := Run(m)
	after := hostState()
	switch {
	case wasUp:
		fmt.Println("lab: it was up before the tests and still is, so what Down leaves behind was not checked")
	case exists(statePath()):
		fmt.Println("lab: FAIL: it is still up")
		code = 1
	default:
		for _, key := range slices.Sorted(maps.Keys(merge(before, after))) {
			if before[key] != after[key] {
				fmt.Printf("lab: FAIL: the host is not as before: %s was %q and is %q\n", key, before[key], after[key])
				code = 1
			}
		}
	}
	os.Exit(code)
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// hostState is what a lab touches of its host: sysctls, mounts, namespaces, cgroups, swap.
func hostState() map[string]string {
	state := sysctls()
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 {
			state["mount "+f[4]] += "|"
		}
	}
	if exists(netnsDir) {
		state[netnsDir] = "exists"
	}
	names, _ := os.ReadDir(netnsDir)
	for _, n := range names {
		state["netns "+n.Name()] = "exists"
	}
	// Other processes of the host come and go with cgroups of their own; these names are the lab's and nspawn's.
	_ = filepath.WalkDir(cgroupRoot, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{"kplan-lab", "payload", "supervisor"}, d.Name()) {
			state["cgroup "+path] = "exists"
		}
		return nil
	})
	swaps, _ := os.ReadFile("/proc/swaps")
	state["swap"] = string(swaps)
	return state
}
