// Package script holds the shell texts that resource types run on a machine.
//
// They are constants: what a resource is made of reaches them as arguments,
// environment and standard input only. They are POSIX sh. It knows nothing of
// the types that run them; package hosttest carries out the same texts by hand.
package script

// NotNeeded is the exit status by which Exec says that a guard found the
// command unneeded. Where there is a guard, the command's own status of that
// number is turned into 1.
const NotNeeded = 213

// Exec runs a command: its arguments or, where there are none, the shell code
// in KPLAN_COMMAND; unless the code in KPLAN_UNLESS succeeds, and if that in
// KPLAN_ONLYIF does. An empty guard says nothing. Code comes by environment, so
// that it is on no command line, and is taken out of it first. Guards see
// neither the command's input nor its output, and an exit in any code ends that
// code only.
const Exec = `
kplan_command=$KPLAN_COMMAND kplan_unless=$KPLAN_UNLESS kplan_onlyif=$KPLAN_ONLYIF
unset KPLAN_COMMAND KPLAN_UNLESS KPLAN_ONLYIF
if [ -n "$kplan_unless" ] && (eval "$kplan_unless") </dev/null >/dev/null; then exit 213; fi
if [ -n "$kplan_onlyif" ] && ! (eval "$kplan_onlyif") </dev/null >/dev/null; then exit 213; fi
[ "$#" -gt 0 ] || set -- eval "$kplan_command"
("$@")
code=$?
if [ "$code" -eq 213 ] && [ -n "$kplan_unless$kplan_onlyif" ]; then code=1; fi
exit "$code"
`
