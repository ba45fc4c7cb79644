package linux

import (
	"slices"
	"strings"
)

const fstabFile = "/etc/fstab"

// swapMark begins a line of fstab that kplan made a comment.
const swapMark = "# kplan swap: "

// swapLine tells whether a line of fstab(5), a comment of kplan's or not, is
// one of swap.
func swapLine(line string) bool {
	fields := strings.Fields(strings.TrimPrefix(line, swapMark))
	return len(fields) >= 3 && !strings.HasPrefix(fields[0], "#") && fields[2] == "swap"
}

// switchFstab makes the swap lines comments, or kplan's comments lines.
func switchFstab(lines []string, on bool) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		switch ours := strings.HasPrefix(l, swapMark); {
		case !swapLine(l):
		case on && ours:
			out[i] = strings.TrimPrefix(l, swapMark)
		case !on && !ours:
			out[i] = swapMark + l
		}
	}
	return out
}
