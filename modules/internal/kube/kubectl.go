package kube

import (
	"errors"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

const adminConf = "/etc/kubernetes/admin.conf"

var errNoCluster = errors.New("this machine has no cluster: kubectl or " + adminConf + " is missing; make it a control plane first, and let this resource wait for that by depends_on")

// kubectl is the command with the administrator's file; without a cache, which
// it would keep in the root directory.
func kubectl(args ...string) []string {
	return append([]string{"kubectl", "--kubeconfig=" + adminConf, "--cache-dir=/dev/null"}, args...)
}

// noAnswer is a cluster that cannot be read.
func noAnswer(out host.Output) error {
	return &resource.NoAnswerError{
		Service: "the API of this machine's cluster", Said: lastLine(out.Stderr),
		Advice: "Where the plan does not mend it, look there with `crictl ps -a` and `journalctl -u kubelet`",
	}
}

func lastLine(b []byte) string {
	lines := slices.Collect(strings.Lines(strings.TrimSpace(string(b))))
	if len(lines) == 0 {
		return "kubectl said nothing"
	}
	return strings.TrimSpace(lines[len(lines)-1])
}
