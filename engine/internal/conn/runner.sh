# A detached act, run by the service manager or in a session of its own. What
# comes before sets d (its directory), dir and usr; the command's words follow
# as the arguments of act. The lock is held from before this script returns
# until the act has ended, so that waiting for the lock is waiting for the act.

# cap FILE: one byte more than is kept shows that there was more.
cap() {
	head -c 1048577 >"$1"
	cat >/dev/null
}

act() {
	exec 9<>"$d/lock"
	flock 9 || exit
	# Who finds no act running and no status here before may have decided that
	# this one never begins.
	mkdir "$d/begun" 2>/dev/null || exit 0
	printf '%s\n' "$$" >"$d/group"
	work "$@" &
}

work() {
	mkfifo "$d/o" "$d/e"
	cap "$d/out" <"$d/o" 9>&- &
	_o=$!
	cap "$d/err" <"$d/e" 9>&- &
	_e=$!
	(
		umask 022
		. "$d/env"
		unset PWD OLDPWD SHLVL
		cd -- "$dir" || exit
		as "$usr" "$@"
	) <"$d/stdin" >"$d/o" 2>"$d/e" 9>&-
	_r=$?
	# A process that the command leaves behind may hold its output for ever.
	{
		sleep 5
		kill "$_o" "$_e"
	} 9>&- &
	_w=$!
	wait "$_o"
	wait "$_e"
	kill "$_w"
	rm -f "$d/script" "$d/stdin" "$d/env" "$d/o" "$d/e"
	printf '%s\n' "$_r" >"$d/rc.new" && mv -f "$d/rc.new" "$d/rc"
}

umask 077
cd /
