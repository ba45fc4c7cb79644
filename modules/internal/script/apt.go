package script

// aptLocked begins the scripts of apt. What waits for a lock that another
// package manager has, waits ten minutes: locked runs a command until it gets
// those of lists, archives and dpkg.
const aptLocked = `
export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1

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
`

// Apt brings packages to their states, in one transaction: its arguments are,
// for each, "install" or "remove", the name, the version or "", and "hold" or
// "unhold". Neither name nor version has what a shell takes for anything else.
//
// DPkg::Lock::Timeout (apt.conf(5), apt 1.9.11) waits for the locks of dpkg as
// locked does for the others. A dpkg that was interrupted is let finish first.
// What is not found, or no longer at its address, is looked for again in fresh
// lists: apt fetches all before dpkg begins (apt.conf(5), DPkg::Pre-Invoke), so a
// try in which dpkg did not begin has changed nothing. What is installed stays
// where no version is asked for. Another package is never removed for these.
const Apt = aptLocked + `
get() {
	locked apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# mark STATE NAME...: what apt-mark(8) does, in a tenth of the time.
mark() {
	state=$1
	shift
	for name; do printf '%s %s\n' "$name" "$state"; done | dpkg --set-selections
}

set -e
locked dpkg --force-confdef --force-confold --configure -a </dev/null
released='' removed='' specs='' downgrade='' held=''
while [ $# -gt 0 ]; do
	action=$1 name=$2 version=$3 hold=$4
	shift 4
	status=$(dpkg-query -W -f '${db:Status-Abbrev}' -- "$name" 2>/dev/null) || status=
	case $status in
	h*) released="$released $name" ;;
	esac
	if [ "$action" = remove ]; then
		[ -z "$status" ] || removed="$removed $name"
		continue
	fi
	[ "$hold" != hold ] || held="$held $name"
	[ -z "$version" ] || downgrade=--allow-downgrades
	case $version$status in
	'ii '*|'hi '*) ;;
	*) specs="$specs $name${version:+=$version}" ;;
	esac
done
[ -z "$released" ] || locked mark install $released
[ -z "$removed" ] || locked dpkg --remove $removed </dev/null
if [ -n "$specs" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	bring() { get install --no-remove $downgrade -o DPkg::Pre-Invoke::=": >$tmp/begun" $specs; }
	bring || {
		code=$?
		[ ! -e "$tmp/begun" ] || exit $code
		get update
		bring
	}
fi
[ -z "$held" ] || locked mark hold $held
`

// AptLists fetches the package lists of the one source that it reads in deb822
// form, signed with KPLAN_KEY unless that is empty. Its argument is the name that
// the source will have in sources.list.d, beside those that are there: one that
// contradicts them would keep apt from all its work. Lists of other sources stay
// as they are. A list that cannot be fetched is an error (apt.conf(5), apt
// 2.1.16). Of apt's messages, those that only say that there were some are left
// out. The files are readable by the user that apt becomes.
const AptLists = aptLocked + `
umask 022
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir "$tmp/parts"
source=$tmp/parts/$1.sources
for file in /etc/apt/sources.list.d/*; do
	[ "${file##*/}" = "$1.sources" ] || ln -s "$file" "$tmp/parts"
done
cat >"$source"
if [ -n "$KPLAN_KEY" ]; then
	printf '%s\n' "$KPLAN_KEY" >"$tmp/kplan.asc"
	printf 'Signed-By: %s\n' "$tmp/kplan.asc" >>"$source"
fi
unset KPLAN_KEY
fetch() {
	apt-get -q -o Dir::Etc::SourceParts="$tmp/parts" indextargets >/dev/null &&
		locked apt-get -q -o Dir::Etc::SourceList="$source" -o Dir::Etc::SourceParts=/dev/null \
			-o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any update </dev/null
}
out=$(fetch 2>&1) && exit 0
printf '%s\n' "$out" | grep -v -e '^E: Some index files failed' -e '^E: The list of sources could not be read' >&2
exit 100
`
