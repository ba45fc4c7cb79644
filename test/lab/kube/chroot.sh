#!/bin/sh
# Runs packages.sh in a copy of a system that is thrown away. Runs in a mount and pid namespace of its own.
# usage: chroot.sh BASE PROGRAMS SITE ARGUMENT…    the script finds PROGRAMS in /media, and SITE in /mnt
set -eu
base=$1 programs=$2 site=$3
shift 3
mkdir "$site/work/upper" "$site/work/work" "$site/work/root"
root=$site/work/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$site/work/upper,workdir=$site/work/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$programs" "$root/media"
mount --bind "$site" "$root/mnt"
cp /etc/resolv.conf "$root/etc/resolv.conf" # the mirror's name has to be found
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
	chroot "$root" /bin/bash /mnt/work/packages.sh "$@"
