package conn

import (
	_ "embed"
	"strings"
)

//go:embed shell.sh
var shellText string

//go:embed as.sh
var asText string

//go:embed runner.sh
var runnerText string

//go:embed become.sh
var becomeText string

// The programs as they travel.
var (
	shellProgram  = squeeze(asText + shellText)
	runnerProgram = squeeze(asText + runnerText)
	becomeProgram = squeeze(becomeText)
)

const (
	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

	// reading takes a program from standard input, line by line with the read
	// builtin, which takes no byte more. It goes through the login shell of the
	// user, which may be csh or fish: hence no quote, no "!", no line feed, no
	// double backslash. A program that was cut does not run.
	reading = `p=; n=$(printf "\nx"); n=${n%x}; while IFS= read -r l; do [ "$l" = "#run" ] && eval "$p"; p=$p$l$n; done`

	// greeting tells that the new user's shell is there: its name is the prompt.
	greeting = `printf "\n%s up\n" "$0"; ` + reading

	runLine = "#run\n"
)

// bootstrap is the command of every session: constant, so that it holds no
// value and no secret.
func bootstrap(path, sh string) string {
	return "exec /usr/bin/env -i PATH=" + path + " LC_ALL=C " + sh + " -c '" + reading + "'"
}

// squeeze takes comments and indentation out of a program.
func squeeze(program string) string {
	var b strings.Builder
	for line := range strings.Lines(program) {
		line = strings.TrimLeft(line, "\t")
		if line == "\n" || strings.HasPrefix(line, "#") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// assign writes shell assignments, name by name.
func assign(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(pairs[i] + "=" + quote(pairs[i+1]) + "\n")
	}
	return b.String()
}
