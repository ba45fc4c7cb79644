package conn

import "strings"

// quote makes one word of the POSIX shell (XCU 2.2.2) that stands for s. It is
// the only way by which a value gets into a script. s holds no NUL, which no
// word can: validate refuses it.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quoteAll makes words of all.
func quoteAll(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}
