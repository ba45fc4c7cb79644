package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const cgroupRoot = "/sys/fs/cgroup"

// unified says whether the host has cgroup v2 alone, not v1 or systemd's hybrid of both. Such a host is UNTESTED; see the package comment.
func unified() bool { return exists(cgroupRoot + "/cgroup.controllers") }

// cgroupParents returns the directory of each hierarchy in which the lab's cgroups are made.
//
// In v1 it is the caller's own, so that what the machines use is accounted to whoever started them. In v2 it is the root,
// the only cgroup that may have both processes and controllers for its children.
func cgroupParents() ([]string, error) {
	if unified() {
		return []string{cgroupRoot}, nil
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var parents []string
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		hierarchy := "unified"
		if fields[1] != "" {
			hierarchy, _, _ = strings.Cut(strings.TrimPrefix(fields[1], "name="), ",")
		}
		root := filepath.Join(cgroupRoot, hierarchy)
		switch own := filepath.Join(root, fields[2]); {
		case exists(own):
			parents = append(parents, own)
		case exists(root):
			parents = append(parents, root)
		}
	}
	if len(parents) == 0 {
		return nil, &CannotRun{"no cgroup hierarchy is mounted in " + cgroupRoot}
	}
	return parents, nil
}

// enableControllers lets the lab's cgroups have the controllers that the kernel has, and returns those that were off.
func enableControllers() []string {
	if !unified() {
		return nil
	}
	have, _ := os.ReadFile(cgroupRoot + "/cgroup.controllers")
	on, _ := os.ReadFile(cgroupRoot + "/cgroup.subtree_control")
	var enabled []string
	for _, c := range strings.Fields(string(have)) {
		if !slices.Contains(strings.Fields(string(on)), c) && control(cgroupRoot, "+"+c) == nil {
			enabled = append(enabled, c)
		}
	}
	return enabled
}

func control(cgroup, change string) error {
	return os.WriteFile(cgroup+"/cgroup.subtree_control", []byte(change), 0)
}

// makeCgroups makes a machine's cgroups and returns one directory for each hierarchy. In it are two more: keeper for the
// process that boots the machine, and machine for the machine.
func makeCgroups(name string) ([]string, error) {
	parents, err := cgroupParents()
	if err != nil {
		return nil, err
	}
	var made []string
	for _, parent := range parents {
		dir := parent
		for _, sub := range []string{"kplan-lab", name} {
			dir = filepath.Join(dir, sub)
			if err := makeCgroup(dir); err != nil {
				return nil, err
			}
		}
		for _, sub := range []string{"keeper", "machine"} {
			if err := makeCgroup(filepath.Join(dir, sub)); err != nil {
				return nil, err
			}
		}
		made = append(made, dir)
	}
	return made, nil
}

func makeCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if unified() {
		have, _ := os.ReadFile(dir + "/cgroup.controllers")
		for _, c := range strings.Fields(string(have)) {
			if base := filepath.Base(dir); base != "keeper" && base != "machine" {
				_ = control(dir, "+"+c)
			}
		}
		return nil
	}
	// A cpuset of v1 starts empty, and nothing can run in it; clone_children makes those below it copies.
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
		if err != nil || !exists(filepath.Join(dir, f)) {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f), value, 0); err != nil {
			return fmt.Errorf("preparing the cpuset: %w", err)
		}
		_ = os.WriteFile(dir+"/cgroup.clone_children", []byte("1"), 0)
	}
	return nil
}

// processes returns everything that runs in a cgroup and below it.
func processes(dir string) []int {
	var pids []int
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		data, _ := os.ReadFile(path + "/cgroup.procs")
		for _, f := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// clearCgroups kills what runs in the cgroups of a machine, one for each hierarchy, and removes them.
func clearCgroups(ctx context.Context, dirs []string) error {
	if len(dirs) == 0 {
		return nil
	}
	if err := poll(ctx, "its processes to end", func() (bool, error) {
		pids := processes(dirs[0])
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0, nil
	}); err != nil {
		return err
	}
	return dropCgroups(ctx, dirs)
}

// dropCgroups removes empty cgroups, all below them, and the lab's own above them if those were the last.
func dropCgroups(ctx context.Context, dirs []string) error {
	return poll(ctx, "the cgroups to go", func() (bool, error) {
		gone := true
		for _, dir := range dirs {
			var below []string
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					below = append(below, path)
				}
				return nil
			})
			for _, d := range slices.Backward(below) {
				_ = os.Remove(d) // only rmdir works on a cgroup, and it fails while one is in use
			}
			_ = os.Remove(filepath.Dir(dir))
			gone = gone && !exists(dir)
		}
		return gone, nil
	})
}
