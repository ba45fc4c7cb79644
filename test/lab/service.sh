#!/bin/sh
# Runs a program for the machines, in the lab's network and in cgroups of its own, by which it is found again.
# usage: service.sh CGROUPS COMMAND…    CGROUPS is a file that lists them

# What the starter had open, a lock perhaps, must not stay open for as long as the program runs.
for fd in 3 4 5 6 7 8 9; do
	eval "exec $fd>&-"
done
set -eu
while read -r cgroup; do echo 0 >"$cgroup/keeper/cgroup.procs"; done <"$1"
shift
exec nsenter --net=/run/netns/kplan-lab -- "$@"
