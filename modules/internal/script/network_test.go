package script_test

import (
	"strings"
	"testing"

	"github.com/kplan/kplan/modules/internal/script"
)

// What is asked first has DaemonSets without their pods, then pods that are not
// Ready; others are not waited for.
func TestNetworkAwaited(t *testing.T) {
	for name, c := range map[string]struct {
		sets, pods []string
		looks      int
	}{
		"all is there":          {[]string{"1 1 3 3"}, []string{"DaemonSet true True"}, 1},
		"there are none":        {[]string{""}, []string{"Node true False"}, 1},
		"one was not seen yet":  {[]string{"1 1 3 3|2 1 0 0", "1  0 0", "1 1 1 0", "1 1 1 1|2 2 1 1"}, []string{"DaemonSet true True"}, 4},
		"one is not Ready":      {[]string{"1 1 1 1"}, []string{"DaemonSet true True|DaemonSet true False", "DaemonSet true |Node true True", "DaemonSet true True"}, 3},
		"others do not matter":  {[]string{"1 1 1 1"}, []string{"Node true False|DaemonSet  False|ReplicaSet  False|DaemonSet true True"}, 1},
		"no answer":             {[]string{"-", "1 1 1 1"}, []string{"-", "DaemonSet true True"}, 3},
		"it does not come":      {[]string{"1 1 1 1"}, []string{"DaemonSet true False"}, 12},
		"a node that is not it": {[]string{"1 1 1 1"}, []string{""}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.put("daemonsets", strings.Join(c.sets, "\n")+"\n")
			n.put("pods", strings.Join(c.pods, "\n")+"\n")
			n.put("bin/kubectl", `#!/bin/sh
case $* in
*" get -A daemonsets "*) what=daemonsets; echo >>"$NODE/looks" ;;
*" get -A pods --field-selector=spec.nodeName=n1 "*) what=pods ;;
*) echo "unknown: $*" >&2; exit 99 ;;
esac
said=$(head -n 1 "$NODE/$what")
[ "$(wc -l <"$NODE/$what")" -lt 2 ] || sed -i 1d "$NODE/$what"
[ "$said" != - ] || exit 1
printf '%s\n' "$said" | tr '|' '\n'
`)
			n.put("bin/sleep", "#!/bin/sh\n")
			n.put("bin/date", "#!/bin/sh\necho >>\"$NODE/ticks\"\nexpr $(wc -l <\"$NODE/ticks\") \\* 10\n")
			if err := n.run(script.NetworkAwaited, "n1"); err != nil {
				t.Fatal(err)
			}
			if looks := strings.Count(n.content("looks"), "\n"); looks != c.looks {
				t.Errorf("it has looked %d times, not %d", looks, c.looks)
			}
		})
	}
}
