//go:build tools

// Package tools names the commands that this module is for, so that go.mod and go.sum cover them.
package tools

import (
	_ "github.com/coredns/coredns"
)
