package script

// Apt brings one package to one state: its arguments are "install" or "remove",
// the name, the version or "", and "hold" or "unhold".
//
// Whatever waits for a lock that another package manager has, waits ten
// minutes: DPkg::Lock::Timeout (apt.conf(5), apt 1.9.11) does so for the locks
// of dpkg, and locked for those of lists, archives and dpkg alone. A dpkg that
// was interrupted is let finish first. What is not found, or no longer at its
// address, is looked for again in fresh lists. What is installed stays where no
// version is asked for. Another package is never removed for this one.
const Apt = `
export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1
action=$1 name=$2 version=$3 hold=$4

locked() {
	tries=0
	while :; do
		out=$("$@" 2>&1) && { printf '%s\n' "$out"; return 0; }
		code=$?
		tries=$((tries + 1))
		case $out in
		*'ould not get lock'*|*'nable to lock'*|*'locked by another process'*|*'nable to acquire the dpkg'*) ;;
		*) printf '%s\n' "$out" >&2; return "$code" ;;
		esac
		[ "$tries" -lt 300 ] || { printf '%s\n' "$out" >&2; return "$code"; }
		sleep 2
	done
}

get() {
	locked apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

set -e
locked dpkg --force-confdef --force-confold --configure -a </dev/null
status=$(dpkg-query -W -f '${db:Status-Abbrev}' -- "$name" 2>/dev/null) || status=
case $status in
h*) locked apt-mark unhold "$name" ;;
esac
if [ "$action" = remove ]; then
	[ -z "$status" ] || locked dpkg --remove "$name" </dev/null
	exit 0
fi
spec=$name downgrade=
if [ -n "$version" ]; then
	spec=$name=$version downgrade=--allow-downgrades
fi
case $version$status in
'ii '*|'hi '*) ;;
*)
	get install --no-remove --download-only $downgrade "$spec" || get update
	get install --no-remove $downgrade "$spec"
	;;
esac
if [ "$hold" = hold ]; then
	locked apt-mark hold "$name"
fi
`
