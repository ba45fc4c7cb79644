package lab

import (
	"fmt"
	"os"
	"syscall"
)

// filesystem names the kind of filesystem that a path is on, as far as the lab cares.
func filesystem(path string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(path, &s) == nil && s.Type == 0x794c7630 {
		return "overlay"
	}
	return ""
}

// dieWithParent makes a child end with the thread that starts it.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// stamp is what of a file's inode a change of any kind shows in. Nobody can set a ctime back.
func stamp(info os.FileInfo) string {
	s := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s uid=%d gid=%d size=%d mtime=%d.%09d ctime=%d.%09d",
		info.Mode(), s.Uid, s.Gid, s.Size, s.Mtim.Sec, s.Mtim.Nsec, s.Ctim.Sec, s.Ctim.Nsec)
}
