package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Unlisted is what a snapshot leaves out: the kernel's filesystems and systemd's own record of what runs.
var Unlisted = []string{"/proc", "/sys", "/dev", "/run/systemd"}

// LoginRecords is what logging in writes, whoever does it and whatever for: patterns of paths that a snapshot leaves out,
// with all below them. The list is closed: what else changes was changed by what ran.
var LoginRecords = []string{
	"/run/utmp", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", // who was logged in, and who failed to
	"/var/log/auth.log", "/var/log/syslog", "/var/log/faillog", // where a syslog daemon or pam_faillock writes that
	"/run/log/journal/*", "/var/log/journal/*", // the journal
	"/run/user/*",                                // logind's directory for a user who is logged in
	"/run/motd.dynamic", "/run/motd.dynamic.new", // what pam_motd greets with
	"/run/sudo/ts", "/var/lib/sudo/lectured", // sudo: who gave a password lately, who was lectured
}

// recordDirs are the directories that hold those records: their own times change as records come and go.
var recordDirs = []string{"/run", "/run/user", "/run/sudo", "/run/log/journal", "/var/log", "/var/log/journal", "/var/lib/sudo"}

// Snapshot lists every file of the machine by path: type and mode, owner, size, mtime, ctime, and the SHA-256 of a file's
// content or a link's target. Two snapshots are equal if nothing was written in between but Unlisted and LoginRecords.
// It reads from outside and runs nothing on the machine.
func (m *Machine) Snapshot(ctx context.Context) (map[string]string, error) {
	pid := m.init()
	if pid == 0 {
		return nil, fmt.Errorf("%s is off", m.Name)
	}
	root := "/proc/" + strconv.Itoa(pid) + "/root"
	list := map[string]string{}
	err := filepath.WalkDir(root+"/", func(p string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		if leftOut(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		entry, err := describe(p, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		list[name] = entry
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: snapshot: %w", m.Name, err)
	}
	return list, nil
}

func leftOut(name string) bool {
	if slices.Contains(Unlisted, name) {
		return true
	}
	return slices.ContainsFunc(LoginRecords, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

func describe(p, name string) (string, error) {
	info, err := os.Lstat(p)
	if err != nil {
		return "", err
	}
	switch {
	case slices.Contains(recordDirs, name):
		return info.Mode().String(), nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(p)
		return stamp(info) + " -> " + target, err
	case !info.Mode().IsRegular():
		return stamp(info), nil
	}
	f, err := os.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s sha256=%x", stamp(info), h.Sum(nil)), nil
}
