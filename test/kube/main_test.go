// Package kube makes a Kubernetes cluster on the lab's machines: by hand, with shell scripts over ssh and nothing of kplan, and
// by kplan, from the spec in examples/gulimall. The first shows that the lab's payload is whole, and how fast a cluster can be
// made from it, which is what the second is measured against.
//
// It runs with KPLAN_KUBE=1, and needs the payload of package test/lab/kube.
package kube

import (
	"os"
	"testing"

	"github.com/kplan/kplan/test/site"
)

func TestMain(m *testing.M) {
	if os.Getenv("KPLAN_KUBE") != "1" {
		os.Exit(m.Run()) // which skips
	}
	if os.Getenv("KPLAN_LAB_MACHINES") == "" {
		_ = os.Setenv("KPLAN_LAB_MACHINES", "4")
	}
	site.Main(m)
}
