// Package scale makes the large specs that kplan is measured with.
package scale

import (
	"fmt"
	"strings"
)

// Resources is how many resources each host of Spec has.
const Resources = 20

// Spec is n hosts, a multiple of 50, with twenty resources each, in chains of
// ten with one barrier over all hosts between them.
func Spec(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
host "node" {
  for_each = { for i in flatten([for a in range(%d) : [for b in range(50) : 50 * a + b]]) : format("n%%05d", i) => cidrhost("10.0.0.0/8", i + 1) }
  name     = each.key
  address  = each.value
}
`, n/50)
	for k := range Resources {
		after := fmt.Sprintf("file.f%d", k-1)
		switch k {
		case 0:
			after = ""
		case Resources / 2:
			after = "all." + after
		}
		fmt.Fprintf(&b, "resource \"file\" \"f%d\" {\n  on = hosts\n  path = \"/etc/f%d\"\n  content = \"%d on ${each.host.name}\\n\"\n  depends_on = [%s]\n}\n", k, k, k, after)
	}
	return b.String()
}
