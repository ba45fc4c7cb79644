# The loop that serves one session. What comes before it sets
#   N    nonce of the markers; secret to other users of the machine, so that
#        no file of theirs can hold a marker: never in an argument or a name
#   R V  /run/kplan and /var/lib/kplan
# Standard input holds frames: a header "N SCRIPT BODIES", SCRIPT bytes of
# calls to the functions below, and BODIES bytes that these take as data.

umask 022
cd /
unset PWD OLDPWD SHLVL
uid=$(id -u)
gid=$(id -g)
left=0

# take COUNT: the next bytes of standard input, and not one more.
take() { head -c "$1"; }
# A head that reads ahead (busybox) would swallow what follows.
[ "$(printf abc | { head -c 1 >/dev/null; head -c 1; })" = b ] || take() {
	[ "$1" -lt 65536 ] || dd bs=65536 count=$(($1 / 65536)) iflag=fullblock 2>/dev/null
	[ $(($1 % 65536)) = 0 ] || dd bs=$(($1 % 65536)) count=1 iflag=fullblock 2>/dev/null
}

# value COUNT: v becomes the next body. A short one means that the connection
# is gone: nothing may act on it.
value() {
	left=$((left - $1))
	v=$(take "$1" && printf x)
	v=${v%x}
	[ "${#v}" = "$1" ] || exit 1
}

# body COUNT COMMAND...: COMMAND reads the next body. All of it is consumed,
# however much of it COMMAND reads.
body() {
	left=$((left - $1))
	_n=$1
	shift
	take "$_n" | {
		"$@"
		_x=$?
		cat >/dev/null
		exit "$_x"
	}
}

# drain: drops the bodies that nobody took.
drain() {
	[ "$left" = 0 ] || take "$left" >/dev/null
	left=0
}

mark() {
	printf '\n%s %s %s\n' "$N" "$1" "$2"
	printf '\n%s %s %s\n' "$N" "$1" "$2" >&2
}

# o ID ANY COMMAND...: one operation. w replaces its status in the marker. True
# where the call goes on.
o() {
	_i=$1
	_a=$2
	shift 2
	w=
	"$@"
	_r=$?
	mark "$_i" "${w:-$_r}"
	[ "$_r" = 0 ] || { [ "$_a" = 1 ] && [ -z "$w" ]; }
}

fail() {
	printf '%s\n' "$1" >&2
	return 1
}

# file PATH LIMIT LIST. That there is none is an answer, not a failure.
file() {
	if ! _m=$(stat -c '%f:%s:%u:%g:%U:%G' -- "$1" 2>&1); then
		case $_m in
		*': No such file or directory' | *': Not a directory') w=absent ;;
		*) fail "$_m" ;;
		esac
		return
	fi
	printf '%s\n' "$_m"
	case $_m in
	8???:*)
		_s=${_m#*:}
		if [ "${_s%%:*}" -gt "$2" ]; then
			sha256sum <"$1"
		else
			head -c $(($2 + 1)) -- "$1"
		fi
		;;
	a???:*) readlink -n -- "$1" ;;
	4???:*) [ "$3" = 0 ] || names "$1" ;;
	esac
}

# names DIRECTORY: each ended by NUL.
names() {
	{ [ -r "$1" ] && [ -x "$1" ]; } || fail 'Permission denied' || return
	for _f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		if [ -e "$_f" ] || [ -L "$_f" ]; then printf '%s\0' "${_f##*/}"; fi
	done
}

# query ARGV: exec, so that no function or builtin answers in its place.
query() { (exec "$@") </dev/null; }

# settle FILE: to disk.
settle() { sync "$1" 2>/dev/null || sync; }

# labelled PATH: gives it the SELinux label of its place, where there are any.
labelled() {
	[ -e /sys/fs/selinux/enforce ] && command -v restorecon >/dev/null || return 0
	restorecon -- "$1"
}

# write PATH TEMPORARY MODE OWNER GROUP SIZE. Owner and mode are set through
# the open file: who may rename in the directory could have put a link at the
# temporary name.
write() {
	_d=${1%/*}
	_d=${_d:-/}
	[ -d "$_d" ] || fail "there is no directory $_d" || return
	set -C
	body "$6" fill "$2" "$3" "${4:-$uid}:${5:-$gid}" "$6"
	_w=$?
	set +C
	[ "$_w" != 99 ] || exit 1
	[ "$_w" = 0 ] && mv -fT -- "$2" "$1" && labelled "$1" && settle "$_d" && return
	rm -f -- "$2"
	return 1
}

# fill TEMPORARY MODE OWNER SIZE, with noclobber set.
fill() {
	umask 077
	{
		cat >&3 || return 1
		_v=$(stat -L -c %s:%u:%g /proc/self/fd/3) || return 1
		if [ "${_v%%:*}" != "$4" ]; then
			rm -f -- "$1"
			exit 99
		fi
		[ "${_v#*:}" = "$3" ] || chown "$3" /proc/self/fd/3 || return 1
		chmod "$2" /proc/self/fd/3 && settle /proc/self/fd/3
	} 3>"$1"
}

# dir PATH MODE OWNER GROUP. What is changed is what the shell stands in, once
# it is known to be the directory and no link.
dir() {
	[ -d "$1" ] || mkdir -m 700 -- "$1" || return
	(
		cd -P -- "$1" || exit
		[ "$(stat -c %d:%i .)" = "$(stat -c %d:%i -- "$1")" ] || fail 'it is no directory' || exit
		chown "${3:-$uid}:${4:-$gid}" . && chmod "$2" .
	) && labelled "$1"
}

# gone PATH
gone() {
	if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir -- "$1"; else rm -f -- "$1"; fi
}

# run DIR USER STDIN ENVS [NAME SIZE]... ARGV. STDIN is the size of the input
# in base64, which a variable can hold: a command must not see half an input,
# and none is written to disk.
run() {
	_d=$1
	_u=$2
	_b=$3
	_k=$4
	shift 4
	_j=0
	while [ "$_j" -lt "$_k" ]; do
		_j=$((_j + 1))
		value "$2"
		eval "_e$_j=\$1=\$v"
		shift 2
	done
	if [ "$_b" = 0 ]; then
		inner "$@" </dev/null
		return
	fi
	value "$_b"
	printf %s "$v" | base64 -d | inner "$@"
}

inner() {
	(
		_j=0
		while [ "$_j" -lt "$_k" ]; do
			_j=$((_j + 1))
			eval "export \"\$_e$_j\""
		done
		cd -- "$_d" || exit
		as "$_u" "$@"
	)
}

# restart: ends with the machine, or with the connection, whichever is first; an
# answer is a refusal. A machine that is on its way down already says so by one.
restart() {
	if [ -d /run/systemd/system ]; then
		systemctl reboot || [ "$(systemctl is-system-running)" = stopping ] || return
	else
		reboot || return
	fi </dev/null
	cat >/dev/null
	exit 1
}

# recorded: fl and fe become the lineage and epoch of the fence; "" where there
# is none. False where it cannot be understood.
recorded() {
	fl=
	fe=
	[ -e "$V/fence" ] || return 0
	_f=
	{ IFS= read -r _f <"$V/fence"; } 2>/dev/null
	case $_f in '{"lineage":"'*'","epoch":'[0-9]*) ;; *) return 1 ;; esac
	fl=${_f#*:\"}
	fl=${fl%%\"*}
	fe=${_f#*\"epoch\":}
	fe=${fe%%[!0-9]*}
}

# fence LINEAGE EPOCH: true where an act of them may go on.
fence() {
	recorded || return
	[ -n "$fe" ] || return 0
	[ -z "$1" ] || [ "$fl" = "$1" ] || return
	[ "$fe" -le "$2" ]
}

# record NAME SIZE: puts the next body as a line into a file of V.
record() {
	value "$2"
	rm -f "$V/$1.new"
	(
		umask 077
		printf '%s\n' "$v" >"$V/$1.new"
	) && settle "$V/$1.new" && mv -fT "$V/$1.new" "$V/$1" && settle "$V"
}

# own DIRECTORY: made, or found to be nobody else's.
own() {
	[ -d "$1" ] || mkdir -m 700 -- "$1" || return
	[ "$(stat -c %u:%a:%F -- "$1")" = "$uid:700:directory" ] || fail "$1 is there, but is not a directory of mode 0700 that belongs to uid $uid"
}

# running ID
running() {
	[ -e "$R/acts/$1/lock" ] && { ! flock -n -s 9; } 9<"$R/acts/$1/lock"
}

# claim LINEAGE EPOCH SIZE: the fence.
claim() {
	own "$R" && own "$R/acts" && own "$V" || return
	{ flock 8 && claimed "$@"; } 8>>"$R/lock"
}

claimed() {
	if recorded && [ "$fl" = "$1" ] && [ "$fe" -gt "$2" ]; then
		w=fenced
		return 1
	fi
	for _p in "$R"/acts/*; do
		[ -d "$_p" ] && running "${_p##*/}" || continue
		_l=
		{ IFS= read -r _l <"$_p/lineage"; } 2>/dev/null
		[ "$_l" = "$1" ] && continue
		fail "${_p##*/} of another state still runs here"
		w=fenced
		return 1
	done
	record fence "$3"
}

# sign LINEAGE EPOCH SIZE [STEP]...: the receipt, and the end of acts but for
# those of STEPs.
sign() {
	{ flock 8 && signed "$@"; } 8>>"$R/lock"
}

signed() {
	if ! fence "$1" "$2"; then
		w=fenced
		return 1
	fi
	record receipt "$3" || return
	shift 3
	for _d in "$R"/acts/*; do
		_a=${_d##*/}
		for _s; do [ "${_a%.*}" != "$_s" ] || continue 2; done
		[ ! -d "$_d" ] || running "$_a" || rm -rf -- "$_d" || return
	done
}

# keep FILE SIZE: the next body, for this user only. A short one means that the
# connection is gone: nothing may start with it.
keep() {
	body "$2" keeping "$1" "$2"
	_k=$?
	if [ "$_k" = 99 ]; then
		rm -rf -- "${1%/*}"
		exit 1
	fi
	return "$_k"
}

keeping() {
	umask 077
	cat >"$1" || return
	_s=$(stat -c %s "$1") || return # who gave the act up removed it
	[ "$_s" = "$2" ] || exit 99
}

# detach ID UNIT LINEAGE SCRIPT ENV STDIN: starts an act once, waits for it.
# The directory is the test and set; sizes are of the bodies.
detach() {
	_p=$R/acts/$1
	if mkdir -m 700 "$_p" 2>/dev/null; then
		{
			keep "$_p/script" "$4" && keep "$_p/env" "$5" && keep "$_p/stdin" "$6" &&
				prepare "$_p" "$3" && launch "$2" "$_p/script"
		} || unstarted "$_p" || return
	elif [ ! -d "$_p" ]; then
		mkdir -m 700 "$_p"
		w=failed
		return 1
	fi
	drain
	ended "$1"
}

# prepare DIRECTORY LINEAGE
prepare() {
	(
		umask 077
		printf '%s\n' "$2" >"$1/lineage" &&
			cat /proc/sys/kernel/random/boot_id >"$1/boot_id" &&
			: >"$1/lock"
	)
}

# launch UNIT SCRIPT: returns when the script has ended, which leaves the act
# running with its lock held. Type=forking is that for systemd.
launch() {
	set -- "$1" /usr/bin/env -i PATH="$PATH" LC_ALL=C /bin/sh "$2"
	_n=$1
	shift
	if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
		systemd-run --quiet --collect --unit="$_n" -p Type=forking -p TimeoutStopSec=10 -- "$@" </dev/null >/dev/null
	else
		setsid "$@" </dev/null >/dev/null 2>&1
	fi
}

# unstarted DIRECTORY: false where the act has not begun, and now never will.
unstarted() {
	mkdir "$1/begun" 2>/dev/null || return 0
	rm -rf -- "$1"
	w=failed
	return 1
}

# ended ID: waits for the end of an act; gives its output and its status. The
# lock is held for as long as it runs. One that is not there is made to be one
# that has ended so: the shell of a cut connection may be about to start it.
ended() {
	_p=$R/acts/$1
	w=interrupted
	[ ! -d "$R/acts" ] || mkdir -m 700 "$_p" 2>/dev/null || :
	result "$_p"
	# One that was about to start finds that it must not; one that was faster
	# holds the lock.
	[ -n "$_r" ] || mkdir "$_p/begun" 2>/dev/null || result "$_p"
	if [ -z "$_r" ]; then
		rm -f "$_p/script" "$_p/env" "$_p/stdin"
		return 1
	fi
	cat "$_p/out"
	cat "$_p/err" >&2
	w=
	return "$_r"
}

# result DIRECTORY: waits while an act of it runs; _r becomes its status, or ""
# where it has none.
result() {
	[ -e "$1/lock" ] && same "$1" && { flock -s 9; } 9<"$1/lock"
	_r=
	{ IFS= read -r _r <"$1/rc"; } 2>/dev/null
}

# same DIRECTORY: true where its act was started in this boot.
same() {
	_b=
	{ IFS= read -r _b <"$1/boot_id"; } 2>/dev/null
	IFS= read -r _c </proc/sys/kernel/random/boot_id
	[ "$_b" = "$_c" ]
}

# halt ID UNIT: ends an act that runs.
halt() {
	running "$1" || return 0
	_p=$R/acts/$1
	if [ -d /run/systemd/system ] && systemctl is-active --quiet "$2"; then
		systemctl stop "$2"
	else
		IFS= read -r _g <"$_p/group" || return
		kill -s TERM -- "-$_g"
		timeout 10 flock -s 9 9<"$_p/lock" || kill -s KILL -- "-$_g"
	fi
	flock -s 9 9<"$_p/lock"
}

f() { printf '%s\0%s\0' "$1" "$2"; }

l() {
	v=
	{ IFS= read -r v <"$2"; } 2>/dev/null
	f "$1" "$v"
}

# contact: who the machine is, what it is, what earlier runs left. Pairs of
# name and value, each ended by NUL.
contact() {
	f uid "$uid"
	f time "$(date +%s)"
	l machine_id /etc/machine-id
	l boot_id /proc/sys/kernel/random/boot_id
	l hostname /proc/sys/kernel/hostname
	l kernel /proc/sys/kernel/osrelease
	l memory /proc/meminfo
	f arch "$(uname -m)"
	f cpus "$(nproc || getconf _NPROCESSORS_ONLN)"
	f os "$(cat /etc/os-release || cat /usr/lib/os-release)"
	f interfaces "$(ip -o addr show)"
	[ -d /run/systemd/system ] && f service_manager systemd
	[ -e /sys/fs/cgroup/cgroup.controllers ] && f cgroup 2
	[ -e /sys/fs/cgroup/memory ] && f cgroup 1
	for _m in apt-get dnf yum; do
		command -v "$_m" >/dev/null && f package_manager "${_m%-get}" && break
	done
	[ -e "$V/fence" ] && l fence "$V/fence"
	[ -e "$V/receipt" ] && l receipt "$V/receipt"
	for _p in "$R"/acts/*; do
		[ -d "$_p" ] || continue
		f act "${_p##*/}"
		l act_boot "$_p/boot_id"
		if same "$_p" && running "${_p##*/}"; then
			f act_running 1
		elif [ -e "$_p/rc" ]; then
			l act_rc "$_p/rc"
		fi
	done
	return 0
} 2>/dev/null

look() {
	mark begin 0
	contact
	mark 0 0
	mark end 0
}

look
while IFS= read -r _h; do
	case $_h in "$N "*) _h=${_h#* } ;; *) exit 1 ;; esac
	left=$((${_h%% *} + ${_h#* }))
	value "${_h%% *}"
	mark begin 0
	eval "$v"
	drain
	mark end 0
done
