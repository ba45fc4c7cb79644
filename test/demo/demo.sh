#!/usr/bin/env bash
# Shows what kplan does, on three throw-away machines. Prints each command
# before it runs it, and ends with an error where something is not as promised.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
go build -o bin/lab ./test/lab/cmd/lab # and not `go run`, which hides exit statuses
lab() { "$root/bin/lab" "$@"; }

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }

# try CODE COMMAND...: runs the command and wants that exit status.
try() {
	local want=$1 rc=0
	shift
	printf '\n$ %s\n' "$*"
	"$@" || rc=$?
	if [ "$rc" != "$want" ]; then
		printf 'demo: exit status %s, expected %s\n' "$rc" "$want" >&2
		exit 1
	fi
}

say 'Three machines, from nothing'
lab up
lab reset # whatever they were used for before
dir=$(lab dir)
work=$(mktemp -d)
cleanup() {
	rm -rf "$work"
	say 'The machines go'
	lab down
}
trap cleanup EXIT
cp -r examples/baseline/. "$work"
cp "$dir/known_hosts" "$work/known_hosts"
export KPLAN_VAR_private_key_file=$dir/id_ed25519

# The machines live in a network of their own.
kplan() { lab exec -- "$root/bin/kplan" --chdir "$work" "$@"; }
on() { lab ssh "$@"; }

say 'The spec'
cat "$work/baseline.kplan.hcl"
try 0 kplan validate

say 'What would be done'
try 0 kplan plan --out plan.kplan

say 'That, and nothing else, is done'
try 0 kplan apply plan.kplan

say 'Now there is nothing to do'
try 0 kplan plan --detailed-exitcode

say 'Four changes behind its back'
on k8s-node1 'sysctl -qw net.ipv4.ip_forward=0'
on k8s-node2 'echo edited by hand >>/etc/kubernetes/README'
on k8s-node2 'apt-get -qq remove socat >/dev/null'
on k8s-node3 'hostnamectl set-hostname nobody'
try 2 kplan drift
say 'are repaired'
try 0 kplan apply --auto-approve
try 0 kplan drift

say 'A resource is removed from the spec, and so from the machines'
sed -i '/^resource "file" "note"/,/^}/d' "$work/node/node.kplan.hcl"
try 0 kplan apply --auto-approve

say 'A machine is switched off, and a value changes: the others go on'
lab power-off k8s-node3
sed -i 's/"overlay\\nbr_netfilter\\n"/"br_netfilter\\noverlay\\n"/' "$work/node/node.kplan.hcl"
try 3 kplan apply --auto-approve
lab power-on k8s-node3
say 'It comes back, and gets what it missed'
try 0 kplan apply --auto-approve
try 0 kplan plan --detailed-exitcode

say 'How to go on'
cat <<'TEXT'
  make lab-up                      three machines to play with
  $EDITOR examples/baseline        the spec that you just saw
  bin/kplan explain                the resource types, and what each takes
  make test                        run all the tests, on machines of their own
TEXT
