package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kplan/kplan/modules/internal/script"
)

// An API server is waited for while it is starting, and no longer.
func TestAPIAwaited(t *testing.T) {
	const pod = "etc/kubernetes/manifests/kube-apiserver.yaml"
	recently, before := 5*time.Second, time.Hour
	for name, c := range map[string]struct {
		started, written time.Duration // ago
		begun            bool
		asked            int // until it answers
	}{
		"the machine has started":       {recently, before, false, 3},
		"its pod was written":           {before, recently, false, 3},
		"its pod was written tomorrow":  {before, -24 * time.Hour, false, 0},
		"it has had time enough":        {before, before, false, 0},
		"its control plane is not made": {recently, recently, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.put("bin/kubectl", "#!/bin/sh\necho asked >>\"$NODE/asked\"\n[ \"$(wc -l <\"$NODE/asked\")\" -ge 3 ]\n")
			n.put("bin/sleep", "#!/bin/sh\n")
			n.put("bin/systemctl", fmt.Sprintf("#!/bin/sh\nread -r now _ </proc/uptime\necho $((${now%%.*} * 1000000 - %d))\n", c.started.Microseconds()))
			n.put(pod, "pod\n")
			at := time.Now().Add(-c.written)
			if err := os.Chtimes(filepath.Join(n.dir, pod), at, at); err != nil {
				t.Fatal(err)
			}
			if c.begun {
				n.put(script.KubeadmBegun, "")
			}
			if err := n.run(script.APIAwaited); err != nil {
				t.Fatal(err)
			}
			if asked := strings.Count(n.content("asked"), "\n"); asked != c.asked {
				t.Errorf("it was asked %d times, want %d", asked, c.asked)
			}
		})
	}
}
