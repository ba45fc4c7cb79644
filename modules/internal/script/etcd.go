package script

// EtcdFile is where Etcd is kept on a control plane, for its timer and for
// whoever has to restore.
const EtcdFile = "/usr/local/sbin/kplan-etcd"

// EtcdTool is where Etcd keeps the program that restores, which is in etcd's
// image only, and an etcd that has to be restored may not run.
const EtcdTool = "/usr/local/libexec/kplan-etcdutl"

// Etcd saves snapshots of the etcd that kubeadm runs as a static pod, and
// restores them: "save DIRECTORY KEEP [NAME]" or "restore [--alone] FILE".
//
// No host has etcdctl, and which tool looks into containers depends on the
// runtime, so the programs are taken from the root file system of the process of
// etcd, proc(5): those of Kubernetes' image are static, for images without a
// shell. Images with etcd before 3.6 have no etcdutl; there etcdctl does the
// same. How etcd is run stands in its manifest.
//
// A restore puts the new data beside the old while the cluster runs, so that a
// bad file changes nothing. Then it stops the kubelet, takes the manifests
// away, and ends the processes itself: without a kubelet nobody starts them
// again, and they are gone when they are gone; without the manifests neither
// does a boot in between, which would let etcd begin an empty cluster. Cut off
// anywhere, it may be run again. Revisions are bumped as etcd's guide to disaster
// recovery says, so that no client takes what it had seen for newer.
const Etcd = `set -eu
umask 077
manifests=/etc/kubernetes/manifests
aside=/etc/kubernetes/kplan-restore
tool=` + EtcdTool + `

say() { printf 'kplan-etcd: %s\n' "$*"; }
die() { say "$@" >&2; exit 1; }

usage() {
	cat >&2 <<-'END'
	usage: kplan-etcd save DIRECTORY KEEP [NAME]
	           saves a snapshot of etcd, with /etc/kubernetes, and keeps the last KEEP of that NAME
	       kplan-etcd restore [--alone] FILE.db
	           makes etcd of this machine what it was then; --alone: its other members have been reset
	END
	exit 2
}

# manifest POD: its file, also while a restore has taken it away.
manifest() { if [ -e "$manifests/$1.yaml" ]; then echo "$manifests/$1.yaml"; else echo "$aside/$1.yaml"; fi; }

# argument POD NAME: what its manifest gives for --NAME.
argument() { sed -n "s/^ *- --$2=//p" "$(manifest "$1")"; }

# needed POD NAME: the same, which must be there.
needed() {
	value=$(argument "$1" "$2")
	[ -n "$value" ] || die "$(manifest "$1") gives no --$2"
	printf '%s\n' "$value"
}

# processes PROGRAM NAME: those of the static pod. Another etcd on the machine
# has another address.
processes() {
	wanted=--$2=$(needed "$1" "$2")
	for process in /proc/[0-9]*; do
		if read -r program <"$process/comm" && [ "$program" = "$1" ] && tr '\0' '\n' <"$process/cmdline" | grep -qxFe "$wanted"; then
			echo "${process#/proc/}"
		fi
	done 2>/dev/null
}

# here POD...: fails where the machine has no such static pods.
here() {
	for pod; do
		[ -e "$(manifest "$pod")" ] || die "there is no $manifests/$pod.yaml: this machine is no control plane that kubeadm made with an etcd of its own"
	done
	needed etcd advertise-client-urls >/dev/null
}

# found: whether etcd runs; then programs is where its image has them, and tool is there.
found() {
	etcd=$(processes etcd advertise-client-urls | sed 1q)
	[ -n "$etcd" ] || return 1
	programs=/proc/$etcd/root$(readlink "/proc/$etcd/exe")
	programs=${programs%/*}
	newest=$programs/etcdutl
	[ -e "$newest" ] || newest=$programs/etcdctl
	[ -e "$newest" ] || die "the image of etcd has neither etcdutl nor etcdctl in ${programs#/proc/*/root}"
	cmp -s "$newest" "$tool" || {
		(umask 022 && mkdir -p "${tool%/*}")
		cp "$newest" "$tool.$$"
		mv -f "$tool.$$" "$tool"
	}
}

etcdctl() {
	"$programs/etcdctl" --endpoints="$(needed etcd advertise-client-urls)" --cacert="$(needed etcd trusted-ca-file)" \
		--cert="$(needed etcd cert-file)" --key="$(needed etcd key-file)" "$@"
}

# quietly WHAT COMMAND...: shows what it wrote where it fails, and why last.
quietly() {
	what=$1
	shift
	output=$("$@" 2>&1) || {
		printf '%s\n' "$output" >&2
		die "cannot $what: $(printf '%s\n' "$output" | sed -n '$s/^Error: //;$p')"
	}
}

# whole FILE: fails where it is not what etcd sent, whose digest is at its end,
# or no database that can be read; status is what it holds.
whole() {
	size=$(wc -c <"$1")
	[ "$((size % 512))" -eq 32 ] || die "$1 is no whole snapshot: it has no digest at its end"
	digest=$(head -c "$((size - 32))" "$1" | sha256sum)
	[ "${digest%% *}" = "$(tail -c 32 "$1" | od -An -v -tx1 | tr -d ' \n')" ] || die "$1 is damaged: it is not what the digest at its end says"
	quietly "read $1" "$tool" snapshot status "$1" --write-out=simple
	status=$(printf '%s\n' "$output" | sed -n '$s/^[^,]*, \([^,]*\), \([^,]*\), \([^,]*\).*/revision \1, \2 keys, \3/p')
}

save() {
	directory=$1 keep=$2 name=${3:-etcd}
	here etcd
	tries=0
	until found && etcdctl endpoint health >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 60 ] || die "etcd does not answer on this machine"
		sleep 2
	done
	[ -d "$directory" ] || (umask 022 && mkdir -p -m 0700 -- "$directory")
	exec 9<"$directory"
	flock 9
	new=$directory/.new
	rm -rf "$new"
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir "$new"
	quietly "save a snapshot" etcdctl --command-timeout=30m snapshot save "$new/db"
	whole "$new/db"
	etcdctl member list --write-out=simple >"$new/members"
	(
		cd /etc/kubernetes
		set --
		for entry in *; do
			case $entry in tmp | "${aside##*/}") ;; *) set -- "$@" "$entry" ;; esac
		done
		tar -cf "$new/tar" -- "$@"
	)
	file=$directory/$name-$(date -u +%Y%m%dT%H%M%SZ)
	sync "$new/members" "$new/tar" "$new/db"
	for kind in members tar db; do mv -f "$new/$kind" "$file.$kind"; done
	sync "$directory"
	say "saved $file.db: $status"

	set --
	for old in "$directory/$name"-????????T??????Z.db; do
		[ "$old" = "$file.db" ] || set -- "$@" "$old"
	done
	while [ "$#" -ge "$keep" ]; do
		rm -f -- "$1"
		shift
	done
	for old in "$directory/$name"-????????T??????Z.tar "$directory/$name"-????????T??????Z.members; do
		[ -e "${old%.*}.db" ] || rm -f -- "$old"
	done
}

# single FILE: fails where etcd has other members, or may have.
single() {
	if found && members=$(etcdctl member list --write-out=simple 2>/dev/null); then
		:
	elif [ -e "${1%.db}.members" ]; then
		members=$(cat "${1%.db}.members")
	else
		die "whether etcd has other members is not known: it does not answer, and ${1%.db}.members is not there. Where it has none, or all of them were reset, write restore --alone $1"
	fi
	[ "$(printf '%s\n' "$members" | wc -l)" -eq 1 ] || {
		printf '%s\n' "$members" >&2
		die "etcd has other members, and they would go on without what is restored. First run kubeadm reset on their machines; then write restore --alone $1 here, and let them join again"
	}
}

restore() {
	alone=
	if [ "$1" = --alone ]; then
		alone=yes
		shift
	fi
	[ "$#" -eq 1 ] || usage
	snapshot=$1
	[ -f "$snapshot" ] || die "there is no file $snapshot"
	here etcd kube-apiserver
	[ -z "$(argument etcd wal-dir)" ] || die "etcd keeps its log apart, in $(argument etcd wal-dir), which is not supported: restore by hand, with etcdutl"
	data=$(needed etcd data-dir) member=$(needed etcd name) peer=$(needed etcd initial-advertise-peer-urls)
	address=$(needed kube-apiserver advertise-address) port=$(argument kube-apiserver secure-port)
	[ -n "$alone" ] || single "$snapshot"
	found || [ -e "$tool" ] || die "etcd does not run, so there is no etcdutl: put that of etcd's release at $tool"
	whole "$snapshot"
	say "$snapshot is whole: $status"

	new=$data/kplan-restore
	say "making the data of member $member at $peer from it, in $new"
	rm -rf "$new"
	quietly "restore the snapshot" "$tool" snapshot restore "$snapshot" --data-dir="$new" --name="$member" --initial-cluster="$member=$peer" \
		--initial-advertise-peer-urls="$peer" --bump-revision=1000000000 --mark-compacted
	sync

	trap 'say "the restore has not ended, and etcd and the API server are stopped: run it again" >&2' EXIT
	trap 'exit 1' HUP INT TERM
	say "stopping the kubelet, then etcd and the API server"
	systemctl stop kubelet
	mkdir -p "$aside"
	for pod in kube-apiserver etcd; do
		[ ! -e "$manifests/$pod.yaml" ] || mv -f "$manifests/$pod.yaml" "$aside/"
	done
	sync "$manifests" "$aside"
	tries=0
	while
		running=$(processes kube-apiserver advertise-address && processes etcd advertise-client-urls)
		[ -n "$running" ]
	do
		case $tries in
		0) kill $running || : ;;
		30) kill -9 $running || : ;;
		60) die "the processes $running do not end" ;;
		esac
		tries=$((tries + 1))
		sleep 1
	done
	say "both are gone"

	if [ -e "$data/member" ]; then
		until
			old=$data/member.before-$(date -u +%Y%m%dT%H%M%SZ)
			[ ! -e "$old" ]
		do sleep 1; done
		mv "$data/member" "$old"
		say "the data of before is kept: $old"
	fi
	mv "$new/member" "$data/member"
	rmdir "$new"
	sync "$data"

	say "starting etcd, the API server and the kubelet"
	for pod in etcd kube-apiserver; do mv -f "$aside/$pod.yaml" "$manifests/"; done
	rmdir "$aside"
	trap - EXIT
	systemctl start kubelet
	case $address in *:*) address="[$address]" ;; esac
	tries=0 ready=0
	while [ "$ready" -lt 3 ]; do
		[ "$tries" -lt 300 ] || die "the data is restored, but the API server does not say that it is ready. journalctl -u kubelet and /var/log/pods tell why"
		tries=$((tries + 1))
		ready=$((ready + 1))
		kubectl --kubeconfig=/etc/kubernetes/admin.conf --server="https://$address:${port:-6443}" --request-timeout=5s get --raw /readyz >/dev/null 2>&1 || ready=0
		sleep 1
	done
	say "restored: the API server is ready"
}

case ${1-} in
save)
	[ "$#" -eq 3 ] || [ "$#" -eq 4 ] || usage
	shift
	save "$@"
	;;
restore)
	[ "$#" -ge 2 ] || usage
	shift
	restore "$@"
	;;
*) usage ;;
esac
`
