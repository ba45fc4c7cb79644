#!/bin/sh
# The power supply of one machine: boots it, and boots it again when it reboots. Ends when the machine is powered off.
# usage: supervise.sh NAME ADDRESS DIR    DIR is the machine's directory; its cgroups are listed in DIR/cgroups

# What the starter had open, a lock perhaps, must not stay open for as long as the machine runs.
for fd in 3 4 5 6 7 8 9; do
	eval "exec $fd>&-"
done
set -u
name=$1 address=$2 dir=$3
net=kplan-lab netns=kplan-lab-$name port=lab-$name

# Writing 0 moves the shell that writes. systemd-nspawn needs a cgroup with nobody else in it, as cgroup v2 has it that
# only leaves hold processes.
enter() { while read -r cgroup; do echo 0 >"$cgroup/$1/cgroup.procs"; done <"$dir/cgroups"; }

# A fresh namespace for every boot, as a real reboot forgets addresses, routes, rules and bridges. The network card keeps
# its hardware address, by which the others know it.
network() {
	ip -n "$net" link del "$port" 2>/dev/null
	ip netns del "$netns" 2>/dev/null
	ip netns add "$netns"
	ip -n "$netns" link set lo up
	ip link add "$port" netns "$net" type veth peer name eth0 \
		address "02:00:0a:00:02:$(printf %02x "${address##*.}")" netns "$netns"
	ip -n "$net" link set "$port" master bridge
	[ -e "$dir/cut" ] || ip -n "$net" link set "$port" up
	ip -n "$netns" addr add "$address/24" dev eth0
	ip -n "$netns" link set eth0 up
	ip -n "$netns" route add default via 10.0.2.1
}

set -- --bind="$dir/var:/var"
for f in /dev/kmsg /dev/fuse; do [ ! -e "$f" ] || set -- "$@" --bind="$f"; done
[ ! -e "/lib/modules/$(uname -r)/modules.dep" ] || set -- "$@" --bind-ro=/lib/modules

enter keeper
# nspawn's own system call filter blocks what container runtimes want; /proc/sys has to be writable as on a real machine.
export SYSTEMD_SECCOMP=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
while :; do
	network
	# CAP_SYS_TIME is the one capability that a machine lacks: the clock is the host's.
	(
		enter machine
		exec systemd-nspawn --quiet --register=no --keep-unit --console=pipe --directory="$dir/root" --machine="$name" \
			--network-namespace-path="/run/netns/$netns" --capability=all --drop-capability=CAP_SYS_TIME \
			--kill-signal=SIGRTMIN+3 --resolv-conf=off --timezone=off --link-journal=no "$@" /usr/local/sbin/lab-init
	)
	status=$?
	echo "lab: the machine stopped with status $status"
	[ "$status" = 133 ] || exit 0 # 133 is how nspawn with --keep-unit says "reboot"
done
