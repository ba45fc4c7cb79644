package kube

import "embed"

// Source is this package's own source: the documentation of its types.
//
//go:embed *.go
var Source embed.FS
