//go:build !linux

package lab

import (
	"os"
	"syscall"
)

// The lab does not run here (see usable); these let the packages that use it be built and vetted.

func filesystem(string) string { return "" }

func dieWithParent(*syscall.SysProcAttr) {}

func stamp(info os.FileInfo) string { return info.Mode().String() }
